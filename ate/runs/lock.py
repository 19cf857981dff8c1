"""Locks: one process at a time works in a folder; others wait for it, or are refused, and learn who it is.

What several processes need is made by the first of them and read by the others after it. The system takes a lock from
a process that ends, however it ends, so nothing stays locked after a crash. Over NFS a lock holds between machines on
Linux with NFS 4 only. Where a file server does not share locks, give every machine a run directory of its own.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from tqdm import tqdm

from ate.errors import InputError
from ate.runs.files import read_json, write_json

LOCK = ".lock"
# Seconds of trying before somebody waits or is refused: `locked` may hold a lock for a moment, only to look.
GRACE = 0.2
# Seconds by which two readings of one start time differ: the system's clock is set now and then.
TOLERANCE = 5.0


@contextmanager
def lock(folder: Path, purpose: str, *, name: str = LOCK, wait: bool = True) -> Iterator[bool]:
    """Hold `folder` as the only process.

    It cannot be nested for one folder and name. Whoever had to wait checks first whether anything is left to do.

    Args:
        folder: made if it is not there.
        purpose: continues "waiting for process 7, which is …", e.g. "aligning".
        name: of the lock; locks of different names are independent.
        wait: for another holder, with a message on stderr; False refuses instead.

    Yields:
        Whether another process held it first.

    Raises:
        InputError: another process holds it, and `wait` is False.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, record = FileLock(folder / name), folder / f"{name}.json"
    waited = False
    try:
        file.acquire(timeout=GRACE)
    except Timeout as error:
        if not wait:
            got, expected = f"a folder that is in use by {_holder(record)}", "a folder that no other process works in"
            fix = "follow or stop it (ate watch), or choose another folder"
            raise InputError(got, where=str(folder), expected=expected, fix=fix) from error
        tqdm.write(f"waiting for {_holder(record)}, in {folder}", file=sys.stderr)
        file.acquire()
        waited = True
    try:
        holder = {**identity(os.getpid()), "host": socket.gethostname(), "purpose": purpose}
        write_json(record, holder)
        yield waited
    finally:
        record.unlink(missing_ok=True)
        file.release()


def locked(folder: Path, name: str = LOCK) -> bool:
    """Whether a process holds the folder now; a process that died holds nothing."""
    holder = _read(folder / f"{name}.json")
    if holder is None:
        return False
    if holder["host"] == socket.gethostname():
        return alive(holder)
    try:
        with FileLock(folder / name, timeout=0):
            return False
    except Timeout:
        return True


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from all others on its machine: `pid`, and when it was `created` (None where it is gone).

    The system gives the number of a process that ended to another one.
    """
    created = None
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        created = None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    return {"pid": pid, "created": created}


def alive(process: dict[str, Any]) -> bool:
    """Whether the process of an `identity` still runs on this machine."""
    created, now = process.get("created"), identity(process["pid"])["created"]
    return None not in (created, now) and abs(now - created) < TOLERANCE


def _read(record: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = read_json(record)
    except (FileNotFoundError, ValueError):
        # Between taking the lock and writing its record there is a moment.
        return None
    return content


def _holder(record: Path) -> str:
    if (holder := _read(record)) is None:
        return "another process"
    return f"process {holder['pid']} on {holder['host']}, which is {holder['purpose']}"
