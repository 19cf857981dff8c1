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
        index, own = (int(part[0]) for part in self.places(np.array([row])))
        if index not in self._clips:
            self._clips[index] = clips(self.episodes, index)
        return {short(name): clip.read([own])[0] for name, clip in self._clips[index].items()}

    def places(self, rows: Rows) -> tuple[Rows, Rows]:
        """The episode of each row, and which of its rows that is, `(n,)` each."""
        index = np.searchsorted(self._ends, rows, side="right")
        return index, rows - (self._ends[index] - self.episodes.lengths[index])

    @cached_property
    def _ends(self) -> Rows:
        """The row after the last one of each episode."""
        return np.cumsum(self.episodes.lengths)

    @cached_property
    def _series(self) -> NDArray[np.float32]:
        """The series that chunks are cut from, at every row."""
        return np.concatenate([self.episodes.series(i) for i in range(len(self.episodes))])

    def chunks(self, rows: Rows, horizon: int) -> NDArray[np.float64]:
        """The chunks that follow these rows, `(n, horizon, joints)`; an episode's last row is repeated."""
        last = self._ends[np.searchsorted(self._ends, rows, side="right")] - 1
        steps = rows[:, None] + lead(self.episodes) + np.arange(horizon)
        chunks: NDArray[np.float64] = self._series[np.minimum(steps, last[:, None])].astype(np.float64)
        return chunks
