"""Three table-top tasks: what the seed decides, what a policy observes, and what success is.

    lift   a 4 cm cube anywhere within ±10 cm, any yaw: raise it by 5 cm or more
    push   a disc of radius 3 cm to a goal 10-15 cm away: centre within 2 cm of it, nearly at rest
    place  a 4 cm cube to a goal 10-20 cm away *through the air*: raised by 4 cm or more on the way, then standing
           on the table within 2.5 cm of the goal with the gripper open

Lengths are metres in the table frame (table top z = 0, robot on the negative x side).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ate.errors import unknown

Array = NDArray[np.float64]
RATE_HZ = 20.0
OBJECT_RANGE = 0.10
GOAL_RANGE = 0.12
HOME_NOISE = 0.02
STATE_NAMES = (
    *("tool_x", "tool_y", "tool_z"),
    *("tool_r11", "tool_r21", "tool_r31", "tool_r12", "tool_r22", "tool_r32"),
    *("object_x", "object_y", "object_z", "object_cos4yaw", "object_sin4yaw"),
    *("goal_x", "goal_y", "goal_z", "object_tool_x", "object_tool_y", "object_tool_z"),
)
TOOL, OBJECT, YAW, GOAL = slice(0, 3), slice(9, 12), slice(12, 14), slice(14, 17)
"""Columns of the state: positions, and the yaw of the object as cos 4ψ, sin 4ψ."""


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: the short name used in folders and options.
        shape: "box" or "disc".
        half: half height of the object, metres.
        radius: half width of the box or radius of the disc, metres.
        mass: kg.
        friction: sliding friction of object and table (the pads have their own).
        goal: least and greatest distance from object to goal, metres; None for a task without a goal.
        steps: control steps after which an episode without success has failed.
    """

    name: str
    shape: str
    half: float
    radius: float
    mass: float
    friction: float
    goal: tuple[float, float] | None
    steps: int


@dataclass(frozen=True)
class Start:
    """What a seed decides: object position (3,) and yaw, goal (3,), home noise (n,); metres and radians."""

    position: Array
    yaw: float
    goal: Array
    noise: Array


TASKS = {
    item.name: item
    for item in (
        Task("lift", "box", 0.02, 0.02, 0.064, 0.6, None, 60),
        Task("push", "disc", 0.02, 0.03, 0.100, 0.3, (0.10, 0.15), 90),
        Task("place", "box", 0.02, 0.02, 0.064, 0.6, (0.10, 0.20), 100),
    )
}


def task(name: str) -> Task:
    """The task of that name; an unknown name raises `InputError` with the nearest one."""
    if name not in TASKS:
        raise unknown(name, TASKS, where="task")
    return TASKS[name]


def start(task: Task, joints: int, seed: int) -> Start:
    """Sample the start of an episode from a seed; it is the same for all robots, apart from the home noise."""
    generator = np.random.default_rng([seed, 20])
    xy = generator.uniform(-OBJECT_RANGE, OBJECT_RANGE, 2)
    yaw = float(generator.uniform(-np.pi, np.pi))
    goal = np.zeros(3)
    if task.goal is not None:
        distance = -1.0
        while not task.goal[0] <= distance <= task.goal[1]:
            goal[:2] = generator.uniform(-GOAL_RANGE, GOAL_RANGE, 2)
            distance = float(np.hypot(*(goal[:2] - xy)))
        goal[2] = task.half
    noise = generator.normal(0.0, HOME_NOISE, joints)
    return Start(np.array([*xy, task.half]), yaw, goal, noise)


def succeeded(
    task: Task, position: Array, velocity: Array, goal: Array, highest: Array, opening: Array
) -> NDArray[np.bool_]:
    """Which of N environments meet the task's criterion now.

    Args:
        task: the task.
        position, velocity: (N, 3) of the object's centre, metres and m/s.
        goal: (N, 3).
        highest: (N,) greatest height of the object's centre so far.
        opening: (N,) opening between the gripper's pads, 1 = fully open.
    """
    if task.name == "lift":
        return position[:, 2] >= task.half + 0.05
    distance = np.hypot(position[:, 0] - goal[:, 0], position[:, 1] - goal[:, 1])
    slow = np.linalg.norm(velocity, axis=1) < 0.05
    if task.name == "push":
        return (distance < 0.02) & slow & (np.abs(position[:, 2] - task.half) < 0.01)
    stands = np.abs(position[:, 2] - task.half) < 0.005
    return (distance < 0.025) & slow & stands & (highest >= task.half + 0.04) & (opening > 0.7)


def observation(
    task: Task, tool: Array, matrix: Array, position: Array, quaternion: Array, goal: Array
) -> NDArray[np.float32]:
    """The state that a policy observes, (N, 20) float32, columns `STATE_NAMES`.

    Args:
        task: the task.
        tool, matrix: tool position (N, 3) and rotation (N, 3, 3) in the table frame.
        position, quaternion: object position (N, 3) and orientation wxyz (N, 4).
        goal: (N, 3), zeros when the task has none.

    The cube looks the same after a quarter turn, so its yaw ψ is given as cos 4ψ, sin 4ψ; a disc has zeros there.
    """
    state = np.zeros((len(tool), len(STATE_NAMES)), np.float32)
    state[:, TOOL], state[:, OBJECT], state[:, GOAL] = tool, position, goal
    state[:, 3:6], state[:, 6:9] = matrix[:, :, 0], matrix[:, :, 1]
    if task.shape == "box":
        w, x, y, z = quaternion.T
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        state[:, 12], state[:, 13] = np.cos(4 * yaw), np.sin(4 * yaw)
    state[:, 17:20] = position - tool
    return state
