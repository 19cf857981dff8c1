"""Clocks: time stamps of rows, recognised by name, in seconds by their name or by their size and step."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ate.data.series import Series

# Names of columns that are clocks, and the unit that a name may end with.
NAME = re.compile(
    r"[%_]*(?:t|(?:[\w./]*[./_])?(?:time|times?_?stamps?|stamp|clock|elapsed(?:_time)?|ros_?time|epoch))"
    r"(?:[ _.(\[]*(s|secs?|seconds?|[mun]s(?:ecs?)?|(?:milli|micro|nano)s(?:ec(?:ond)?s?)?)[)\]]?)?",
    re.IGNORECASE,
)
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
# Steps a second at which robots are recorded: what gives another rate is in another unit.
LEAST, MOST = 2.0, 1000.0
# Seconds since 1970 of the years 2001 to 2096.
SINCE = (1e9, 4e9)
# Rows that a unit and a rate are measured on.
MEASURED = 2000
# A step this much longer than the usual one is a gap, and counts for no rate.
GAP = 3.0
# Gaps in more than this share of the steps are no gaps: rows come when they come.
IRREGULAR = 0.05


@dataclass(frozen=True, eq=False)
class Clock:
    """The time stamps of an episode.

    Attributes:
        name: of the column or dataset.
        series: as recorded, `(n_steps,)` or `(n_steps, 1)`; `(n_steps, 2)` of whole seconds and nanoseconds.
    """

    name: str
    series: Series

    @classmethod
    def named(cls, name: str, series: Series) -> "Clock | None":
        """The clock of a series that is called like one and has one number a row; else None."""
        return cls(name, series) if is_clock(name) and series.shape[1:] in ((), (1,)) else None

    def part(self, start: int, stop: int) -> "Clock":
        """The same of rows `[start, stop)`."""
        return Clock(self.name, self.series.part(start, stop))

    @cached_property
    def _first(self) -> np.ndarray:
        return self._values(min(len(self.series), MEASURED))

    def _values(self, stop: int) -> np.ndarray:
        values = np.asarray(self.series.fetch(0, stop), np.float64)
        # Whole seconds and the nanoseconds after them.
        return values[:, 0] + 1e-9 * values[:, 1] if values.shape[1:] == (2,) else values.reshape(-1)

    @cached_property
    def unit(self) -> str:
        """`s`, `ms`, `us` or `ns`: by its name, else by the size and the steps of its values; empty for a counter."""
        match = NAME.fullmatch(self.name.strip())
        if match is not None and match.group(1):
            word = match.group(1).lower()
            return "us" if word.startswith("micro") else UNITS[word[0]]
        step = usual(self._first)
        if step <= 0:
            return "s"
        size = abs(float(self._first[np.isfinite(self._first)][0]))
        for unit, scale in SECONDS.items():
            if SINCE[0] <= size * scale <= SINCE[1]:
                return unit
        if step == 1.0 and np.ptp(np.diff(self._first)) == 0:
            # 0, 1, 2, …: numbers of rows.
            return ""
        fitting = (unit for unit, scale in SECONDS.items() if LEAST <= 1 / (step * scale) <= MOST)
        return next(fitting, "s")

    @property
    def rate(self) -> float | None:
        """Steps a second, from the usual step; None where the clock stands or counts rows."""
        step = usual(self._first) * SECONDS.get(self.unit, 0.0)
        return round(1 / step, 3) if step > 1e-9 else None

    def seconds(self) -> np.ndarray:
        """Seconds from the first row, float64 `(n_steps,)`.

        Raises:
            InputError: the file cannot be read.
        """
        values = self._values(len(self.series))
        return (values - values[0]) * SECONDS.get(self.unit, 0.0)

    @cached_property
    def irregular(self) -> bool:
        """Whether so many steps are long that the rows have no rate."""
        steps, step = np.diff(self.seconds()), usual(self.seconds())
        return bool(step > 0 and (steps > GAP * step).mean() > IRREGULAR)

    def breaks(self) -> tuple[int, ...]:
        """Rows before which time goes back, or is missing: no motion leads to them from the row before.

        Raises:
            InputError: the file cannot be read.
        """
        seconds = self.seconds()
        steps, step = np.diff(seconds), usual(seconds)
        if step <= 0:
            return ()
        cut = (steps < 0) if self.irregular else (steps < 0) | (steps > GAP * step)
        return tuple(int(row) + 1 for row in np.flatnonzero(cut))

    @property
    def label(self) -> str:
        """Its name with its unit, for the ledger."""
        return f"{self.name} (a clock in {WORDS[self.unit]})" if self.unit else f"{self.name} (numbers of rows)"


def split(names: Sequence[str]) -> tuple[int, int] | None:
    """The columns that hold whole seconds and the nanoseconds after them, as ROS writes a stamp; None for none."""
    for i, name in enumerate(names):
        whole = re.fullmatch(r"(.*stamp[._])secs?", name.strip(), re.IGNORECASE)
        rest = re.compile(re.escape(whole.group(1)) + r"(?:nsecs?|nanosecs?)", re.IGNORECASE) if whole else None
        after = next((k for k, other in enumerate(names) if rest and rest.fullmatch(other.strip())), None)
        if after is not None:
            return i, after
    return None


def is_clock(name: str) -> bool:
    """Whether a column of this name is a clock."""
    return NAME.fullmatch(name.strip()) is not None


def usual(stamps: np.ndarray) -> float:
    """The usual step of time stamps: their median; of whole numbers, which round it (60 Hz in milliseconds), the mean.

    Gaps and steps back, where recorders reset a simulator, are left out; 0 where the clock does not advance.
    """
    steps = np.diff(stamps)
    steps = steps[np.isfinite(steps)]
    median = float(np.median(steps)) if len(steps) else 0.0
    if median <= 0:
        return 0.0
    whole = bool((steps == np.round(steps)).all())
    return float(steps[(steps > 0) & (steps < GAP * median)].mean()) if whole else median
