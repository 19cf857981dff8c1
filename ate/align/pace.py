"""Pace: how fast the joints of recordings go, by which chunks of another rate are recognised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace


@dataclass(frozen=True)
class Pace:
    """Pace of one robot's episodes.

    Attributes:
        rate_hz: rows a second; None where the files do not say.
        steps: RMS change of each joint from row to row over all chunks, normalised units.
    """

    rate_hz: float | None
    steps: tuple[float, ...]

    @classmethod
    def of(cls, episodes: Episodes, space: ActionSpace, chunk: int) -> "Pace":
        """The pace of episodes in chunks of so many rows, in the statistics of their action space."""
        squares, count = np.zeros(len(space.joint_names)), 0.0
        for index in range(len(episodes)):
            rows = space.normalizer.normalize(episodes.series(index)).astype(np.float64)
            if len(rows) < max(chunk, 2):
                continue
            # How many chunks hold each change: the first and last rows of an episode, often still, are in few.
            weight = np.convolve(np.ones(len(rows) - chunk + 1), np.ones(max(chunk - 1, 1)))[: len(rows) - 1]
            squares = squares + (np.square(np.diff(rows, axis=0)) * weight[:, None]).sum(0)
            count += float(weight.sum())
        return cls(episodes.rate_hz, tuple(float(value) for value in np.sqrt(squares / max(count, 1.0))))

    def to_tree(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"rate_hz": self.rate_hz, "steps": list(self.steps)}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Pace":
        """The inverse of `to_tree`."""
        return cls(tree["rate_hz"], tuple(tree["steps"]))
