"""Recorded observations, and the chunk that followed each, in the units of the recordings: for any actor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ate.data.cameras import clips, short
from ate.data.clip import Clip
from ate.data.episodes import Episodes
from ate.policies.actor import Observation
from ate.policies.preconditioning import lead

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Recorded:
    """The steps of all episodes in order; row i is the i-th of them.

    Attributes:
        episodes: one robot's recordings.
    """

    episodes: Episodes
    _clips: dict[int, Mapping[str, Clip]] = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return int(self.episodes.lengths.sum())

    @cached_property
    def qpos(self) -> NDArray[np.float32]:
        """Measured joints at every row, `(rows, joints)`."""
        return np.concatenate([item.qpos for item in self.episodes])

    @cached_property
    def state(self) -> NDArray[np.float32] | None:
        """Task state at every row, `(rows, k)`; None where it was not recorded."""
        if not self.episodes.has("state"):
            return None
        states = [self.episodes.extra(i, "state") for i in range(len(self.episodes))]
        return np.concatenate(states).astype(np.float32)

    def observation(self, row: int, qpos_of: int | None = None, state_of: int | None = None) -> Observation:
        """What an actor sees at a row; `qpos` or `state` may be those of another row."""
        seen = Observation(qpos=self.qpos[row if qpos_of is None else qpos_of].astype(np.float32))
        if self.state is not None:
            seen["state"] = self.state[row if state_of is None else state_of]
        if self.episodes.task:
            seen["task"] = self.episodes.task
        images = self._images(row)
        if images:
            seen["images"] = images
        return seen

    def _images(self, row: int) -> dict[str, NDArray[np.uint8]]:
        """What the cameras of its episode saw at a row; empty where there are none."""
        index = int(np.searchsorted(self._ends, row, side="right"))
        if index not in self._clips:
            self._clips[index] = clips(self.episodes, index)
        start = int(self._ends[index]) - len(self.episodes[index])
        return {short(name): clip.read([row - start])[0] for name, clip in self._clips[index].items()}

    @cached_property
    def _ends(self) -> Rows:
        """The row after the last one of each episode."""
        return np.cumsum(self.episodes.lengths)

    def chunks(self, rows: Rows, horizon: int) -> NDArray[np.float64]:
        """The chunks that follow these rows, `(n, horizon, joints)`; an episode's last row is repeated."""
        series = np.concatenate([self.episodes.series(i) for i in range(len(self.episodes))]).astype(np.float64)
        last = self._ends[np.searchsorted(self._ends, rows, side="right")] - 1
        steps = rows[:, None] + lead(self.episodes) + np.arange(horizon)
        chunks: NDArray[np.float64] = series[np.minimum(steps, last[:, None])]
        return chunks
