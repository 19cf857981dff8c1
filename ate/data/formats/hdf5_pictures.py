"""Pictures in HDF5 files: arrays, or a JPEG or PNG a row, as robomimic, LIBERO, ALOHA, ManiSkill and RoboTwin write."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ate.data.clip import Clip, decoded, same_size
from ate.data.episodes import Episode
from ate.data.formats import hdf5, tree
from ate.errors import InputError

# The first bytes of a JPEG and of a PNG.
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG")
# Names under which layouts keep the pictures of the camera that the group is called after.
_PLAIN = ("rgb", "image", "images", "color", "rgb_image")
_COLOURS = (3, 4)
# robomimic writes what was seen one row later once more.
_NEXT = "next_obs/"
# Bytes that are read at once for a digest.
_BLOCK = 2**26


@dataclass(frozen=True)
class Hdf5Clip(Clip):
    """A clip.

    Attributes:
        file: the HDF5 file.
        key: the dataset; a picture, or the bytes of one, in each row.
        rows: of the episode.
        seconds: from its first row to its last.
    """

    file: Path
    key: str
    rows: int
    seconds: float

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Pictures `(n, height, width, 3)` of ascending rows; errors as `Clip.read`."""
        with hdf5.opened(self.file) as handle:
            item = self._dataset(handle)
            if item.ndim == 4:
                pictures = np.asarray(item[sorted(set(rows))])[np.unique(rows, return_inverse=True)[1]]
                pictures = pictures if pictures.shape[-1] in _COLOURS else pictures.transpose(0, 2, 3, 1)
                return np.ascontiguousarray(pictures[..., :3], np.uint8)
            where = f"{self.file}, dataset {self.key!r}"
            return same_size([decoded(_bytes(item[row]), f"{where}, row {row}") for row in rows], where)

    def digest(self) -> str:
        """SHA-256 of the dataset's values as they are stored."""
        sha = hashlib.sha256()
        with hdf5.opened(self.file) as handle:
            item = self._dataset(handle)
            sha.update(repr((item.shape, str(item.dtype), self.rows)).encode())
            each = max(1, _BLOCK // max(1, item.dtype.itemsize * int(np.prod(item.shape[1:], dtype=np.int64))))
            for start in range(0, self.rows, each):
                block = item[start : min(start + each, self.rows)]
                for part in [block.tobytes()] if block.dtype.kind != "O" else map(_bytes, block):
                    sha.update(part)
        return sha.hexdigest()

    def _dataset(self, handle: h5py.File) -> h5py.Dataset:
        # As of any series: values that lie elsewhere, or that the header only promises, are refused.
        if hdf5.series(handle, self.key, self.file) is None:
            fix = "the file has changed since it was listed: load the set again"
            raise InputError("no dataset", where=f"{self.file}, {self.key!r}", expected="pictures", fix=fix)
        return hdf5.member(handle, self.key, self.file)


def of(item: Episode, rate: float) -> dict[str, Hdf5Clip]:
    """Camera → its clip; empty where the file holds no pictures for the rows of the episode.

    Args:
        item: an episode of an HDF5 file.
        rate: rows a second.

    Raises:
        InputError: the file cannot be opened.
    """
    with hdf5.opened(item.path) as handle:
        here = _group(handle, item)
        keys = [f"{here}{key}" for key in hdf5.keys(handle[here] if here else handle)]
        keys = [key for key in keys if not key.endswith(" (link)") and _NEXT not in key]
        names = dict(_named([key for key in keys if _has_pictures(handle, key, item)]))
    seconds = (len(item) - 1) / rate
    return {name: Hdf5Clip(item.path, key, len(item), seconds) for name, key in names.items()}


def _group(handle: h5py.File, item: Episode) -> str:
    """The group of the episode, with a stroke at its end; empty where it is the whole file.

    An episode of many is called after its group, and maybe after the file before it.
    """
    for place in (f"{tree.ROOT}/", ""):
        inside = hdf5.member(handle, tree.ROOT, item.path) if place else handle
        groups = list(tree.names(inside)) if isinstance(inside, h5py.Group) else []
        own = [name for name in groups if item.name == name or item.name.endswith(f"_{name}")]
        if own and isinstance(inside[max(own, key=len)], h5py.Group):
            return f"{place}{max(own, key=len)}/"
    return ""


def _has_pictures(handle: h5py.File, key: str, item: Episode) -> bool:
    dataset = hdf5.member(handle, key, item.path)
    # Simulators write what is seen after the last action as well.
    if not isinstance(dataset, h5py.Dataset) or not dataset.shape or dataset.shape[0] - len(item) not in (0, 1):
        return False
    kind, shape = dataset.dtype.kind, dataset.shape
    if dataset.dtype == np.uint8 and len(shape) == 4:
        return shape[-1] in _COLOURS or shape[1] in _COLOURS
    if (len(shape) == 2 and dataset.dtype == np.uint8) or (len(shape) == 1 and kind in "SOV"):
        made = dataset.id.get_create_plist()
        local = not made.get_external_count() and made.get_layout() != h5py.h5d.VIRTUAL
        return local and _bytes(dataset[0]).startswith(SIGNATURES)
    return False


def _named(keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Short names: the dataset's own, or its group's where it is only called a picture.

    Datasets of one name in several groups are of several episodes: none can be told to be this one's, and all are left
    out.
    """
    stems = {key: _stem(key) for key in keys}
    counts = Counter(stems.values())
    for key, stem in stems.items():
        if counts[stem] == 1:
            yield stem, key


def _stem(key: str) -> str:
    above, _, own = key.rpartition("/")
    return above.rpartition("/")[2] if own.lower() in _PLAIN and above else own


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else np.asarray(value).tobytes()
