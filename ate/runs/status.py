"""Run status: what a training reports in its directory while it runs, and how it is asked to stop."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ate.runs.files import write_json
from ate.runs.lock import lock, locked

STATUS, STOP, TRAINING = "status.json", "stop", ".training"
# Set in the environment of worker processes, whose trainings show no bars: whoever waits for them shows one for all.
WORKER = "ATE_WORKER"
# Seconds between two looks for the stop file, and between two reports of the step.
HEARTBEAT = 0.5
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# The signal that came between two trainings of a program that listens; 0 for none.
_heard = 0


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
        self._signal = _heard
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
def run_status(directory: Path | None, label: str, steps: int, *, follows: bool = False) -> Iterator[RunStatus]:
    """Hold a directory for a training and report its status there; without a directory nothing is held or written.

    Args:
        directory: of the training.
        label: its name.
        steps: its length.
        follows: another process holds the directory and reports; this one only listens to signals.

    Raises:
        InputError: another process trains in the directory.
    """
    status = RunStatus(None if follows else directory, label, steps)
    with ExitStack() as stack:
        if directory is not None and not follows:
            stack.enter_context(lock(directory, f"training ({label})", name=TRAINING, wait=False))
            (directory / STOP).unlink(missing_ok=True)
        if directory is not None:
            stack.enter_context(_received(status.receive))
        try:
            yield status
        except (KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:
            status.fail(error)
            raise


@contextmanager
def listening() -> Iterator[None]:
    """Remember a signal to stop that comes while nothing trains: the next training stops at its first step."""

    def hear(number: int, _: FrameType | None) -> None:
        global _heard
        _heard = number

    try:
        with _received(hear, (signal.SIGTERM,)):
            yield
    finally:
        hear(0, None)


def training(directory: Path) -> bool:
    """Whether a process trains in the directory now."""
    return locked(directory, TRAINING)


@contextmanager
def _received(handler: Callable[[int, FrameType | None], None], numbers: Sequence[int] = SIGNALS) -> Iterator[None]:
    """Take signals over; only the main thread may."""
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers} if main else {}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
