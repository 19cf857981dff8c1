"""Turns: what several processes need and one of them makes is made by the first, and read by the others after it.

A turn is a lock file in the folder that is worked on. The system takes the lock from a process that ends, however it
ends, so nothing stays locked behind a crash. Over NFS `flock` holds between machines on Linux with NFS 4 only; where a
file server does not share locks, give every machine a run directory of its own.
"""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tqdm import tqdm

TURN = ".turn"


@contextmanager
def turn(folder: Path, doing: str) -> Iterator[bool]:
    """Hold `folder` as the only process; wait, and say for whom, while another one does.

    Not to be nested for one folder: a process would wait for itself. Whoever gets the turn after somebody else looks
    first whether there is anything left to do.

    Args:
        folder: made if it is not there.
        doing: what it is held for, in words that continue "waiting for process 7, which is …".

    Yields:
        Whether somebody else had it first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Opened without truncation: it says who holds it to those who wait.
    with (folder / TURN).open("a+", encoding="utf-8") as lock:
        waited = not _take(lock)
        if waited:
            tqdm.write(f"waiting for {_holder(lock)}, in {folder}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        _sign(lock, doing)
        yield waited


def taken(folder: Path) -> bool:
    """Whether a process holds the folder now."""
    if not (folder / TURN).exists():
        return False
    with (folder / TURN).open("r", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(lock: IO[str], doing: str) -> None:
    lock.truncate(0)
    lock.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "doing": doing}))
    lock.flush()


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    said = lock.read()
    # Between taking the lock and signing it there is a moment without a name.
    if not said:
        return "another process"
    who = json.loads(said)
    return f"process {who['pid']} on {who['host']}, which is {who['doing']}"
