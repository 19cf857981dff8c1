"""Episodes: recorded demonstrations of one robot, a matrix of joint positions each.

An episode is `qpos (n_steps, dof)` in one HDF5 file (ATE paper, arXiv 2509.02055, section 3.1). Nothing here
converts units, drops data or writes to the source: what cannot be used as it stands is refused by name.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ate.errors import InputError

SOURCES = ("qpos", "action")


@dataclass(frozen=True)
class Episode:
    """One demonstration.

    Attributes:
        name: the file's stem.
        path: the file it was read from.
        qpos: measured joint positions, float32 `(n_steps, dof)`; radians (metres for sliding joints), and the
            gripper's opening in [0, 1] where the recording has one.
        extras: what else the file holds row by row: `action (n, dof)`, `state (n, k)`, `ee_pose (n, 7)`, `phase (n,)`.
    """

    name: str
    path: Path
    qpos: np.ndarray
    extras: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.qpos)


@dataclass(frozen=True)
class Episodes:
    """The episodes of one robot, in the order of their file names.

    Attributes:
        items: the episodes.
        source: `"qpos"` or `"action"`: the series that chunks are cut from.
        robot: the name recorded in the files, or the folder's name.
        joint_names: one name a column; `joint_0 …` where the files name none.
        rate_hz: steps a second, or None where the files do not say.
        task: the task the files name, or None.
    """

    items: tuple[Episode, ...]
    source: str
    robot: str
    joint_names: tuple[str, ...]
    rate_hz: float | None = None
    task: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Episode]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Episode:
        return self.items[index]

    @property
    def dof(self) -> int:
        """Columns of the chosen series."""
        return self.series(0).shape[1]

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each episode, int64 `(n_episodes,)`."""
        return np.array([len(item) for item in self.items], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over robot, source, joint names, episode names and every value of the series."""
        sha = hashlib.sha256(repr((self.robot, self.source, self.joint_names)).encode())
        for index, item in enumerate(self.items):
            series = np.ascontiguousarray(self.series(index))
            sha.update(repr((item.name, series.shape)).encode())
            sha.update(series.tobytes())
        return sha.hexdigest()

    def series(self, index: int) -> np.ndarray:
        """The chosen series of one episode, float32 `(n_steps, dof)`."""
        item = self.items[index]
        return item.qpos if self.source == "qpos" else item.extras["action"]

    def extra(self, index: int, name: str) -> np.ndarray:
        """A companion series of one episode, or an error that names the file."""
        item = self.items[index]
        if name not in item.extras:
            raise InputError(
                f"datasets {', '.join(['qpos', *item.extras])}",
                where=str(item.path),
                expected=f"a dataset {name!r} with {len(item)} rows",
                way_out="record it, or choose an analysis that does not need it",
            )
        return item.extras[name]

    def has(self, name: str) -> bool:
        """Whether every episode carries the companion series `name`."""
        return all(name in item.extras for item in self.items)

    def select(self, indices: Sequence[int] | np.ndarray) -> "Episodes":
        """The episodes at these positions, in that order."""
        return replace(self, items=tuple(self.items[int(i)] for i in indices))

    def split(self, held_out: float, seed: int) -> tuple["Episodes", "Episodes"]:
        """Split by episode into (training, held-out), both in file order.

        Args:
            held_out: share of the episodes held out, in (0, 1); at least one is held out and one kept.
            seed: seed of the permutation.

        Raises:
            InputError: fewer than two episodes.
        """
        if len(self) < 2:
            raise InputError(
                f"{len(self)} episode",
                where=f"episodes of {self.robot}",
                expected="at least 2, to train on one and hold out another",
                way_out="record more episodes",
            )
        count = min(max(round(held_out * len(self)), 1), len(self) - 1)
        order = np.random.default_rng(seed).permutation(len(self))
        return self.select(np.sort(order[count:])), self.select(np.sort(order[:count]))
