"""Scatter: moments of a recording with object and markers elsewhere than they were.

In a demonstration the arm tells where things are: the tool goes to the cube, and is turned as the cube is before it is
near. An encoder that learns from such pictures alone can read the cube's place off the arm, and is wrong as soon as a
policy's tool is not where a demonstrator's would be. Pictures are drawn, so the same arm is drawn with other scenes. It
is drawn in other colours too: else an arm of a new robot, whose colour no other has, is taken for the object.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ate.policies.vision.eyes import OFFSET
from ate.sim.render import APART
from ate.sim.scene import arm_colors
from ate.sim.tasks import GOAL, GOAL_RANGE, OBJECT, OBJECT_RANGE, TOOL, YAW, task

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
SHARE = 0.75
"""Of the moments; the others stay as they were recorded."""
STILL = 0.001
"""Metres that an object has moved at most that nothing has touched."""
# Half of the objects go anywhere, the others so far from their place, metres: near the tool a grasp is decided.
NEARBY = 0.02


def scattered(
    name: str, state: Floats, goals: Sequence[Array], generator: np.random.Generator
) -> tuple[Floats, list[Array]]:
    """States and markers of one episode's moments with other scenes.

    An object that was touched stays: it lies in the gripper, or where the task has put it.

    Args:
        name: the task.
        state: (n, 20) of an episode, from its first row on.
        goals: each marker's place, (3,) metres, the goal's first.
        generator: what it is drawn by.

    Returns:
        States (n, 20), whose goal is the first marker, and each marker's places (n, 3).
    """
    out, count, which = state.copy(), len(state), task(name)
    moved = generator.random(count) < SHARE
    still = moved & ~touched(state)
    near = state[:, OBJECT][:, :2] + generator.normal(0, NEARBY, (count, 2))
    anywhere = generator.uniform(-OBJECT_RANGE, OBJECT_RANGE, (count, 2))
    spots = np.where(generator.random(count)[:, None] < 0.5, near, anywhere)
    out[still, OBJECT.start : OBJECT.start + 2] = spots[still]
    if which.shape == "box":
        turn = generator.uniform(-np.pi, np.pi, count)
        out[still, YAW] = np.stack([np.cos(turn), np.sin(turn)], 1)[still]
    markers = [np.repeat(np.asarray(place, float)[None], count, 0) for place in goals]
    if which.goal is not None:
        for i in np.flatnonzero(moved):
            for marker, place in zip(markers, _apart(len(markers), generator), strict=True):
                marker[i, :2] = place
        out[:, GOAL] = markers[0]
    out[:, OFFSET] = out[:, OBJECT] - out[:, TOOL]
    return out, markers


def painted(robot: str, count: int, generator: np.random.Generator) -> Array:
    """Colours (n, 2, 3) of links and housings at so many moments: any, or the robot's own."""
    colors = generator.random((count, 2, 3))
    own = generator.random(count) >= SHARE
    colors[own] = arm_colors(robot)
    return colors


def touched(state: Floats) -> NDArray[np.bool_]:
    """At which rows (n,) of an episode's states (n, 20) something has moved the object since the first."""
    return np.asarray(np.linalg.norm(state[:, OBJECT] - state[0, OBJECT], axis=1) >= STILL)


def _apart(count: int, generator: np.random.Generator) -> Array:
    """Places (count, 2) of markers that do not overlap."""
    while True:
        places: Array = generator.uniform(-GOAL_RANGE, GOAL_RANGE, (count, 2))
        if count < 2 or np.hypot(*(places[0] - places[1])) >= APART:
            return places
