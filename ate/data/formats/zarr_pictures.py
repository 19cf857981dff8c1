"""Pictures in zarr stores: arrays of `data` with a picture a row, as Diffusion Policy, DP3 and UMI write them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.clip import Clip
from ate.data.episodes import Episode
from ate.data.formats import zarr
from ate.data.formats.zarr_chunks import check_whole
from ate.errors import InputError

_COLOURS = (3, 4)


@dataclass(frozen=True)
class ZarrClip(Clip):
    """A clip.

    Attributes:
        store: the folder or archive.
        key: the array; a picture in each row, colours last or first.
        first: the episode's first row in it.
        rows: of the episode.
        seconds: from its first row to its last.
    """

    store: Path
    key: str
    first: int
    rows: int
    seconds: float

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Pictures `(n, height, width, 3)` of ascending rows; errors as `Clip.read`."""
        with zarr.opened(self.store) as root:
            array = root[self.key]
            _whole(self.store, self.key, self.store.stat().st_mtime_ns)
            pictures = np.stack([np.asarray(array[self.first + row]) for row in rows])
        if not _is_brightness(pictures):
            raise InputError(
                f"values from {pictures.min():.3g} to {pictures.max():.3g}", where=f"{self.store}, array {self.key!r}",
                expected="whole numbers from 0 to 255", fix="save the pictures as uint8, or exclude the episode",
            )  # fmt: skip
        pictures = pictures if pictures.shape[-1] in _COLOURS else pictures.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(pictures[..., :3]).astype(np.uint8)

    def digest(self) -> str:
        """SHA-256 of the episode's rows of the array."""
        sha = hashlib.sha256()
        with zarr.opened(self.store) as root:
            array = root[self.key]
            sha.update(repr((array.shape[1:], str(array.dtype), self.rows)).encode())
            for row in range(self.first, self.first + self.rows):
                sha.update(np.asarray(array[row]).tobytes())
        return sha.hexdigest()


def of(item: Episode, rate: float) -> dict[str, ZarrClip]:
    """Camera → its clip; empty where the store holds no pictures.

    Args:
        item: an episode of a store.
        rate: rows a second.

    Raises:
        InputError: the store cannot be opened.
    """
    number = int(item.name.rsplit("_", 1)[1])
    with zarr.opened(item.path) as root:
        ends = [0, *np.asarray(root[zarr.ENDS][:]).astype(int).tolist()]
        names = [name for name, array in root["data"].arrays() if _has_pictures(array, ends[-1])]
    seconds = (len(item) - 1) / rate
    return {name: ZarrClip(item.path, f"data/{name}", ends[number], len(item), seconds) for name in names}


def _has_pictures(array: Any, rows: int) -> bool:
    shape = array.shape
    fits = len(shape) == 4 and shape[0] == rows and (shape[-1] in _COLOURS or shape[1] in _COLOURS)
    # Diffusion Policy keeps brightness as float32; maps of depth have other values.
    return fits and (array.dtype == np.uint8 or _is_brightness(np.asarray(array[0])))


def _is_brightness(values: NDArray[Any]) -> bool:
    return values.dtype == np.uint8 or bool(((values >= 0) & (values <= 255) & (values == np.round(values))).all())


@lru_cache(64)
def _whole(store: Path, key: str, _: int) -> None:
    """Refuse an array with chunks missing, once; the last argument is when the store was written."""
    with zarr.opened(store) as root:
        check_whole(root[key], key, store)
