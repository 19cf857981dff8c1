"""Whole turns: columns that wrap around within an episode, and episodes that stand a turn apart; both taken out.

What wraps is a fault of its own. Speeds, ranges and lags are measured as if the angle had gone on counting, or they
would be the wrap's and no motion's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

TURNS = {2 * np.pi: "2π", 360.0: "360°"}
# A wrapped angle jumps by a turn, less a step.
SLACK = 0.15
# Of the steps, once whole turns are taken out: at most this share may be larger than that share of a turn.
FAST_SHARE, FAST = 0.05, 0.05
# What wraps lies within one turn; noise at the ends adds a little.
WITHIN = 1.05
# Episodes a turn apart agree to this share of a turn once it is taken out.
TOGETHER, APART = 0.25, 0.85


@dataclass(frozen=True)
class Wrapped:
    """One column that has whole turns in it.

    Attributes:
        turn: a turn in the column's unit.
        rows: episode and row of every wrap.
        apart: episodes that stand a turn or more from most, with how many turns are to be added.
    """

    turn: float
    rows: tuple[tuple[str, int], ...]
    apart: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """The turn in words."""
        return TURNS[self.turn]


class Turns:
    """Gathers what tells a wrapped angle from a fast one, episode by episode."""

    def __init__(self, width: int) -> None:
        self._low, self._high = np.full(width, np.inf), np.full(width, -np.inf)
        self._steps = 0
        self._moved = np.zeros(width, int)
        self._fast = {turn: np.zeros(width) for turn in TURNS}
        self._rows: dict[float, list[list[tuple[str, int]]]] = {turn: [[] for _ in range(width)] for turn in TURNS}
        self._medians: dict[str, np.ndarray] = {}

    def add(self, name: str, rows: np.ndarray) -> None:
        """One episode, `(n_steps, width)`."""
        self._low, self._high = np.minimum(self._low, rows.min(0)), np.maximum(self._high, rows.max(0))
        self._medians[name] = np.median(rows, axis=0)
        steps = np.diff(rows.astype(np.float64), axis=0)
        self._steps += len(steps)
        self._moved += (steps != 0).sum(0)
        for turn in TURNS:
            left = np.abs(steps - turn * np.round(steps / turn))
            self._fast[turn] += (left > FAST * turn).sum(0)
            for row, column in np.argwhere(np.abs(np.abs(steps) - turn) < SLACK * turn):
                self._rows[turn][column].append((name, int(row) + 1))

    def columns(self) -> dict[int, Wrapped]:
        """Column → its whole turns; only of columns that have some."""
        columns = {}
        for column in range(len(self._low)):
            for turn in TURNS:
                rows = self._wraps(column, turn)
                # Where it wraps, unwrapping sets the count of turns too.
                apart = {} if rows else self._apart(column, turn)
                if rows or apart:
                    columns[column] = Wrapped(turn, rows, apart)
                    break
        return columns

    def _wraps(self, column: int, turn: float) -> tuple[tuple[str, int], ...]:
        within = self._high[column] - self._low[column] <= WITHIN * turn
        steady = self._fast[turn][column] <= FAST_SHARE * max(self._steps, 1)
        # An angle in degrees that happens to step by 6.28 goes further than two turns of 2π.
        small = turn > 7 or max(-self._low[column], self._high[column]) < 2 * turn
        # A switch between −3 and 3 does nothing else.
        turns = self._moved[column] > 2 * len(self._rows[turn][column])
        return tuple(self._rows[turn][column]) if within and steady and small and turns else ()

    def _apart(self, column: int, turn: float) -> dict[str, int]:
        """Turns to add to each episode whose median lies whole turns away from most."""
        medians = np.array([median[column] for median in self._medians.values()])
        if len(medians) < 2 or max(-self._low[column], self._high[column]) > 2 * turn:
            return {}
        phase = np.exp(2j * np.pi * medians / turn)
        middle = float(np.angle(phase.mean())) * turn / (2 * np.pi)
        turns = np.round((medians - middle) / turn).astype(int)
        left = medians - middle - turn * turns
        if np.ptp(left) > TOGETHER * turn or np.ptp(medians) < APART * turn:
            return {}
        usual = int(np.bincount(turns - turns.min()).argmax()) + turns.min()
        return {name: int(usual - count) for name, count in zip(self._medians, turns, strict=True) if count != usual}


def unwrapped(rows: np.ndarray, columns: dict[int, Wrapped], start: np.ndarray) -> np.ndarray:
    """The rows with these columns counting on, and each episode within half a turn of `start`, `(width,)`."""
    rows = np.array(rows)
    for column, wrapped in columns.items():
        angle = np.unwrap(rows[:, column].astype(np.float64), period=wrapped.turn)
        angle -= wrapped.turn * np.round((np.median(angle) - start[column]) / wrapped.turn)
        rows[:, column] = angle
    return rows


def middle(rows: Sequence[np.ndarray], columns: dict[int, Wrapped]) -> np.ndarray:
    """Where most rows of the wrapped columns lie, once they count on: medians of the first episode, `(width,)`."""
    first = np.array(rows[0], np.float64)
    for column, wrapped in columns.items():
        first[:, column] = np.unwrap(first[:, column], period=wrapped.turn)
    return np.asarray(np.median(first, axis=0))
