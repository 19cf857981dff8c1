"""Archives of arrays (npz): their headers, compared with what is stored, and rows of one array at a time."""

import math
import struct
import tokenize
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from ate.data.formats.layout import MOST_BYTES, refusing
from ate.errors import InputError

# Deflate packs at most about 1,032 to 1.
_MOST_PACKED = 1100
_MOST_MEMBERS = 10_000
_STEP = 16 * 2**20


@dataclass(frozen=True)
class Header:
    """What the header of one array says.

    Attributes:
        member: its file in the archive.
        shape: its shape.
        dtype: its number type.
        fortran: whether columns come before rows.
        offset: bytes before the first value.
    """

    member: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    offset: int

    @property
    def bytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def opened(file: Path) -> Iterator[ZipFile]:
    """The archive, for reading; whatever is wrong with it becomes one message that names the file.

    Raises:
        InputError: it is no archive, cut off, packed in a way that cannot be read, or protected.
    """
    # NotImplementedError and RecursionError are kinds of RuntimeError.
    # Headers are parsed as text of Python.
    wrong = (
        BadZipFile,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        MemoryError,
        OverflowError,
        tokenize.TokenError,
    )
    with refusing(file, "an npz file of numpy", *wrong, zlib.error, struct.error), ZipFile(file) as handle:
        yield handle


def headers(handle: ZipFile, file: Path) -> dict[str, Header]:
    """Array → its header; no values are read.

    Raises:
        InputError: a header and the size of what is stored disagree, or there are too many members.
    """
    members = handle.infolist()
    if len(members) > _MOST_MEMBERS:
        got, fix = f"{len(members):,} members", "save fewer, larger arrays"
        raise InputError(got, where=str(file), expected=f"an npz file of at most {_MOST_MEMBERS:,} arrays", fix=fix)
    by_key = {}
    for member in members:
        key = member.filename.removesuffix(".npy")
        if key == member.filename:
            continue
        with handle.open(member) as stream:
            header = _header(stream, member.filename)
        # Objects are refused where they are used; their header does not give their size.
        if not header.dtype.hasobject:
            promised, stored, packed = header.offset + header.bytes, member.file_size, member.compress_size
            if promised != stored or stored > _MOST_PACKED * max(packed, 1) or promised > MOST_BYTES:
                raise InputError(
                    f"shape {header.shape} of {header.dtype} ({promised:,} bytes) with {stored:,} bytes stored in "
                    f"{packed:,}",
                    where=f"{file}, array {key!r}",
                    expected=f"as many bytes as the header promises, at most {MOST_BYTES // 2**30} GiB",
                    fix="the archive was cut off or its header is wrong: save it again, or exclude it",
                )
        by_key[key] = header
    return by_key


def values(handle: ZipFile, header: Header, file: Path) -> np.ndarray:
    """All values of an array.

    Raises:
        InputError: fewer bytes are stored than its header promises.
    """
    with handle.open(header.member) as stream:
        raw = _bytes(stream, header, 0, header.bytes, file)
    flat = np.frombuffer(raw, header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


@dataclass(frozen=True)
class Rows:
    """Reads rows of one array of an archive, from row `first` on."""

    file: Path
    header: Header
    first: int = 0

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `[start, stop)`."""
        low, high = self.first + start, self.first + stop
        with opened(self.file) as handle:
            if self.header.fortran:
                return values(handle, self.header, self.file)[low:high]
            row = self.header.bytes // self.header.shape[0]
            with handle.open(self.header.member) as stream:
                raw = _bytes(stream, self.header, low * row, high * row, self.file)
            return np.frombuffer(raw, self.header.dtype).reshape(high - low, *self.header.shape[1:])


def _bytes(stream: IO[bytes], header: Header, start: int, stop: int, file: Path) -> bytearray:
    # Archives that are not packed are skipped through without being read.
    stream.seek(header.offset + start)
    held = bytearray()
    while len(held) < stop - start:
        part = stream.read(min(_STEP, stop - start - len(held)))
        if not part:
            got = f"{len(held):,} bytes"
            expected, fix = f"{stop - start:,} bytes, as its header says", "re-copy the file, or exclude it"
            raise InputError(got, where=f"{file}, array {header.member!r}", expected=expected, fix=fix)
        held += part
    return held


def _header(stream: IO[bytes], member: str) -> Header:
    version = npy.read_magic(stream)
    reader: Any = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if reader is None:
        raise ValueError(f"{member}: a header of version {version}")
    shape, fortran, dtype = reader(stream)
    if any(not 0 <= size <= 2**62 for size in shape):
        raise ValueError(f"{member}: shape {shape}")
    return Header(member, tuple(int(size) for size in shape), dtype, bool(fortran), stream.tell())
