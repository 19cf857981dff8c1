"""Rows that nobody measured: a lost packet, a recorder that began early, arrays that were not filled.

They hold one value in all joints: 0, or what else a program fills in (−1, −999). A joint may well stand at 0. A row is
lost where all joints of an arm are exactly one value, and the neighbours are so far from it that no motion of this set
leads there. A single joint is lost where it is exactly 0 for a row or two, and the rows on both sides are far away on
one side. Of commands that are changes or speeds, rows of 0 are what is sent while the robot shall stand: not looked at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ate.data.doctor.correlation import correlations
from ate.data.episodes import Episode, Episodes
from ate.errors import InputError
from ate.robots.headings import COMMAND, POSITION, heading
from ate.robots.roles import roles

# Columns of an arm that must all be 0: two joints are at home together often enough.
FEWEST = 3
# The step to the neighbour against the 95th percentile of steps, and in data units at least.
TIMES, LEAST = 3.0, 0.05
_SAMPLED = 16
# Of a single joint: rows that it is lost for at most, and how many times the usual step its neighbours are away.
_SHORT, _FAR = 2, 6.0
# Commands that go with the positions (median of the joints' correlations) are positions.
_TARGETS = 0.9
# Others are changes or speeds where 0 lies well within what most columns do: above and below it by this share of rows.
_WITHIN = 0.1


@dataclass(frozen=True)
class ZeroRows:
    """Rows `[start, stop)` of an episode that are exactly one value.

    Attributes:
        series: of which series.
        episode: of which episode.
        columns: which columns; all of the arm, or those of one of two.
        start, stop: the rows.
        steps: rows of the episode.
        value: in all of them.
    """

    series: str
    episode: str
    columns: tuple[int, ...]
    start: int
    stop: int
    steps: int
    value: float = 0.0

    @property
    def place(self) -> str:
        """`"head"`, `"tail"`, `"middle"`, or `"whole"` of the episode."""
        if self.start == 0:
            return "whole" if self.stop == self.steps else "head"
        return "tail" if self.stop == self.steps else "middle"


class Zeros:
    """Finds lost rows in the series of a set.

    Args:
        episodes: the set; a few of them give the usual steps.
    """

    def __init__(self, episodes: Episodes) -> None:
        self.rows: list[ZeroRows] = []
        self._groups: dict[str, list[list[int]]] = {}
        self._usual: dict[str, np.ndarray] = {}
        self._single: dict[str, np.ndarray] = {}
        for name in ("qpos", "action"):
            groups = _groups(episodes, name)
            usual = _usual_steps(episodes, name, groups) if groups else None
            if usual is not None and not (name == "action" and _changes(episodes, groups)):
                self._groups[name], (self._usual[name], self._single[name]) = groups, usual

    def cut(
        self, item: Episode, series: dict[str, np.ndarray], noted: bool = True
    ) -> tuple[dict[str, np.ndarray], int]:  # fmt: skip
        """The series of an episode without lost rows, and how many rows were taken off the start.

        They are added to `rows` where they are to be noted. Lost rows at either end are cut, those within are
        interpolated: what follows has the rows' own numbers.
        """
        lost = [zeros for name in self._groups if name in series for zeros in self._lost(item, name, series[name])]
        self.rows += lost if noted else []
        if not lost:
            return series, 0
        rows = lost[0].steps
        head = max((z.stop for z in lost if z.place == "head"), default=0)
        tail = min((z.start for z in lost if z.place == "tail"), default=rows)
        for zeros in (z for z in lost if z.place == "middle"):
            series = {**series, zeros.series: _bridged(series[zeros.series], zeros)}
        if tail - head < 2:
            return series, 0
        return {name: values[head:tail] if len(values) == rows else values for name, values in series.items()}, head

    def _lost(self, item: Episode, name: str, rows: np.ndarray) -> Iterator[ZeroRows]:
        usual = self._usual[name]
        if rows.ndim != 2 or rows.shape[1] != len(usual):
            return
        for group in self._groups[name]:
            first = rows[:, group[0]]
            same = np.asarray((rows[:, group] == first[:, None]).all(axis=1))
            for value in np.unique(first[same]):
                for start, stop in _runs(same & (first == value)):
                    near = [rows[i, group] for i in (start - 1, stop) if 0 <= i < len(rows)]
                    # A whole episode of one value has no neighbour: nothing in the set would move there and stay.
                    away = np.max(np.abs(near - value), axis=0) if near else np.full(len(group), np.inf)
                    far = (away > np.maximum(TIMES * usual[group], LEAST)).any()
                    if far and (near or not np.all(usual[group] == 0)):
                        yield ZeroRows(name, item.name, tuple(group), start, stop, len(rows), float(value))
            if not same.any():
                yield from self._lost_joints(item, name, rows, group)

    def _lost_joints(self, item: Episode, name: str, rows: np.ndarray, group: Sequence[int]) -> Iterator[ZeroRows]:
        """Rows where one joint alone is 0."""
        for column in (column for column in group if (rows[:, column] == 0).any()):
            least = max(_FAR * float(self._single[name][column]), LEAST)
            for start, stop in _runs(rows[:, column] == 0):
                if start == 0 or stop == len(rows) or stop - start > _SHORT:
                    continue
                before, after = float(rows[start - 1, column]), float(rows[stop, column])
                if before * after > 0 and min(abs(before), abs(after)) > least:
                    yield ZeroRows(name, item.name, (column,), start, stop, len(rows))


def _groups(episodes: Episodes, name: str) -> list[list[int]]:
    """Columns of the arm, and where there are two those of each; none where they are too few."""
    shapes = {item.series[name].shape[1:] for item in episodes if item.has(name)}
    width = next(iter(shapes))[0] if len(shapes) == 1 and len(next(iter(shapes))) == 1 else 0
    names = episodes.joint_names if width == episodes.dof else episodes[0].column_names(name) if width else ()
    if not width:
        return []
    if len(names) != width:
        return [list(range(width))] if width >= FEWEST else []
    known = roles(names)
    sides: dict[str, list[int]] = {}
    for i, role in enumerate(known):
        if (role is None or role.part not in ("gripper", "other")) and heading(names[i]).kind in (POSITION, COMMAND):
            sides.setdefault("" if role is None else role.arm, []).append(i)
    return [group for group in sides.values() if len(group) >= FEWEST]


def _usual_steps(
    episodes: Episodes, name: str, groups: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray] | None:  # fmt: skip
    """95th percentile of the steps of each column, rows of one value left out, and without steps from or to 0 too."""
    parts, apart = [], []
    for item in _few(episodes):
        if not item.has(name):
            continue
        try:
            rows = item.read(name).astype(np.float64)
        except InputError:
            # The pass itself reports it.
            continue
        empty = _empty(rows, groups)
        kept, zero = ~(empty[1:] | empty[:-1]), (rows[1:] == 0) | (rows[:-1] == 0)
        parts.append(np.abs(np.diff(rows, axis=0))[kept])
        apart.append(zero[kept])
    steps = np.concatenate(parts) if parts else np.zeros((0, 0))
    if not len(steps):
        return None
    zero = np.concatenate(apart)
    # A column of zeros alone has no step that counts, and none is far enough from it.
    single = [np.quantile(s[~z], 0.95) if not z.all() else np.inf for s, z in zip(steps.T, zero.T, strict=True)]
    return np.quantile(steps, 0.95, axis=0), np.array(single)


def _changes(episodes: Episodes, groups: Sequence[Sequence[int]]) -> bool:
    """Whether commands are changes or speeds, of which 0 is an ordinary one; not where no positions are recorded."""
    commands, positions = _paired(episodes, groups)
    moving = [column for group in groups for column in group if len(commands) and np.ptp(commands[:, column]) > 0]
    if not moving:
        return False
    tie = correlations(commands[:, moving], positions)
    # Of one width, each command is that of its own joint; else of the joint that it goes with best.
    alike = commands.shape[1] == positions.shape[1]
    own = tie[range(len(moving)), moving] if alike else tie.max(axis=1, initial=0.0)
    low, high = np.quantile(commands[:, moving], [_WITHIN, 1 - _WITHIN], axis=0)
    return bool(np.median(own) < _TARGETS and ((low < 0) & (high > 0)).mean() > 0.5)


def _paired(episodes: Episodes, groups: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Commands and positions of the same rows, of a few episodes; rows of one value left out."""
    pairs: list[list[np.ndarray]] = []
    for item in _few(episodes):
        try:
            pair = [item.read(name).astype(np.float64) for name in ("action", "qpos") if item.has(name)]
        except InputError:
            # The pass itself reports it.
            continue
        if len(pair) == 2 and len(pair[0]) == len(pair[1]):
            kept = ~_empty(pair[0], groups)
            pairs.append([rows[kept] for rows in pair])
    widths = {pair[1].shape[1:] for pair in pairs}
    if len(widths) != 1 or len(next(iter(widths))) != 1:
        return np.zeros((0, 0)), np.zeros((0, 0))
    commands, positions = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return commands, positions


def _few(episodes: Episodes) -> Iterator[Episode]:
    """Some episodes, evenly spread."""
    for index in np.unique(np.linspace(0, len(episodes) - 1, _SAMPLED).round().astype(int)):
        yield episodes[int(index)]


def _empty(rows: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Which rows `(n, width)` hold one value in all columns of an arm, bool `(n,)`."""
    return np.any([(rows[:, group] == rows[:, list(group[:1])]).all(axis=1) for group in groups], axis=0)


def _bridged(rows: np.ndarray, zeros: ZeroRows) -> np.ndarray:
    rows = np.array(rows)
    gap = np.arange(zeros.start, zeros.stop)
    # A value that no robot measures was filled into every column of the row, the gripper's too.
    filled = np.flatnonzero((rows[gap] == zeros.value).all(axis=0)) if zeros.value else ()
    for column in {*zeros.columns, *(int(column) for column in filled)}:
        rows[gap, column] = np.interp(
            gap, [zeros.start - 1, zeros.stop], [rows[zeros.start - 1, column], rows[zeros.stop, column]]
        )
    return rows


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
