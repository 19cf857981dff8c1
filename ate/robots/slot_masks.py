"""Slot masks over RDT's 128 slots: made from names, and checks of one that was typed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ate.errors import InputError
from ate.robots.embodiment import Embodiment
from ate.robots.profile import Profile
from ate.robots.roles import roles
from ate.robots.slots import RDT_WIDTH, SLOTS, embodiment, rdt_place, slot


@dataclass(frozen=True)
class Oddity:
    """One thing that is odd about a mask.

    Attributes:
        kind: `gap`, `asymmetry`, `mixed`, `reserved`, `lone gripper`, `duplicate`, `range`, `empty`, `missing` or
            `extra`.
        slots: the slots it is about.
        text: what is odd, with names, and what to do.
    """

    kind: str
    slots: tuple[int, ...]
    text: str


def slot_mask(robot: Profile | Embodiment) -> tuple[int, ...]:
    """The slots that a robot's joints take in the 128-slot vector, in ascending order.

    Raises:
        InputError: the robot has columns without a slot, or the embodiment is of another width.
    """
    body = embodiment(robot) if isinstance(robot, Profile) else robot
    if body.width != RDT_WIDTH:
        raise InputError(
            f"{body.width} slots",
            where=f"mask of {body.name}",
            expected=f"an embodiment of {RDT_WIDTH} slots",
            fix="make it with layout 'rdt'",
        )
    return tuple(sorted(body.slots))


def check_slot_mask(given: Sequence[int] | np.ndarray, profile: Profile | None = None) -> tuple[Oddity, ...]:
    """Oddities of a hand-written mask, by name; none where it is sound.

    Args:
        given: slots, or 128 values of 0 and 1.
        profile: the robot it is meant for; its joints are then looked for too.

    Raises:
        InputError: `given` is not a list of whole numbers.
    """
    places = _places(given)
    inside = sorted({place for place in places if 0 <= place < RDT_WIDTH})
    against_robot = [] if profile is None else _robot(inside, profile)
    if profile is not None and inside and not against_robot:
        # Exactly the robot's joints: the arms may differ as the robot's do.
        return tuple(_entries(places))
    return (*_entries(places), *_gaps(inside), *_arms(inside), *_kinds(inside), *against_robot)


def _places(given: Sequence[int] | np.ndarray) -> list[int]:
    try:
        values = np.asarray(given) if len(given) else np.zeros(0, int)
    except (TypeError, ValueError, OverflowError):
        values = np.array(None)
    if values.ndim != 1 or values.dtype.kind not in "biu":
        raise _not_a_mask("something else than a row of whole numbers")
    # No list of slots has that many entries of which none is above 1.
    if values.dtype.kind == "b" or (len(values) > 2 and np.isin(values, (0, 1)).all()):
        if len(values) != RDT_WIDTH:
            raise _not_a_mask(f"{len(values)} values of 0 and 1")
        values = np.flatnonzero(values)
    return values.tolist()


def _not_a_mask(got: str) -> InputError:
    return InputError(
        got,
        where="mask",
        expected=f"a list of slots, or {RDT_WIDTH} values of 0 and 1",
        fix="write whole numbers, e.g. [0, 1, 2, 3, 4, 5, 10]",
    )


def _entries(places: list[int]) -> list[Oddity]:
    odd = []
    if not places:
        odd.append(Oddity("empty", (), "no slot is guided: name the robot to see its mask"))
    outside = tuple(sorted({place for place in places if not 0 <= place < RDT_WIDTH}))
    if outside:
        odd.append(Oddity("range", outside, f"{_list(outside)} outside the vector: slots are 0 to {RDT_WIDTH - 1}"))
    twice = tuple(sorted(place for place, count in Counter(places).items() if count > 1 and place not in outside))
    if twice:
        odd.append(Oddity("duplicate", twice, f"{_named(twice)} more than once"))
    return odd


def _used(inside: Iterable[int], prefix: str) -> list[int]:
    return [place for place in inside if SLOTS[place].startswith(prefix)]


def _gaps(inside: list[int]) -> list[Oddity]:
    odd = []
    for arm in ("right", "left"):
        for part in ("arm_joint", "gripper_joint", "arm_velocity", "gripper_velocity"):
            run, used = (_used(places, f"{arm}_{part}_") for places in (range(RDT_WIDTH), inside))
            if not used:
                continue
            start = tuple(range(run[0], used[0]))
            within = tuple(place for place in range(used[0], used[-1]) if place not in used)
            what = f"{arm} {part.replace('_', ' ')}s"
            if start:
                text = f"{_named(start)} left out: the {what} used start at slot {used[0]}, theirs start at {run[0]}"
                odd.append(Oddity("gap", start, text))
            if within:
                odd.append(Oddity("gap", within, f"{_named(within)} left out between other {what}"))
    return odd


def _arms(inside: list[int]) -> list[Oddity]:
    odd = []
    used = {arm: _used(inside, f"{arm}_arm_joint_") for arm in ("right", "left")}
    grip = {arm: _used(inside, f"{arm}_gripper_joint_") for arm in ("right", "left")}
    for arm, places in grip.items():
        if places and not used[arm]:
            text = f"{_named(tuple(places))} without any joint of the {arm} arm"
            odd.append(Oddity("lone gripper", tuple(places), text))
    for what, sides in (("arm", used), ("gripper", grip)):
        right, left = ({SLOTS[p].split("_", 1)[1]: p for p in sides[arm]} for arm in ("right", "left"))
        if not (used["right"] and used["left"]) or right.keys() == left.keys():
            continue
        lacking = [slot(f"left_{name}") for name in right if name not in left]
        lacking += [slot(f"right_{name}") for name in left if name not in right]
        text = f"{len(right)} right {what} joints against {len(left)} left ones: {_named(tuple(lacking))} left out"
        odd.append(Oddity("asymmetry", tuple(lacking), text))
    return odd


def _kinds(inside: list[int]) -> list[Oddity]:
    odd = []
    reserved = tuple(place for place in inside if SLOTS[place].startswith("reserved"))
    if reserved:
        odd.append(Oddity("reserved", reserved, f"{_list(reserved)} reserved: no joint is ever there"))
    joints = any("_joint_" in SLOTS[place] for place in inside)
    arms = [place for place in inside if not SLOTS[place].startswith("base")]
    poses = tuple(place for place in arms if "end_effector" in SLOTS[place])
    speeds = tuple(place for place in arms if "velocity" in SLOTS[place] and place not in poses)
    for what, mixed in (("velocities", speeds), ("end-effector poses", poses)):
        if mixed and joints:
            text = f"{_named(mixed)} guided together with joint positions: {what} are not joints"
            odd.append(Oddity("mixed", mixed, text))
    return odd


def _robot(inside: list[int], profile: Profile) -> list[Oddity]:
    odd = []
    places = [rdt_place(role) for role in roles([joint.name for joint in profile.joints], profile)]
    joints = [(place, j) for place, j in zip(places, profile.joints, strict=True) if place is not None]
    wanted = {place: joint.name for place, joint in joints if not joint.optional}
    missing = tuple(place for place in sorted(wanted) if place not in inside)
    if missing:
        named = ", ".join(f"{wanted[place]} ({SLOTS[place]}, slot {place})" for place in missing)
        odd.append(Oddity("missing", missing, f"{profile.name} has {named}: left out"))
    extra = tuple(place for place in inside if place not in places)
    if extra:
        odd.append(Oddity("extra", extra, f"{profile.name} has no joint in {_named(extra)}"))
    return odd


def _named(places: tuple[int, ...]) -> str:
    return ", ".join(f"{SLOTS[place]} (slot {place})" for place in places)


def _list(places: tuple[int, ...]) -> str:
    slots = "slot" if len(places) == 1 else "slots"
    return f"{slots} {', '.join(map(str, places))}"
