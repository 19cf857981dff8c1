"""Latents of chunks, with the place that each chunk has in its set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ate.align.motion import PerChunk


@dataclass(frozen=True, eq=False)
class Latents(PerChunk):
    """Latents of chunks, and where each chunk is from.

    Args:
        mean: posterior means, float32 (N, d).
        std: posterior standard deviations, float32 (N, d).
        robot: name of the robot, (N,).
        set: running number of the set of episodes, int64 (N,).
        episode: name of the episode, (N,).
        group: running number of the episode over all sets, int64 (N,): what to split by.
        start: first row of the chunk within its episode, int64 (N,).
    """

    mean: np.ndarray
    std: np.ndarray
    robot: np.ndarray
    set: np.ndarray
    episode: np.ndarray
    group: np.ndarray
    start: np.ndarray

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Several sets in a row; `set` and `group` are renumbered consecutively."""
        numbers = {}
        for name in ("set", "group"):
            offset = np.cumsum([0, *(getattr(p, name).max() + 1 for p in parts[:-1])])
            numbers[name] = np.concatenate([getattr(p, name) + o for p, o in zip(parts, offset, strict=True)])
        return replace(super().concat(parts), **numbers)
