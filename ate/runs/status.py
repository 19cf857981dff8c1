"""Presence: what a training tells of itself in its directory while it runs, and how it is asked to stop."""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ate.errors import InputError
from ate.runs.files import read_json, write_json

STATUS, STOP, LOCK = "status.json", "stop", "lock"
# Seconds between two looks at the stop file and two notes of the step.
HEARTBEAT = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(RuntimeError):
    """A training was asked to stop and did, with a checkpoint."""


class Presence:
    """One training in one directory, or nowhere.

    Attributes:
        stopping: whether to end after this step.
    """

    def __init__(self, directory: Path | None, label: str, steps: int) -> None:
        """Nothing is written before the first step."""
        self.stopping = False
        self._directory, self._label, self._steps = directory, label, steps
        self._signal = 0
        self._noted = 0.0
        self._started = time.time()

    def at(self, step: int) -> None:
        """Note the step and look for a wish to stop, not more often than the heartbeat."""
        if self._signal:
            self.stopping = True
        now = time.monotonic()
        if self._directory is None or (now - self._noted < HEARTBEAT and not self.stopping):
            return
        self._noted = now
        if (self._directory / STOP).exists():
            (self._directory / STOP).unlink()
            self.stopping = True
        self._write("running", step)

    def finish(self) -> None:
        """Note the end."""
        self._write("finished", self._steps)

    def fail(self, error: BaseException) -> None:
        """Note that it ended by an error."""
        self._write("failed", None, f"{type(error).__name__}: {error}")

    def stop(self, step: int) -> NoReturn:
        """End as asked: by `Stopped`, or by the interrupt that asked for it."""
        self._write("stopped", step)
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise Stopped(
            f"{self._label}: stopped at step {step:,} of {self._steps:,}, checkpoint in {self._directory}. "
            "Run the same again to go on."
        )

    def asked(self, number: int, _: FrameType | None) -> None:
        """A signal: remembered, so that no step is cut in half."""
        self._signal = number

    def _write(self, state: str, step: int | None, error: str = "") -> None:
        if self._directory is None:
            return
        status = {
            "state": state, "step": step, "steps": self._steps, "label": self._label, "pid": os.getpid(),
            "host": socket.gethostname(), "started": self._started, "updated": time.time(), "error": error,
        }  # fmt: skip
        write_json(self._directory / STATUS, status)


@contextmanager
def presence(directory: Path | None, label: str, steps: int) -> Iterator[Presence]:
    """Hold a directory for a training; without one only signals are left to whoever had them.

    Raises:
        InputError: another process trains in the directory.
    """
    here = Presence(directory, label, steps)
    if directory is None:
        yield here
        return
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("w") as lock:
        _hold(lock, directory)
        (directory / STOP).unlink(missing_ok=True)
        before = _listen(here)
        try:
            yield here
        except (KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:
            here.fail(error)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def held(directory: Path) -> bool:
    """Whether a process trains in the directory now; a process that died holds nothing."""
    if not (directory / LOCK).exists():
        return False
    with (directory / LOCK).open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _hold(lock: Any, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file = directory / STATUS
        status = read_json(file) if file.exists() else {}
        who = f"process {status['pid']} on {status['host']}" if status else "another process"
        raise InputError(
            f"a training by {who}",
            where=str(directory),
            expected="a directory that nobody trains in",
            fix="follow or stop it (ate watch), or choose another directory",
        ) from error


def _listen(here: Presence) -> dict[int, Any]:
    """Take the signals over; only the main thread may, and gets its handlers back."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, here.asked) for number in SIGNALS}
