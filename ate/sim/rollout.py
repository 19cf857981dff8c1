"""Rollouts of any policy in many environments at once, with a receding horizon (Diffusion Policy, arXiv 2303.04137).

A policy is a function (qpos (N, dof), state (N, k)) → actions (N, S, dof). In the scene of `ate.sim` k = 20, actions
are absolute joint targets in radians and a gripper target in [0, 1] (1 = open), one row a control step of 1/20 s. In a
simulator of the user's own both are what its address says (`ate.sim.gym_address`), and the state may be None. `execute`
rows of each chunk are carried out before the next call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError
from ate.sim.batch import Batch, Moment
from ate.sim.simulator import Simulator, simulator

Policy = Callable[[NDArray[np.float32], NDArray[np.float32] | None], Any]


@dataclass(frozen=True, eq=False)
class Tracks:
    """Trajectories, T + 1 rows an environment; the last row is repeated after a success.

    Attributes:
        qpos: (N, T + 1, dof) float32, radians and gripper opening.
        tool: (N, T + 1, 3) float32 tool point in the table frame, metres; (N, T + 1, 0) where a simulator does not say.
        object: (N, T + 1, 3) float32 centre of the object, likewise.
        goal: (N, 3) float32, metres; zeros for a task without a goal.
        image: (N, T + 1, height, width, 3) uint8; None where a simulator gives no pictures.
        state: (N, T + 1, 20) float32 of `ate.sim.tasks`; None in other simulators.
    """

    qpos: NDArray[np.float32]
    tool: NDArray[np.float32]
    object: NDArray[np.float32]
    goal: NDArray[np.float32]
    image: NDArray[np.uint8] | None = None
    state: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Rollouts:
    """The outcome of N episodes.

    Attributes:
        robot, task: names.
        seeds: (N,) int.
        success: (N,) bool.
        steps: (N,) int control steps to the first success, or all that were made.
        closest: (N,) smallest distance from tool point to object centre, metres; (0,) where a simulator does not say.
        tracks: trajectories where they were recorded.
    """

    robot: str
    task: str
    seeds: NDArray[np.int64]
    success: NDArray[np.bool_]
    steps: NDArray[np.int64]
    closest: NDArray[np.float64]
    tracks: Tracks | None = None

    @property
    def rate(self) -> float:
        """Fraction of episodes that succeeded."""
        return float(self.success.mean())


def rollout(
    policy: Policy,
    robot: str,
    task_name: str,
    seeds: Sequence[int],
    execute: int = 8,
    horizon_steps: int | None = None,
    threads: int | None = None,
    record: bool = False,
) -> Rollouts:
    """Run one policy from every seed; arguments and errors as in `rollout_many`."""
    return rollout_many([policy], robot, task_name, seeds, execute, horizon_steps, threads, record)[0]


def rollout_many(
    policies: Sequence[Policy],
    robot: str,
    task_name: str,
    seeds: Sequence[int],
    execute: int = 8,
    horizon_steps: int | None = None,
    threads: int | None = None,
    record: bool = False,
) -> list[Rollouts]:
    """Run each policy from every seed, all in lock step in one set of environments: the results of each policy alone.

    Each policy is called once every `execute` steps while one of its environments is active. It always gets all of its
    N rows, also those of environments that have succeeded and are no longer simulated: the noise that a policy samples
    for row i then does not depend on the other rows.

    Args:
        policies: functions as in the module's first lines, called with float32 arrays.
        robot, task_name: rows of the tables; or any name, and the address of a gymnasium environment.
        seeds: N integers, the same for all policies; they determine object, goal and home noise.
        execute: rows of a chunk carried out before the next call.
        horizon_steps: control steps after which an episode has failed; the task's own when None.
        threads: C threads of the simulator; does not change results.
        record: keep trajectories.

    Raises:
        InputError: unknown names, no policies, chunks of the wrong shape or shorter than `execute`, or what the
            simulator raises.
    """
    where = simulator(robot, task_name)
    limit = where.limit if horizon_steps is None else horizon_steps
    for name, value in (("execute", execute), ("horizon_steps", limit)):
        if value < 1:
            raise InputError(str(value), where=name, expected="at least 1", fix="leave the default")
    if not policies:
        raise InputError("no policies", where="rollouts", expected="at least one", fix="pass some")
    own = [slice(i * len(seeds), (i + 1) * len(seeds)) for i in range(len(policies))]
    repeated = list(seeds) * len(policies)
    with where.start(repeated, threads, record) as batch:
        log = [batch.moment()] if record else []
        # How many rows of the log belong to each policy: alone it would end with its last success.
        ended, done = [1] * len(policies), 0
        while done < limit and batch.active.any():
            chunks = np.zeros((len(batch), execute, batch.dof))
            qpos, state = batch.observe()
            for policy, rows in zip(policies, own, strict=True):
                if batch.active[rows].any():
                    seen = None if state is None else state[rows]
                    chunks[rows] = _chunk(policy, qpos[rows], seen, where.robot, execute)
            steps = min(execute, limit - done)
            done += steps
            ended = [done + 1 if batch.active[rows].any() else end for rows, end in zip(own, ended, strict=True)]
            for row in range(steps):
                batch.step(chunks[:, row])
                if record:
                    log.append(batch.moment())
        return [
            _outcome(where, batch, rows, log[:end] if record else None) for rows, end in zip(own, ended, strict=True)
        ]


def _outcome(where: Simulator, batch: Batch, rows: slice, log: Sequence[Moment] | None) -> Rollouts:
    """The outcome of some rows, with their trajectories where there is a log."""
    tracks = None
    if log is not None:
        qpos, tool, centre = (
            np.stack([getattr(moment, name)[rows] for moment in log], axis=1) for name in ("qpos", "tool", "object")
        )
        images = [moment.image[rows] for moment in log if moment.image is not None]
        states = [moment.state[rows] for moment in log if moment.state is not None]
        image = np.stack(images, axis=1) if images else None
        state = np.stack(states, axis=1) if states else None
        tracks = Tracks(qpos, tool, centre, batch.goal[rows].astype(np.float32), image, state)
    return Rollouts(
        where.robot,
        where.task,
        seeds=np.array(batch.seeds)[rows],
        success=batch.success[rows],
        steps=batch.steps[rows],
        closest=batch.closest[rows],
        tracks=tracks,
    )


def _chunk(
    policy: Policy, qpos: NDArray[np.float32], state: NDArray[np.float32] | None, robot: str, execute: int
) -> NDArray[np.float64]:
    """One checked policy call: the first `execute` rows of (N, S, dof) with S >= execute."""
    chunk = np.asarray(policy(qpos, state), dtype=float)
    dof = qpos.shape[1]
    if chunk.ndim != 3 or chunk.shape[0] != len(qpos) or chunk.shape[2] != dof or chunk.shape[1] < execute:
        got, expected = f"actions of shape {chunk.shape}", f"({len(qpos)}, S, {dof}) with S >= execute = {execute}"
        fix = "return one chunk an environment, or pass a smaller execute"
        raise InputError(got, where=f"policy on {robot}", expected=expected, fix=fix)
    return chunk[:, :execute]
