"""Many environments of one robot and one task, stepped together by MuJoCo's C threads.

A control step is `SUBSTEPS` physics steps from the full physics state, without a warm start of the solver. An
environment's next state therefore depends only on its state and its command, not on other environments or threads.
"""

import os
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ate.errors import InputError
from ate.robots.chain import home, pose
from ate.robots.engine import engine
from ate.robots.kinematic_table import robot
from ate.sim.batch import Moment
from ate.sim.build import GRIP_FORCE, GRIP_KP, GRIP_KV, STROKE, SUBSTEPS, TRANSMISSION, build_model
from ate.sim.tasks import OBJECT, TOOL, observation, start, succeeded, task

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Environments:
    """N environments of one robot and one task; environment i starts as seed i says.

    Attributes:
        arm, task, seeds: the robot, the task and one seed an environment.
        active: (N,) bool, environments that `step` moves; `freeze_successes` clears them.
        success: (N,) bool, whether the criterion was met at the end of any control step so far.
        steps: (N,) int, control steps made, up to and including the first success.
        closest: (N,) smallest distance from tool point to object centre so far, metres.
        goal: (N, 3) metres in the table frame, zeros for a task without a goal.

    Args:
        robot_name, task_name: rows of the tables in `ate.robots.kinematic_table` and `ate.sim.tasks`.
        seeds: one integer an environment.
        threads: C threads; all cores (at most one for every four environments) when None. Does not change results.
        freeze_successes: stop simulating an environment once it has succeeded.

    Raises:
        InputError: unknown names, no seeds or a negative one, or MuJoCo is not installed.
    """

    def __init__(
        self,
        robot_name: str,
        task_name: str,
        seeds: Sequence[int],
        *,
        threads: int | None = None,
        freeze_successes: bool = False,
    ) -> None:
        mujoco = engine()
        from mujoco.rollout import Rollout

        self.arm, self.task = robot(robot_name), task(task_name)
        self.seeds = tuple(int(seed) for seed in seeds)
        if not self.seeds or min(self.seeds) < 0:
            fix = "pass e.g. range(50)"
            raise InputError(str(list(self.seeds)[:5]), where="seeds", expected="one or more integers >= 0", fix=fix)
        self._model = build_model(robot_name, task_name)
        count = len(self.seeds)
        self._threads = max(1, min(os.cpu_count() or 1, (count + 3) // 4) if threads is None else threads)
        self._pool = Rollout(nthread=0 if self._threads == 1 else self._threads)
        self._data = [mujoco.MjData(self._model) for _ in range(self._threads)]
        self._control = int(mujoco.mjtState.mjSTATE_CTRL.value)
        self._freeze_successes = freeze_successes
        n, nq = self.arm.joints, self._model.nq
        starts = [start(self.task, n, seed) for seed in self.seeds]
        self.goal: Array = np.array([s.goal for s in starts])
        self._physics = np.zeros((count, 1 + nq + self._model.nv))
        q = self._physics[:, 1 : 1 + nq]
        q[:, :n] = np.clip(home(self.arm.name) + [s.noise for s in starts], *self.arm.limits.T)
        q[:, n : n + 2] = STROKE
        q[:, n + 2 : n + 5] = [s.position for s in starts]
        q[:, n + 5] = [np.cos(s.yaw / 2) for s in starts]
        q[:, n + 8] = [np.sin(s.yaw / 2) for s in starts]
        self._grip: Array = np.ones(count)
        self.active: Bools = np.ones(count, bool)
        self.success: Bools = np.zeros(count, bool)
        self.steps = np.zeros(count, np.int64)
        self.closest: Array = np.full(count, np.inf)
        self._highest: Array = np.full(count, -np.inf)
        self._track(np.arange(count), begun=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def dof(self) -> int:
        """Arm joints and the gripper."""
        return self.arm.dof

    @property
    def joints(self) -> Array:
        """(N, n) measured arm joints, radians."""
        return self._physics[:, 1 : 1 + self.arm.joints]

    @property
    def fingers(self) -> Array:
        """(N,) opening between the pads, the mean of both fingers, as a fraction of the stroke (1 = fully open)."""
        first = 1 + self.arm.joints
        return self._physics[:, first : first + 2].mean(axis=1) / STROKE

    @property
    def opening(self) -> Array:
        """(N,) measured gripper opening in [0, 1]: the encoder of the drive, see `ate.sim.build`."""
        first = 1 + self._model.nq + self.arm.joints
        speed = self._physics[:, first : first + 2].mean(axis=1)
        force = GRIP_KP * STROKE * (self._grip - self.fingers) - GRIP_KV * speed
        stretch = np.clip(force, -GRIP_FORCE, GRIP_FORCE) / TRANSMISSION
        return np.clip(self.fingers + stretch / STROKE, 0.0, 1.0)

    @property
    def object_position(self) -> Array:
        """(N, 3) centre of the object in the table frame, metres."""
        first = 3 + self.arm.joints
        return self._physics[:, first : first + 3]

    @property
    def object_quaternion(self) -> Array:
        """(N, 4) orientation of the object, wxyz."""
        first = 6 + self.arm.joints
        return self._physics[:, first : first + 4]

    def tool(self) -> tuple[Array, Array]:
        """Tool position (N, 3) metres and rotation (N, 3, 3) in the table frame."""
        position, matrix = pose(self.arm, self.joints)
        return position + self.arm.base, matrix

    def observe(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What a policy observes: qpos (N, dof) radians and opening, and state (N, 20), both float32."""
        qpos = np.column_stack([self.joints, self.opening]).astype(np.float32)
        tool, matrix = self.tool()
        return qpos, observation(self.task, tool, matrix, self.object_position, self.object_quaternion, self.goal)

    def moment(self) -> Moment:
        """What is kept of this step: qpos, tool, object and state."""
        qpos, state = self.observe()
        return Moment(qpos, state[:, TOOL], state[:, OBJECT], state=state)

    def step(self, action: ArrayLike) -> None:
        """Hold one command for one control step (1/20 s) in every active environment.

        Args:
            action: (N, dof) absolute joint targets in radians (clipped to the joint limits) and gripper target in
                [0, 1]. Rows of inactive environments are ignored.

        Raises:
            InputError: wrong shape or a value that is not finite.
        """
        command = np.array(action, dtype=float)
        if command.shape != (len(self), self.arm.dof):
            expected = f"({len(self)}, {self.arm.dof}): {self.arm.joints} joints and the gripper in every row"
            fix = "see Robot.joint_names for the order"
            raise InputError(f"shape {command.shape}", where=f"action for {self.arm.name}", expected=expected, fix=fix)
        index = np.flatnonzero(self.active)
        if not len(index):
            return
        command = command[index]
        if not np.isfinite(command).all():
            got = "a value that is not finite"
            expected, fix = "finite joint targets in radians", "check the policy's output and its normaliser"
            raise InputError(got, where=f"action for {self.arm.name}", expected=expected, fix=fix)
        low, high = np.append(self.arm.limits[:, 0], 0.0), np.append(self.arm.limits[:, 1], 1.0)
        control = np.clip(command, low, high)
        self._grip[index] = control[:, -1]
        control[:, -1] *= STROKE
        repeated = np.repeat(control[:, None], SUBSTEPS, axis=1)
        states = np.empty((len(index), SUBSTEPS, self._physics.shape[1]))
        initial = np.ascontiguousarray(self._physics[index])
        initial[:, 0] = 0.0
        models = [self._model] * len(index)
        self._pool.rollout(models, self._data, initial, repeated, control_spec=self._control, state=states)
        self._physics[index] = states[:, -1]
        self._track(index, begun=True)

    def _track(self, index: NDArray[np.int64], *, begun: bool) -> None:
        """Update success, steps, closest and highest of the environments `index`."""
        first = 1 + self._model.nq + self.arm.joints + 2
        tool, _ = pose(self.arm, self.joints[index])
        position = self.object_position[index]
        distance = np.linalg.norm(tool + self.arm.base - position, axis=1)
        self.closest[index] = np.minimum(self.closest[index], distance)
        self._highest[index] = np.maximum(self._highest[index], position[:, 2])
        if not begun:
            return
        self.steps[index] += ~self.success[index]
        velocity = self._physics[index, first : first + 3]
        met = succeeded(self.task, position, velocity, self.goal[index], self._highest[index], self.fingers[index])
        self.success[index] |= met
        if self._freeze_successes:
            self.active[index] &= ~met
