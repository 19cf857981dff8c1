"""Pictures in the parquet files of LeRobot sets: features of type `image`, a PNG or JPEG a row."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.clip import Clip, decoded, same_size
from ate.data.episodes import Episode
from ate.data.formats import lerobot_meta, parquet
from ate.data.formats.layout import confined
from ate.errors import InputError

_INDEX = "episode_index"
_BATCH = 256


@dataclass(frozen=True)
class ParquetClip(Clip):
    """A clip.

    Attributes:
        root: the set's folder.
        file: the parquet file.
        column: of it; the bytes of a picture in each row, or the path of one.
        first: the episode's first row in the file.
        rows: of the episode.
        seconds: from its first row to its last.
    """

    root: Path
    file: Path
    column: str
    first: int
    rows: int
    seconds: float

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Pictures `(n, height, width, 3)` of ascending rows; errors as `Clip.read`."""
        wanted, pictures = set(rows), dict[int, NDArray[np.uint8]]()
        for row, data in self._stored(min(rows), max(rows) + 1):
            if row in wanted:
                pictures[row] = decoded(data, f"{self._where}, row {self.first + row}")
        return same_size([pictures[row] for row in rows], self._where)

    def digest(self) -> str:
        """SHA-256 of the stored bytes of every picture."""
        sha = hashlib.sha256()
        for _, data in self._stored(0, self.rows):
            sha.update(len(data).to_bytes(8, "little") + data)
        return sha.hexdigest()

    @property
    def _where(self) -> str:
        return f"{self.file}, column {self.column!r}"

    def _stored(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Rows `[start, stop)` of the episode with the bytes of their pictures; other row groups are not read."""
        low, high = self.first + start, self.first + stop
        with parquet.opened(self.file) as handle:
            if self.column not in handle.schema_arrow.names:
                raise self._odd("no such column")
            counts = [handle.metadata.row_group(group).num_rows for group in range(handle.num_row_groups)]
            begins = list(accumulate(counts, initial=0))
            groups = range(bisect_right(begins, low) - 1, min(bisect_right(begins, high - 1), len(counts)))
            row = begins[groups.start]
            for batch in handle.iter_batches(_BATCH, row_groups=list(groups), columns=[self.column], use_threads=False):
                column = batch.column(0)
                for place in range(max(0, low - row), min(len(column), high - row)):
                    yield row + place - self.first, self._bytes(column[place].as_py())
                row += len(column)
            if row < high:
                raise self._odd(f"{row - self.first} rows")

    def _bytes(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (None, None)
        if data is None and isinstance(path, str):
            file = confined(self.root, path, self._where)
            if not file.is_file():
                raise self._odd(f"the path {path!r}, where there is no file")
            return file.read_bytes()
        if not isinstance(data, bytes):
            raise self._odd("a row without a picture")
        return data

    def _odd(self, got: str) -> InputError:
        fix = "fetch the file again, or exclude the episode"
        return InputError(got, where=self._where, expected=f"a picture in each of {self.rows} rows", fix=fix)


def of(item: Episode, rate: float) -> dict[str, ParquetClip]:
    """Camera → its clip; empty where the set keeps no pictures in its parquet files.

    Args:
        item: an episode of a LeRobot set.
        rate: rows a second.

    Raises:
        InputError: the metadata or the file cannot be used.
    """
    root = next((folder for folder in item.path.parents if (folder / lerobot_meta.INFO).is_file()), None)
    if root is None:
        return {}
    features = lerobot_meta.read(root).features
    columns = [name for name, feature in features.items() if feature.get("dtype") == "image"]
    if not columns:
        return {}
    first = _firsts(item.path, item.path.stat().st_mtime_ns).get(int(item.name.rsplit("_", 1)[1]), 0)
    seconds = (len(item) - 1) / rate
    return {name: ParquetClip(root, item.path, name, first, len(item), seconds) for name in columns}


@lru_cache(64)
def _firsts(file: Path, _: int) -> dict[int, int]:
    """Episode → its first row in a file, by the numbers of its rows; the second argument is when it was written."""
    with parquet.opened(file) as handle:
        if _INDEX not in handle.schema_arrow.names:
            return {}
        owners = handle.read(columns=[_INDEX], use_threads=False).column(0).to_numpy()
    numbers, places = np.unique(owners, return_index=True)
    return dict(zip(numbers.tolist(), places.tolist(), strict=True))
