"""Episodes: recorded demonstrations of one robot, a matrix of joint positions each.

An episode is `qpos (n_steps, dof)` (ATE paper, arXiv 2509.02055, section 3.1). Its values stay on disk until they
are asked for. Units are converted where they are declared (`ate.data.units`); nothing writes to the source.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ate.data.clock import Clock
from ate.data.excludes import naming
from ate.data.ledger import Keys, Ledger
from ate.data.series import Series
from ate.errors import InputError

if TYPE_CHECKING:
    from ate.robots.profile import Joint

SOURCES = ("qpos", "action")
# Series whose columns are joints, and the attribute that names them.
NAMED_BY = {"qpos": "joint_names", "action": "action_names"}


@dataclass(frozen=True, eq=False)
class Episode:
    """One demonstration.

    Attributes:
        name: what an exclude list calls it: the file's stem, or the name inside a file of many.
        path: the file it is in.
        series: what was recorded row by row: `qpos (n_steps, dof)`, and where it exists `action (n_steps, k)`,
            `state (n_steps, k)`, `ee_pose (n_steps, 7)`, `phase (n_steps,)`; radians (metres for sliding joints), the
            gripper's opening in [0, 1], where the file or the robot's profile declares what was recorded.
        attributes: what the file says of itself: `robot`, `task`, `rate_hz`, `units`, `joint_names`, `action_names`,
            `state_names`, `phase_names`, `seed`; and `converted`, what was done to its values, and `rate_from`, what
            `rate_hz` is from.
        keys: what its reader found, missed and left.
        declared: of series that were converted when they were loaded, each column as it was recorded; None for columns
            that are as they were (`ate.data.units`).
        clock: time stamps of the rows, or None.
    """

    name: str
    path: Path
    series: Mapping[str, Series]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    declared: "Mapping[str, tuple[Joint | None, ...]]" = field(default_factory=dict)
    clock: Clock | None = None

    def __len__(self) -> int:
        return len(next(iter(self.series.values())))

    @classmethod
    def of(cls, name: str, path: Path, **values: np.ndarray) -> "Episode":
        """An episode that is in memory already: `Episode.of("e", path, qpos=…, action=…)`."""
        return cls(name, path, {key: Series.of(rows, f"{path}, {key!r}") for key, rows in values.items()})

    @property
    def qpos(self) -> np.ndarray:
        """Measured joint positions, float32 `(n_steps, dof)`, read-only."""
        return self.read("qpos")

    def has(self, name: str) -> bool:
        """Whether the series `name` was recorded."""
        return name in self.series

    def column_names(self, name: str) -> tuple[str, ...]:
        """The file's names for the columns of a series; empty where it has none or another number of them.

        The joints' names also name the columns of an action of as many columns.
        """
        shape = self.series[name].shape
        names = (self.attributes.get(key, ()) for key in (NAMED_BY.get(name, f"{name}_names"), "joint_names"))
        return next((tuple(str(part) for part in item) for item in names if (len(item),) == shape[1:]), ())

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows `[start, stop)` of a series, read from disk now.

        Raises:
            InputError: there is no such series, or it holds NaN or infinity.
        """
        if name not in self.series:
            got, expected = f"datasets {', '.join(self.series)}", f"a dataset {name!r} with {len(self)} rows"
            fix = "record it, or choose an analysis that does not need it"
            raise InputError(got, where=f"{self.path}, episode {self.name}", expected=expected, fix=fix)
        try:
            return self.series[name].read(start, stop)
        except InputError as error:
            named = naming(error, self.name)
            if named is error:
                raise
            raise named from error


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
        ledger: what came in and what was kept.
        profile: name or file of the robot's profile that it was loaded with; empty for none.
    """

    items: tuple[Episode, ...]
    source: str
    robot: str
    joint_names: tuple[str, ...]
    rate_hz: float | None = None
    task: str | None = None
    ledger: Ledger = field(default_factory=Ledger)
    profile: str = ""

    @property
    def conversion(self) -> str:
        """What was converted and as who declares, for reports and cards; empty where values are as recorded."""
        return str(self.items[0].attributes.get("converted", "")) if self.items else ""

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Episode]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Episode:
        return self.items[index]

    @property
    def dof(self) -> int:
        """Columns of the chosen series."""
        return self.items[0].series[self.source].shape[1]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Steps of each episode, int64 `(n_episodes,)`."""
        return np.array([len(item) for item in self.items], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over robot, source, joint names, episode names and every value of the series."""
        sha = hashlib.sha256(repr((self.robot, self.source, self.joint_names)).encode())
        for index, item in enumerate(self.items):
            series = self.series(index)
            sha.update(repr((item.name, series.shape)).encode())
            sha.update(series.tobytes())
        return sha.hexdigest()

    def series(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows `[start, stop)` of the chosen series of one episode, float32 `(stop − start, dof)`, read-only."""
        return self.items[index].read(self.source, start, stop)

    def extra(self, index: int, name: str) -> np.ndarray:
        """A companion series of one episode, or an error that names the file."""
        return self.items[index].read(name)

    def has(self, name: str) -> bool:
        """Whether every episode carries the companion series `name`."""
        return all(item.has(name) for item in self.items)

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
            expected, fix = "at least 2, to train on one and hold out another", "record more episodes"
            raise InputError(f"{len(self)} episode", where=f"episodes of {self.robot}", expected=expected, fix=fix)
        count = min(max(round(held_out * len(self)), 1), len(self) - 1)
        order = np.random.default_rng(seed).permutation(len(self))
        return self.select(np.sort(order[count:])), self.select(np.sort(order[:count]))
