"""Footage: rollouts, episodes and chunks as pictures of a moving arm.

The scene of `ate.sim` is drawn from recorded states, a simulator of the user's own gives its pictures, and of an arm
without a task the kinematic skeleton moves. Everything raises `InputError` where this machine cannot draw.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from ate.sim.tasks import RATE_HZ, TASKS
from ate.viz.video import mp4

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts

Pictures = NDArray[np.uint8]
# Pixels of a side, and how many drawn pixels are averaged to one along each.
SIDE, SMOOTH = 288, 2
# Seconds that the last picture stays; parts of a film are this many pixels apart.
HOLD, GAP = 0.6, 4


def rollout_pictures(rollouts: "Rollouts", index: int, side: int = SIDE) -> Pictures:
    """One rollout from its start to its end, (steps + 1, height, width, 3).

    Args:
        rollouts: recorded (`record=True`).
        index: which of them.
        side: pixels; pictures of a simulator of the user's own keep their size.

    Raises:
        InputError: they were not recorded, show no scene, or this machine cannot draw.
    """
    tracks = rollouts.tracks
    last = int(rollouts.steps[index]) + 1
    where = f"film of {rollouts.robot}, {rollouts.task}"
    if tracks is None:
        raise InputError("rollouts without tracks", where=where, expected="recorded rollouts", fix="pass record=True")
    if tracks.image is not None:
        return tracks.image[index, :last]
    if tracks.state is None:
        raise InputError("rollouts without states or pictures", where=where,
                         expected="those of ate.sim, or of a simulator that gives pictures",
                         fix="add image=render to the simulator's address")  # fmt: skip
    return moving_arm(rollouts.robot, tracks.qpos[index, :last], rollouts.task, tracks.state[index, :last], side)


def side_by_side(parts: Sequence[Pictures], rate: float = RATE_HZ) -> bytes:
    """Films of one height next to each other as one mp4; the shorter ones hold their last picture."""
    length = max(len(part) for part in parts) + round(HOLD * rate)
    padded = [np.concatenate([part, np.repeat(part[-1:], length - len(part), axis=0)]) for part in parts]
    height = min(part.shape[1] for part in padded)
    gap = np.full((length, height, GAP, 3), 255, np.uint8)
    row: list[Pictures] = []
    for part in padded:
        row += [gap, part[:, :height]] if row else [part[:, :height]]
    return mp4(np.concatenate(row, axis=2), rate)


def drawn_arm(episodes: Episodes) -> Kinematics | None:
    """What is drawn of a set: kinematics of its robot by name or by the file of its profile; None where not known."""
    for name in (episodes.profile, episodes.robot):
        try:
            arm = Kinematics.of(name) if name else None
        except InputError:
            continue
        if arm is not None and arm.joints in (episodes.dof, episodes.dof - 1):
            return arm
    return None


def known_arm(episodes: Episodes) -> Kinematics:
    """As `drawn_arm`.

    Raises:
        InputError: the kinematics of the robot are not known.
    """
    arm = drawn_arm(episodes)
    if arm is None:
        raise InputError(f"the robot {episodes.robot}", where="film of an arm", expected="known kinematics",
                         fix="name its URDF or MJCF file as robot")  # fmt: skip
    return arm


def episode_pictures(episodes: Episodes, index: int, side: int = SIDE) -> Pictures:
    """One episode as a moving arm, (n_steps, side, side, 3).

    With object and goal where the set is of a task of `ate.sim` and has its states.

    Raises:
        InputError: the kinematics of the robot are not known, or this machine cannot draw.
    """
    arm = known_arm(episodes)
    episode = episodes[index]
    task = episodes.task if episodes.robot in ROBOTS and episodes.task in TASKS and episode.has("state") else None
    state: Any = episode.read("state") if task else None
    return moving_arm(arm, episodes.series(index), task, state, side)


def moving_arm(
    arm: str | Kinematics, joints: NDArray[Any], task: str | None = None, state: NDArray[Any] | None = None,
    side: int = SIDE,
) -> Pictures:  # fmt: skip
    """Joints (n, dof) as a moving arm, (n, side, side, 3), in the scene of a task with its states, or alone."""
    from ate.sim.render import FILM, Renderer, other_goal

    other = other_goal(task, state[0]) if task and state is not None else None
    with Renderer(arm, task, cameras=[FILM], size=side, smooth=SMOOTH) as renderer:
        return renderer.frames(joints, state, other)[FILM]
