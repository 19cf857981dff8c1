"""Stamp: files of a data set by name, time and size, which tells whether they changed."""

import os
import time
from pathlib import Path

# A file that is written twice within this many seconds may keep its time: file systems count coarsely.
SETTLED = 2.0
Stamp = tuple[tuple[str, int, int], ...]


def stamp(path: Path) -> Stamp:
    """Name, time (ns) and size (bytes) of a file, or of every file below a folder.

    A link to a folder changes all the time: what is behind it may, and a circle of links would have no end.
    """
    if not path.is_dir():
        return (_of(path),) if path.exists() else ()
    parts = []
    for folder, folders, names in os.walk(path):
        parts += [_of(file) for file in (Path(folder, name) for name in names) if file.exists()]
        links = [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
        parts += [(str(link), time.time_ns(), 0) for link in links]
    return tuple(sorted(parts))


def settled(files: Stamp) -> bool:
    """Whether there are files, and none was changed in the last moments: the same stamp then means the same files."""
    return bool(files) and max(changed for _, changed, _ in files) < (time.time() - SETTLED) * 1e9


def _of(file: Path) -> tuple[str, int, int]:
    found = file.stat()
    return str(file), found.st_mtime_ns, found.st_size
