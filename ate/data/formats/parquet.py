"""Parquet, a window of rows at a time: one column of lists (or of numbers) becomes a matrix."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from cachetools import LRUCache

from ate.data.formats.layout import MOST_BYTES, refusing
from ate.errors import InputError, library

# Neighbouring episodes share a row group, which is packed as a whole: what was unpacked is kept for the next.
KEPT_BYTES = 256 * 2**20
_BATCH = 65_536
_Stamp = tuple[Path, int, int]
_kept: LRUCache[tuple[_Stamp, int, str], np.ndarray] = LRUCache(KEPT_BYTES, getsizeof=lambda rows: rows.nbytes + 256)
# Files of many episodes have long footers; one is parsed once, not for every episode.
_parsed: LRUCache[_Stamp, tuple[Any, np.ndarray]] = LRUCache(64)
_lock = Lock()


def arrow(where: str) -> ModuleType:
    """The library that reads parquet.

    Raises:
        InputError: it is not installed.
    """
    return library("pyarrow.parquet", "lerobot", where=where, use="reads parquet")


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """The file, for reading; whatever the library reports becomes one message that names the file.

    Raises:
        InputError: it is missing or unreadable.
    """
    reader = arrow(str(file))
    # Errors of the library are kinds of these; an overflow is a count that no file can hold.
    wrong = (OSError, ValueError, KeyError, TypeError, NotImplementedError, MemoryError, OverflowError)
    with refusing(file, "a parquet file", *wrong):
        stamp = _stamp(file)
        with _lock:
            held = _parsed.get(stamp)
        known = held[0] if held else None
        # Thrift limits: a footer that promises more than the file holds must not become memory.
        with reader.ParquetFile(
            file, metadata=known, thrift_string_size_limit=2**28, thrift_container_size_limit=2**24
        ) as handle:
            if held is None:
                counts = [handle.metadata.row_group(group).num_rows for group in range(handle.num_row_groups)]
                with _lock:
                    _parsed[stamp] = (handle.metadata, np.cumsum([0, *counts], dtype=np.int64))
            yield handle


def _stamp(file: Path) -> _Stamp:
    """A file as it is now: what is kept of it counts until it is written again."""
    status = file.stat()
    return file, status.st_mtime_ns, status.st_size


@dataclass(frozen=True)
class Footer:
    """What a parquet file says at its end: its rows and columns; no values are read for it.

    Attributes:
        rows: rows in it.
        columns: column → whether it holds a number a row, or a list of numbers a row.
        others: columns that hold something else.
    """

    rows: int
    columns: dict[str, str]
    others: tuple[str, ...]


def footer(file: Path) -> Footer:
    """The footer of a file.

    Raises:
        InputError: it cannot be read.
    """
    with opened(file) as handle:
        kinds = {field.name: _kind(field.type) for field in handle.schema_arrow}
        columns = {name: kind for name, kind in kinds.items() if kind}
        return Footer(int(handle.metadata.num_rows), columns, tuple(name for name in kinds if name not in columns))


def _kind(arrow_type: Any) -> str:
    import pyarrow.types as types

    def numeric(item: Any) -> bool:
        return bool(types.is_floating(item) or types.is_integer(item))

    if numeric(arrow_type):
        return "number"
    lists = types.is_list(arrow_type) or types.is_large_list(arrow_type) or types.is_fixed_size_list(arrow_type)
    return "list" if lists and numeric(arrow_type.value_type) else ""


@dataclass(frozen=True)
class Window:
    """Reads rows of one column of an episode that starts at row `first` of its file.

    Attributes:
        file: the parquet file.
        column: the column.
        width: numbers in each row.
        first: the episode's first row in the file.
        episode: the episode's number, compared with the column `episode_index` where there is one; −1 for none.
    """

    file: Path
    column: str
    width: int
    first: int = 0
    episode: int = -1

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `[start, stop)` of the episode."""
        with opened(self.file) as handle:
            rows = self._rows(handle, self.column, self.width, start, stop)
            if self.episode >= 0 and "episode_index" in handle.schema_arrow.names:
                owners = self._rows(handle, "episode_index", 1, start, stop)
                odd = owners[owners != self.episode]
                if len(odd):
                    raise self._wrong(f"rows of episode {int(odd[0])}", f"episode {self.episode}")
            return rows

    def _rows(self, handle: Any, column: str, width: int, start: int, stop: int) -> np.ndarray:
        low, high = self.first + start, self.first + stop
        with _lock:
            begins = _parsed[_stamp(self.file)][1]
        parts = [np.empty((0, width))]
        for group in range(max(int(np.searchsorted(begins, low, "right")) - 1, 0), handle.num_row_groups):
            base, count = int(begins[group]), int(begins[group + 1] - begins[group])
            if base >= high:
                break
            parts.append(self._of_group(handle, group, count, column, width, max(low - base, 0), high - base))
        return np.concatenate(parts) if len(parts) != 2 else parts[1]

    def _of_group(
        self, handle: Any, group: int, count: int, column: str, width: int, low: int, high: int
    ) -> np.ndarray:
        """Rows `[low, high)` of a row group; small groups are unpacked whole and kept."""
        whole = count * width * 8 <= KEPT_BYTES // 4
        key = (_stamp(self.file), group, column)
        with _lock:
            held = _kept.get(key)
        if held is None:
            held = self._unpacked(handle, group, column, width, 0 if whole else low, count if whole else high)
            if not whole:
                return held
            with _lock:
                _kept[key] = held
        return held[low:high]

    def _unpacked(self, handle: Any, group: int, column: str, width: int, low: int, high: int) -> np.ndarray:
        if (high - low) * width * 8 > MOST_BYTES:
            raise self._wrong(f"{high - low:,} rows of {width}", f"at most {MOST_BYTES // 2**30} GiB at once")
        parts, base = [np.empty((0, width))], 0
        for batch in handle.iter_batches(_BATCH, row_groups=[group], columns=[column], use_threads=False):
            count = len(batch)
            if base + count > low and base < high:
                parts.append(self._matrix(batch, column, width)[max(low - base, 0) : high - base])
            base += count
            if base >= high:
                break
        return np.concatenate(parts)

    def _matrix(self, batch: Any, column: str, width: int) -> np.ndarray:
        if column not in batch.schema.names:
            raise self._wrong(f"no column {column!r}", f"a column {column!r}")
        values = batch.column(column)
        if values.null_count:
            raise self._wrong(f"{values.null_count} rows without a value", "a value in every row")
        if _kind(values.type) == "list":
            lengths = values.value_lengths().to_numpy(zero_copy_only=False)
            odd = lengths[lengths != width]
            if len(odd):
                raise self._wrong(f"a row of {int(odd[0])} numbers", f"{width} numbers in every row")
            values = values.flatten()
            if values.null_count:
                raise self._wrong(f"{values.null_count} empty numbers", "a number in every place")
        elif width != 1 or not _kind(values.type):
            raise self._wrong(f"values of type {values.type}", f"{width} numbers in every row")
        return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(batch), width)

    def _wrong(self, got: str, expected: str) -> InputError:
        fix = "fetch the file again, or exclude this episode"
        return InputError(got, where=f"{self.file}, column {self.column!r}", expected=expected, fix=fix)
