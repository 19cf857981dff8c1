"""One scripted expert for all robots and tasks: way-points in the table frame, differential IK to joint targets.

The script of a task is a list of phases. In each, the commanded tool point moves to the phase's way-point, at most
`stride` metres a control step. The phase ends when it has been there for `hold` steps, longer than the servos' lag.
Only the tool path is scripted; joints follow by damped least squares with the home posture as rest.
Small differences between episodes (pace, hover height, way-point offsets) come from the episode's seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ate.robots.chain import downward, home, pose, toward
from ate.robots.kinematic_table import robot
from ate.sim.tasks import GOAL, OBJECT, TOOL, task

Array = NDArray[np.float64]
PHASE_NAMES = ("reach", "descend", "grasp", "lift", "carry", "lower", "release", "retreat", "push")
LARGEST_TURN = 0.08
"""Largest change of the commanded tool yaw in a control step, radians (1.6 rad/s)."""
GRASP_HEIGHT = 0.02
HOVER = 0.08
GAP = 0.03
"""Clearance behind the disc before a push, metres."""


@dataclass(frozen=True)
class Phase:
    """One phase of a script.

    Attributes:
        name: one of `PHASE_NAMES`.
        target: the way-point: "object", "goal", "behind" (the disc, seen from the goal) or "push".
        height: tool height at the way-point, metres.
        opening: gripper command, 1 = open.
        stride: longest step of the commanded tool point, metres.
        hold: control steps to stay at the way-point.
    """

    name: str
    target: str
    height: float
    opening: float
    stride: float
    hold: int


SCRIPTS: dict[str, tuple[Phase, ...]] = {
    "lift": (
        Phase("reach", "object", GRASP_HEIGHT + HOVER, 1.0, 0.020, 2),
        Phase("descend", "object", GRASP_HEIGHT, 1.0, 0.020, 2),
        Phase("grasp", "object", GRASP_HEIGHT, 0.0, 0.020, 8),
        Phase("lift", "object", GRASP_HEIGHT + 0.10, 0.0, 0.020, 400),
    ),
    "place": (
        Phase("reach", "object", GRASP_HEIGHT + HOVER, 1.0, 0.020, 2),
        Phase("descend", "object", GRASP_HEIGHT, 1.0, 0.020, 2),
        Phase("grasp", "object", GRASP_HEIGHT, 0.0, 0.020, 8),
        Phase("lift", "object", GRASP_HEIGHT + 0.07, 0.0, 0.020, 1),
        Phase("carry", "goal", GRASP_HEIGHT + 0.07, 0.0, 0.020, 3),
        Phase("lower", "goal", GRASP_HEIGHT + 0.001, 0.0, 0.015, 4),
        Phase("release", "goal", GRASP_HEIGHT + 0.001, 1.0, 0.020, 4),
        Phase("retreat", "goal", GRASP_HEIGHT + HOVER, 1.0, 0.020, 400),
    ),
    "push": (
        Phase("reach", "behind", GRASP_HEIGHT + HOVER, 0.0, 0.020, 2),
        Phase("descend", "behind", GRASP_HEIGHT, 0.0, 0.020, 2),
        Phase("push", "push", GRASP_HEIGHT, 0.0, 0.008, 400),
    ),
}


class Expert:
    """The scripted expert for N environments of one robot and task, all acting at once.

    Args:
        robot_name, task_name: rows of the tables.
        seeds: N episode seeds, which decide the small differences between episodes.
    """

    def __init__(self, robot_name: str, task_name: str, seeds: Sequence[int]) -> None:
        self.arm, self.task = robot(robot_name), task(task_name)
        self.script = SCRIPTS[task_name]
        self._rest = home(robot_name)
        _, matrix = pose(self.arm, self._rest)
        self._turned = np.pi * float(matrix[0, 0] < 0)  # which of the two finger-symmetric yaws the home posture has
        samples = np.array([np.random.default_rng([int(seed), 7]).uniform(-1, 1, 4) for seed in seeds])
        self._pace = 0.9 + 0.1 * samples[:, 0]
        self._offset = samples[:, 1:] * [0.01, 0.01, 0.015]
        count = len(samples)
        self._phase = np.zeros(count, np.int64)
        self._held = np.zeros(count, np.int64)
        self._entered = np.full(count, -1)
        self._goal = np.zeros((count, 3))
        self._q: Array | None = None
        self._tool: Array = np.zeros((count, 3))
        self._yaw = np.zeros(count)
        self._angle = np.zeros(count)

    def act(self, qpos: NDArray[np.float32], state: NDArray[np.float32]) -> tuple[Array, NDArray[np.int8]]:
        """The next command of every environment.

        Args:
            qpos: (N, dof) measured joints; used only in the first call, later the expert follows its own commands.
            state: (N, 20) observation, columns `ate.sim.tasks.STATE_NAMES`.

        Returns:
            action (N, dof) absolute joint targets in radians and gripper target, and the index (N,) into
            `PHASE_NAMES` of the phase each environment is in.
        """
        observed = state.astype(float)
        if self._q is None:
            self._q = qpos[:, : self.arm.joints].astype(float)
            self._tool = observed[:, TOOL].copy()
            self._angle = (np.arctan2(observed[:, 4], observed[:, 3]) - self._turned + np.pi) % (2 * np.pi) - np.pi
        opening, stride = np.zeros((2, len(observed)))
        label = np.zeros(len(observed), np.int8)
        for k, phase in enumerate(self.script):
            rows = np.flatnonzero(self._phase == k)
            if not len(rows):
                continue
            entering = rows[self._entered[rows] != k]
            self._goal[entering] = self._waypoint(phase, observed, entering)
            if k == 0:
                self._yaw[entering] = self._grip_yaw(phase, observed[entering])
            self._entered[entering] = k
            stride[rows] = phase.stride * self._pace[rows]
            if phase.target == "push":
                self._goal[rows], stride[rows] = self._pushing(observed[rows], self._tool[rows], stride[rows])
            opening[rows] = phase.opening
            label[rows] = PHASE_NAMES.index(phase.name)
        self._walk(stride)
        matrix = downward(self._angle + self._turned)
        self._q = toward(self.arm, self._q, self._tool - self.arm.base, matrix, self._rest)
        return np.column_stack([self._q, opening]), label

    def _waypoint(self, phase: Phase, state: Array, rows: NDArray[np.int64]) -> Array:
        """Way-points (len(rows), 3) of a phase that begins now; they stay until the phase ends."""
        point = state[rows, GOAL if phase.target == "goal" else OBJECT]
        if phase.target == "goal":
            # The object has to reach the goal, not the tool.
            point[:, :2] -= state[rows, 17:19]
        if phase.target == "behind":
            point[:, :2] -= (self.task.radius + GAP) * _to_goal(state[rows])[0]
        point[:, 2] = phase.height
        if phase.name == "reach":
            point += self._offset[rows]
        if phase.name in ("grasp", "lift", "release", "retreat"):
            point[:, :2] = self._tool[rows, :2]
        return point

    def _grip_yaw(self, phase: Phase, state: Array) -> Array:
        """Yaw (n,) in ±45° that aligns the fingers with the cube, or their flat side with the push."""
        if phase.target == "behind":
            away = (state[:, GOAL] - state[:, OBJECT])[:, :2]
            yaw = np.arctan2(away[:, 1], away[:, 0])
            return (yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4
        return np.arctan2(state[:, 13], state[:, 12]) / 4

    def _pushing(self, state: Array, tool: Array, stride: Array) -> tuple[Array, Array]:
        """Where to push from here (n, 3) and how far (n,): along the line to the goal, correcting sideways drift.

        The stride shrinks to 0.15 of the remaining distance plus 1 mm, so that the disc stops at the goal. It is 0 once
        the disc is within 4 mm of the goal.
        """
        unit, distance = _to_goal(state)
        offset = tool[:, :2] - state[:, OBJECT][:, :2]
        sideways = offset - (offset * unit).sum(axis=1, keepdims=True) * unit
        stride = np.where(distance < 0.004, 0.0, np.minimum(stride, 0.15 * distance + 0.001))
        heading = unit - sideways / 0.02
        heading /= np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-9)
        target = tool.copy()
        target[:, :2] += 0.1 * heading
        target[:, 2] = GRASP_HEIGHT
        return target, stride

    def _walk(self, stride: Array) -> None:
        """Move the commanded tool poses, and advance the phases of environments that have arrived."""
        gap = self._goal - self._tool
        distance = np.linalg.norm(gap, axis=1)
        self._tool += gap * np.minimum(1.0, stride / np.maximum(distance, 1e-9))[:, None]
        turn = self._yaw - self._angle
        self._angle += np.clip(turn, -LARGEST_TURN, LARGEST_TURN)
        arrived = (distance <= stride) & (np.abs(turn) <= LARGEST_TURN)
        self._held = np.where(arrived, self._held + 1, 0)
        holds = np.array([phase.hold for phase in self.script])
        done = self._held > holds[self._phase]
        self._phase = np.minimum(self._phase + done, len(self.script) - 1)
        self._held[done] = 0


def _to_goal(state: Array) -> tuple[Array, Array]:
    """Horizontal direction (n, 2) and distance (n,) from object to goal."""
    away = (state[:, GOAL] - state[:, OBJECT])[:, :2]
    distance = np.linalg.norm(away, axis=1)
    return away / np.maximum(distance, 1e-9)[:, None], distance
