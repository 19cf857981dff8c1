"""Run status: what a training reports in its directory while it runs, and how it is asked to stop."""

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

from ate.runs.files import write_json
from ate.runs.lock import lock, locked

STATUS, STOP, TRAINING = "status.json", "stop", ".training"
# Seconds between two looks for the stop file, and between two reports of the step.
HEARTBEAT = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(RuntimeError):
    """A training was asked to stop and did, with a checkpoint."""


class RunStatus:
    """The status of one training, written to its directory if it has one.

    Attributes:
        stopping: whether to end after this step.
    """

    def __init__(self, directory: Path | None, label: str, steps: int) -> None:
        """Nothing is written before the first step."""
        self.stopping = False
        self._directory, self._label, self._steps = directory, label, steps
        self._signal = 0
        self._written = 0.0
        self._started = time.time()

    def update(self, step: int) -> None:
        """Report the step and look for a request to stop, at most once per heartbeat."""
        if self._signal:
            self.stopping = True
        now = time.monotonic()
        if self._directory is None or (now - self._written < HEARTBEAT and not self.stopping):
            return
        self._written = now
        if (self._directory / STOP).exists():
            (self._directory / STOP).unlink()
            self.stopping = True
        self._write("running", step)

    def finish(self) -> None:
        """Report the end."""
        self._write("finished", self._steps)

    def fail(self, error: BaseException) -> None:
        """Report that it ended by an error."""
        self._write("failed", None, f"{type(error).__name__}: {error}")

    def stop(self, step: int) -> NoReturn:
        """End as requested: by `Stopped`, or by the interrupt that requested it."""
        self._write("stopped", step)
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise Stopped(
            f"{self._label}: stopped at step {step:,} of {self._steps:,}, checkpoint in {self._directory}. "
            "Run the same again to continue."
        )

    def receive(self, number: int, _: FrameType | None) -> None:
        """Remember a signal, so that no step is cut in half."""
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
def run_status(directory: Path | None, label: str, steps: int) -> Iterator[RunStatus]:
    """Hold a directory for a training and report its status there; without a directory nothing is held or written.

    Raises:
        InputError: another process trains in the directory.
    """
    status = RunStatus(directory, label, steps)
    if directory is None:
        yield status
        return
    with lock(directory, f"training ({label})", name=TRAINING, wait=False):
        (directory / STOP).unlink(missing_ok=True)
        handlers = _listen(status)
        try:
            yield status
        except (KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:
            status.fail(error)
            raise
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def training(directory: Path) -> bool:
    """Whether a process trains in the directory now."""
    return locked(directory, TRAINING)


def _listen(status: RunStatus) -> dict[int, Any]:
    """Take the signals over, and return their handlers; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, status.receive) for number in SIGNALS}
