"""Rollouts of any actor in our simulator, one episode after the other, so that it may remember what it saw."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.policies.actor import Actor, Observation, chunk_of, reset
from ate.sim.rollout import Rollouts, Tracks, rollout


def rollout_actor(
    actor: Actor, robot: str, task: str, seeds: Sequence[int], execute: int = 8, record: bool = False
) -> Rollouts:
    """Run one actor from every seed; each episode begins with `reset(seed)`.

    Args:
        actor: sees `qpos`, the simulator's `state` where it has one, and the task's name.
        robot, task: rows of the simulator's tables; or any name, and the address of a gymnasium environment.
        seeds: one an episode; they determine object, goal, home noise and the actor's own noise.
        execute: rows of a chunk carried out before the next call.
        record: keep trajectories.

    Raises:
        InputError: unknown names, no seeds, or chunks of the wrong shape or shorter than `execute`.
    """

    def act(qpos: NDArray[np.float32], state: NDArray[np.float32] | None) -> NDArray[np.float64]:
        seen = Observation(qpos=qpos[0], task=task)
        if state is not None:
            seen["state"] = state[0]
        return chunk_of(actor, seen)[None]

    parts = []
    for seed in seeds:
        reset(actor, int(seed))
        parts.append(rollout(act, robot, task, [seed], execute, threads=1, record=record))
    # The simulator says what is wrong with no seeds.
    return _joined(parts) if parts else rollout(act, robot, task, seeds, execute)


def _joined(parts: Sequence[Rollouts]) -> Rollouts:
    """Rollouts of the same robot and task as one."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("seeds", "success", "steps", "closest")
    }
    tracks = [part.tracks for part in parts if part.tracks is not None]
    return Rollouts(parts[0].robot, parts[0].task, **arrays, tracks=_joined_tracks(tracks) if tracks else None)


def _joined_tracks(tracks: Sequence[Tracks]) -> Tracks:
    """Tracks of equal length: the last row of shorter ones is repeated."""
    rows = max(part.qpos.shape[1] for part in tracks)

    def padded(values: NDArray[Any]) -> NDArray[Any]:
        room = [(0, 0)] * values.ndim
        room[1] = (0, rows - values.shape[1])
        return np.pad(values, room, mode="edge")

    joined: dict[str, Any] = {
        name: np.concatenate([padded(getattr(part, name)) for part in tracks]) for name in ("qpos", "tool", "object")
    }
    for name in ("image", "state"):
        parts = [padded(getattr(part, name)) for part in tracks if getattr(part, name) is not None]
        joined[name] = np.concatenate(parts) if parts else None
    return Tracks(**joined, goal=np.concatenate([part.goal for part in tracks]))
