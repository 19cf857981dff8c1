"""Climb: every check on one policy, in the order in which a fault further down would spoil what is seen further up."""

import numpy as np

from ate.data.doctor.report import FAIL
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.diagnose import gripper_timing as grasping
from ate.diagnose import input_ablation as ablating
from ate.diagnose import normalization as statistics
from ate.diagnose import prediction_error as accuracy
from ate.diagnose import replay, weights
from ate.diagnose import stuck_at_start as starting
from ate.diagnose.predictions import View
from ate.diagnose.report import Diagnosis
from ate.errors import InputError
from ate.policies.policy import Policy


def run_checks(
    policy: Policy,
    episodes: Episodes,
    *,
    space: ActionSpace | None = None,
    start: Policy | None = None,
    held_out: Episodes | None = None,
    simulator: bool | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Ask a policy with a low loss why its robot is bad.

    Args:
        policy: what was trained.
        episodes: what it was trained on.
        space: the action space it acts in; by default its own of this robot, else its first.
        start: the weights it started from, to compare with; None where they are not known.
        held_out: episodes it was not trained on; None skips their check, and grips are counted in training.
        simulator: whether to replay in the simulator; None where it can be done.
        seed: of the noise that chunks are denoised from and of the shuffles.

    Raises:
        InputError: the episodes have other columns than the policy, or lack the task state it needs.
    """
    chosen = space or _space(policy, episodes)
    for given in (episodes, *([held_out] if held_out is not None else [])):
        _check(given, chosen)
    view = View.of(policy, episodes, chosen)
    unseen = None if held_out is None else View.of(policy, held_out, chosen)
    mean = view.recorded(np.arange(len(view.data))).mean(axis=0)
    found = {"training": accuracy.errors(view, mean, seed)}
    if unseen is not None:
        found["held out"] = accuracy.errors(unseen, mean, seed)
    drawn, fitted = weights.check(policy, start, episodes.robot), statistics.check(view)
    cause = next((check for check in (fitted, drawn) if check.level == FAIL), None)
    predicted = accuracy.training(view, found["training"], cause)
    checks = (
        replay.check(episodes, simulator),
        predicted,
        accuracy.held_out(found.get("held out"), found["training"], predicted),
        grasping.check(unseen or view, seed),
        starting.check(view, seed),
        ablating.check(view, seed),
        drawn,
        fitted,
    )
    return Diagnosis(episodes.robot, checks, found)


def _space(policy: Policy, episodes: Episodes) -> ActionSpace:
    named = [space for space in policy.spaces if space.embodiment.name == episodes.robot]
    return (named or list(policy.spaces))[0]


def _check(episodes: Episodes, space: ActionSpace) -> None:
    """Columns must be as many; that their names or units differ is for the checks to say."""
    columns = {episodes.dof, episodes[0].series["qpos"].shape[1]}
    if columns != {len(space.embodiment.slots)}:
        raise InputError(
            f"{' and '.join(map(str, sorted(columns)))} columns",
            where=f"episodes of {episodes.robot} ({episodes[0].path.parent})",
            expected=f"{len(space.embodiment.slots)} columns, as the policy has for {space.embodiment.name}",
            fix="give recordings of the robot that the policy was trained on, all series of one width",
        )
