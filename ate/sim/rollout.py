"""Any policy in many environments at once: observe, ask for chunks, execute the first rows of them, repeat.

A policy is a function (qpos (N, dof), state (N, 20)) → actions (N, S, dof): absolute joint targets in radians and a
gripper target in [0, 1] (1 = open), one row a control step of 1/20 s. `execute` rows of each chunk are carried out
before the next call (receding horizon, as in Diffusion Policy, arXiv 2303.04137).
"""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError
from ate.sim.environments import Environments
from ate.sim.tasks import task

Policy = Callable[[NDArray[np.float32], NDArray[np.float32]], Any]
Snapshot = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Tracks:
    """What happened, for plots: T + 1 rows an environment, the last one repeated after a success.

    Attributes:
        qpos: (N, T + 1, dof) float32, radians and gripper opening.
        tool: (N, T + 1, 3) float32 tool point in the table frame, metres.
        thing: (N, T + 1, 3) float32 centre of the object, metres.
        goal: (N, 3) float32, metres; zeros when the task has none.
    """

    qpos: NDArray[np.float32]
    tool: NDArray[np.float32]
    thing: NDArray[np.float32]
    goal: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rollouts:
    """The outcome of N episodes.

    Attributes:
        robot, task: names.
        seeds: (N,) int.
        success: (N,) bool.
        steps: (N,) int control steps to the first success, or made in all.
        closest: (N,) smallest distance from tool point to object centre, metres.
        tracks: trajectories when they were asked for.
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
    """Run a policy from every seed; all environments in lock step, one batched policy call every `execute` steps.

    The policy always sees all N rows, also those of environments that have already succeeded (which are no longer
    simulated), so that noise a policy draws for row i does not depend on how the others fare.

    Args:
        policy: see the module's first lines; called with float32 arrays.
        robot, task_name: rows of the tables.
        seeds: N integers; they fix object, goal and home noise.
        execute: rows of a chunk carried out before the next call.
        horizon_steps: control steps after which an episode has failed; the task's own when None.
        threads: C threads of the simulator; does not change results.
        record: keep trajectories.

    Raises:
        InputError: unknown names, or chunks of the wrong shape or shorter than `execute`.
    """
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
    """`[rollout(policy, …) for policy in policies]`, simulated together: one set of environments for all of them.

    Each policy is called on its own rows, as long as one of its environments is active. The simulator's threads get
    more environments at a time, and towards the end the last ones of all policies instead of those of one.

    Args:
        policies: P of them.
        robot, task_name, seeds, execute, horizon_steps, threads, record: as in `rollout`, the same for all.

    Raises:
        InputError: as `rollout`; or no policies.
    """
    limit = task(task_name).steps if horizon_steps is None else horizon_steps
    for name, value in (("execute", execute), ("horizon_steps", limit)):
        if value < 1:
            raise InputError(str(value), where=name, expected="at least 1", fix="leave the default")
    if not policies:
        raise InputError("no policies", where="rollouts", expected="at least one", fix="pass some")
    own = [slice(i * len(seeds), (i + 1) * len(seeds)) for i in range(len(policies))]
    with Environments(robot, task_name, list(seeds) * len(policies), threads=threads, freeze_successes=True) as world:
        log = [_snapshot(world)] if record else []
        # How many rows of the log are a policy's own: alone it would end with its last success.
        ended, done = [1] * len(policies), 0
        while done < limit and world.active.any():
            chunks = np.zeros((len(world), execute, world.arm.dof))
            qpos, state = world.observe()
            for policy, rows in zip(policies, own, strict=True):
                if world.active[rows].any():
                    chunks[rows] = _chunk(policy, qpos[rows], state[rows], world, execute)
            steps = min(execute, limit - done)
            ended = [
                done + steps + 1 if world.active[rows].any() else end for rows, end in zip(own, ended, strict=True)
            ]
            for row in range(steps):
                world.step(chunks[:, row])
                done += 1
                if record:
                    log.append(_snapshot(world))
        return [_outcome(world, rows, log[:end] if record else None) for rows, end in zip(own, ended, strict=True)]


def _outcome(world: Environments, rows: slice, log: Sequence[Snapshot] | None) -> Rollouts:
    """What happened in some rows, with their trajectories where there is a log."""
    tracks = None
    if log is not None:
        qpos, tool, thing = (np.stack([part[rows] for part in parts], axis=1) for parts in zip(*log, strict=True))
        tracks = Tracks(qpos, tool, thing, world.goal[rows].astype(np.float32))
    return Rollouts(
        world.arm.name,
        world.task.name,
        np.array(world.seeds)[rows],
        world.success[rows],
        world.steps[rows],
        world.closest[rows],
        tracks,
    )


def _snapshot(world: Environments) -> Snapshot:
    qpos, state = world.observe()
    return qpos, state[:, 0:3], state[:, 9:12]


def _chunk(
    policy: Policy, qpos: NDArray[np.float32], state: NDArray[np.float32], world: Environments, execute: int
) -> NDArray[np.float64]:
    """One checked policy call: the first `execute` rows of (N, S, dof) with S >= execute."""
    chunk = np.asarray(policy(qpos, state), dtype=float)
    dof = world.arm.dof
    if chunk.ndim != 3 or chunk.shape[0] != len(qpos) or chunk.shape[2] != dof or chunk.shape[1] < execute:
        raise InputError(
            f"actions of shape {chunk.shape}",
            where=f"policy on {world.arm.name}",
            expected=f"({len(qpos)}, S, {dof}) with S >= execute = {execute}",
            fix="return one chunk an environment, or pass a smaller execute",
        )
    return chunk[:, :execute]


def parallel(
    function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], processes: int | None = None
) -> list[Result]:
    """`[function(*job) for job in jobs]` in fresh processes, for many (robot, task) jobs at once.

    Args:
        function: importable (not a lambda); give it `threads=1`, as each process should use one core.
        jobs: one tuple of picklable arguments a call.
        processes: all cores when None; with 1 the jobs run here, in order.

    Returns:
        Results in the order of the jobs; the first exception of a job is raised.
    """
    count = min(processes or os.cpu_count() or 1, len(jobs))
    if count <= 1:
        return [function(*job) for job in jobs]
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(function, *zip(*jobs, strict=True)))
