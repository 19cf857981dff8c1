"""Observability: whether policies get to see the task's state, and whether data, policy and simulator agree on it.

A policy that was pre-trained on joints alone is *blind*: it does not see where anything is. One that was pre-trained on
a state needs the same columns from the demonstrations and from the simulator. What disagrees is refused before anything
is trained.
"""

from collections.abc import Sequence
from dataclasses import replace

from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.experiments.settings import Settings
from ate.policies.vision.seen import is_seen, seen_by
from ate.robots.kinematic_table import ROBOTS
from ate.sim.gym_address import GymAddress
from ate.sim.simulator import known
from ate.sim.tasks import STATE_NAMES

BLIND = "Blind: policies see joints alone, and nothing of where objects are."
RECORD = "record it as `state` (docs/data.md)"
ALONE = "let policies see joints alone with blind=true"


def is_blind(settings: Settings, sets: Sequence[Episodes]) -> bool:
    """Whether policies that are pre-trained on these sets see joints alone."""
    return settings.blind or not all(episodes.has("state") for episodes in sets)


def blind_sentence(settings: Settings, sets: Sequence[Episodes]) -> list[str]:
    """That policies are blind, where they are."""
    return [BLIND] if is_blind(settings, sets) else []


def blinded(sets: Sequence[Episodes]) -> tuple[Episodes, ...]:
    """The same episodes without the task's state."""
    return tuple(
        replace(
            episodes,
            items=tuple(
                replace(item, series={name: rows for name, rows in item.series.items() if name != "state"})
                for item in episodes
            ),
        )
        for episodes in sets
    )


def check_observations(settings: Settings, sets: Sequence[Episodes], adapt: Episodes) -> None:
    """Refuse data and simulators that do not give a policy what it is pre-trained on.

    A simulator of the user's own is started for this and reset once.

    Args:
        settings: of the study.
        sets: the pre-training robots' episodes.
        adapt: the adaptation robot's.

    Raises:
        InputError: demonstrations without the state that the pre-training sets have, or of other columns; a simulator
            whose state has other columns, or whose actions are not the data's columns; and what starting one raises.
    """
    wanted = 0 if is_blind(settings, sets) else _columns(sets[0])
    names = f": {', '.join(sets[0][0].column_names('state'))}" if wanted and sets[0][0].column_names("state") else ""
    expected = f"its {wanted} columns, as the pre-training sets have them{names}"
    if wanted and (not adapt.has("state") or _columns(adapt) != wanted):
        got = f"a state of {_columns(adapt)} columns" if adapt.has("state") else "no state of the task"
        raise InputError(got, where=settings.adapt, expected=expected, fix=f"{RECORD}, or {ALONE}")
    if settings.simulator:
        _check_simulator(GymAddress.parse(settings.simulator), settings, adapt, wanted, expected)
    elif settings.task and not known(adapt.robot, settings.task):
        raise InputError(
            f"task={settings.task} for robot {adapt.robot!r}", where="rollouts",
            expected=f"a robot that ate.sim has: {', '.join(ROBOTS)}",
            fix="name your own simulator (simulator=gym:ID), or leave task out: held-out errors are reported then",
        )  # fmt: skip
    elif is_seen(sets[0]) and settings.task not in ("", adapt.task):
        raise InputError(
            f"task={settings.task}", where="rollouts of a policy that sees pictures",
            expected=f"{adapt.task}, whose scene its demonstrations show", fix="leave task out",
        )  # fmt: skip
    elif is_seen(sets[0]) and wanted:
        _check_eyes(sets, adapt)
    elif known(adapt.robot, settings.task or adapt.task) and wanted not in (0, len(STATE_NAMES)):
        raise InputError(
            f"{len(STATE_NAMES)} columns of state from the simulator of ate.sim", where="rollouts", expected=expected,
            fix=f"roll out in your own simulator (simulator=gym:ID), or {ALONE}",
        )  # fmt: skip


def _check_eyes(sets: Sequence[Episodes], adapt: Episodes) -> None:
    """Refuse sets that other eyes saw than the policy gets, those of the first one, and what can't be rolled out."""
    for episodes in (*sets[1:], adapt):
        if seen_by(episodes) != seen_by(sets[0]):
            raise InputError(
                f"episodes seen by {seen_by(episodes) or 'nobody'}", where=f"pictures of {episodes.robot}",
                expected=f"the eyes that saw {sets[0].robot}, {seen_by(sets[0])}",
                fix="see all sets with one encoder and instruction: policy=vision on the recordings, or ate vision see",
            )  # fmt: skip
    drawn = sets[0][0].column_names("state")[: len(STATE_NAMES)] == STATE_NAMES
    if known(adapt.robot, adapt.task) and not drawn:
        raise InputError(
            f"rollouts of {adapt.robot} at {adapt.task}, whose pictures are drawn", where=f"pictures of {adapt.robot}",
            expected="those of the cameras that its policy was trained on", fix=ALONE,
        )  # fmt: skip


def _check_simulator(address: GymAddress, settings: Settings, adapt: Episodes, wanted: int, expected: str) -> None:
    from ate.sim.gym_simulator import describe

    description, where = describe(address), f"simulator {address.name}"
    keys = ", ".join(f"{key} {shape}" for key, shape in description.keys.items())
    if description.dof != adapt.dof:
        raise InputError(
            f"{description.dof} columns of qpos", where=where,
            expected=f"{adapt.dof}, as {settings.adapt} has them: {', '.join(adapt.joint_names)}",
            fix=f"choose them with qpos=KEY[first:last], or those of the data with joints=; an observation has {keys}",
        )  # fmt: skip
    if wanted and description.state != wanted:
        raise InputError(
            f"a state of {description.state} columns" if description.state else "no state", where=where,
            expected=expected,
            fix=f"choose them with state=KEY+KEY, or {ALONE}; an observation has {keys}",
        )  # fmt: skip


def _columns(episodes: Episodes) -> int:
    shape = episodes[0].series["state"].shape
    return shape[1] if len(shape) > 1 else 1
