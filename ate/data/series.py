"""A series: one matrix of an episode that stays on disk until rows of it are asked for.

What is read whole is kept for a while, within a fixed number of bytes, so that a set which fits in memory is read
once and a set which does not is read through.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from cachetools import LRUCache

from ate.errors import InputError

# Enough for every set that fine-tuning is usually done on; larger sets are read again.
KEPT_BYTES = 512 * 2**20
_kept: LRUCache[int, tuple["Series", np.ndarray]] = LRUCache(KEPT_BYTES, getsizeof=lambda pair: pair[1].nbytes + 256)
_lock = Lock()


@dataclass(frozen=True, eq=False)
class Series:
    """Rows of one quantity, one a step.

    Attributes:
        shape: `(n_steps, width)`, or `(n_steps,)`.
        where: file and dataset, for messages.
        fetch: reads rows `[start, stop)` from the file, in the file's own number type.
        exact: leave the number type as it is (codes, such as phases); otherwise values become float32.
    """

    shape: tuple[int, ...]
    where: str
    fetch: Callable[[int, int], np.ndarray]
    exact: bool = False

    def __len__(self) -> int:
        return self.shape[0]

    @classmethod
    def of(cls, values: np.ndarray, where: str = "memory") -> "Series":
        """A series that is in memory already; integer codes stay exact."""
        return cls(values.shape, where, _Held(values), exact=values.dtype.kind in "iub")

    def part(self, start: int, stop: int) -> "Series":
        """Rows `[start, stop)` as a series of their own."""
        return Series((stop - start, *self.shape[1:]), self.where, _Part(self, start), self.exact)

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows `[start, stop)`, `(stop − start, width)`; read-only, float32 unless `exact`.

        Raises:
            InputError: the file cannot be read any more, or holds NaN, infinity or what float32 cannot hold.
        """
        stop = len(self) if stop is None else stop
        with _lock:
            held = _kept.get(id(self))
        if held is not None:
            return held[1][start:stop]
        values = self._checked(self.fetch(start, stop), start, stop)
        if start == 0 and stop == len(self) and not isinstance(self.fetch, _Held) and values.nbytes < KEPT_BYTES // 4:
            # The series itself is kept with its rows: its id cannot be given to another one meanwhile.
            with _lock:
                _kept[id(self)] = (self, values)
        return values

    def _checked(self, values: np.ndarray, start: int, stop: int) -> np.ndarray:
        if values.shape != (stop - start, *self.shape[1:]):
            expected = f"{(stop - start, *self.shape[1:])}, as when the set was indexed"
            fix = "leave recordings alone while they are read, then load the set again"
            raise InputError(f"rows of shape {values.shape}", where=self.where, expected=expected, fix=fix)
        if values.dtype.kind not in "fiub":
            got, fix = f"values of type {values.dtype}", "record numbers, or exclude this episode"
            raise InputError(got, where=self.where, expected="numbers, one row a step", fix=fix)
        if self.exact:
            return values
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(values, dtype=np.float32)
        if not np.isfinite(rows).all():
            raise self._not_finite(values, rows, start)
        rows.flags.writeable = False
        return rows

    def _not_finite(self, values: np.ndarray, rows: np.ndarray, start: int) -> InputError:
        bad = np.argwhere(~np.isfinite(rows))
        at = tuple(int(i) for i in bad[0])
        huge = bool(np.isfinite(values[at]))
        what = f"values beyond what float32 holds ({values[at]:.3g})" if huge else "values that are NaN or infinite"
        column = f", column {at[1]}" if len(at) > 1 else ""
        got, expected = f"{len(bad)} {what}, the first at row {start + at[0]}{column}", "finite numbers"
        return InputError(got, where=self.where, expected=expected, fix="repair the recording, or exclude this episode")


@dataclass(frozen=True, eq=False)
class _Held:
    values: np.ndarray

    def __call__(self, start: int, stop: int) -> np.ndarray:
        return self.values[start:stop]


@dataclass(frozen=True, eq=False)
class _Part:
    whole: Series
    first: int

    def __call__(self, start: int, stop: int) -> np.ndarray:
        return self.whole.fetch(self.first + start, self.first + stop)
