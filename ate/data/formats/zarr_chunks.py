"""Chunks of an array in a zarr store: whether all are there, as long as they were written, and of a size to be read."""

from pathlib import Path
from typing import Any

import numpy as np

from ate.data.formats.layout import MOST_BYTES, confined
from ate.errors import InputError

# One chunk of values larger than this is a mistake in a header.
_MOST_CHUNK = 2**30
_WHOLE = "copy the store again, whole; rows of zeros are written where arrays are made with "
_WHOLE += "config={'write_empty_chunks': True} (zarr 3)"
# A Blosc chunk begins with 16 bytes; the last four are its own length.
_HEADER, _LENGTH = 16, slice(12, 16)


def check_whole(array: Any, key: str, store: Path) -> None:
    """Look whether all chunks of an array are there, whole, and small enough to be read.

    Raises:
        InputError: they are not.
    """
    where = f"{store}, array {key!r}"
    if store.is_dir():
        confined(store, key, where)
    if np.prod(array.chunks, dtype=float) * array.dtype.itemsize > min(_MOST_CHUNK, MOST_BYTES):
        got, fix = f"chunks of shape {array.chunks}", "save the store again, in smaller chunks"
        raise InputError(got, where=where, expected=f"at most {_MOST_CHUNK // 2**20} MiB a chunk", fix=fix)
    if array.nchunks > 10**7 or array.nchunks_initialized < array.nchunks:
        got = f"{array.nchunks_initialized:,} of {array.nchunks:,} chunks"
        expected = "all of its chunks: what is not there reads as zeros"
        raise InputError(got, where=where, expected=expected, fix=_WHOLE)
    if store.is_dir() and _is_blosc(array):
        _check_lengths(store / key, where)


def _is_blosc(array: Any) -> bool:
    """Whether a chunk's file is what Blosc wrote, as it is by default in zarr 2; in a shard there are others around."""
    outermost = array.compressors[-1] if array.compressors and array.shards is None else None
    return type(outermost).__name__ in ("Blosc", "BloscCodec")


def _check_lengths(folder: Path, where: str) -> None:
    """Refuse chunks that were cut off: the decoder trusts the header, and gives whatever lies behind them in memory.

    Chunks in an archive need no look, since each has a checksum there.
    """
    files = (file for file in folder.rglob("*") if file.name[0] != "." and file.suffix != ".json" and file.is_file())
    for file in files:
        with file.open("rb") as handle:
            head = handle.read(_HEADER)
        length, meant = file.stat().st_size, int.from_bytes(head[_LENGTH], "little")
        if len(head) < _HEADER or length < meant:
            got = f"{length:,} bytes in chunk {file.relative_to(folder)}"
            expected = "whole chunks" + (f": this one has {meant:,} bytes" if len(head) == _HEADER else "")
            raise InputError(got, where=where, expected=expected, fix="copy the store again, whole")
