"""The process of a simulator: gymnasium environments in an interpreter of their own, asked one message at a time.

A process is started once for an address and kept until this one ends. It gets the script `gym_child.py` and nothing of
`ate`. One that dies, or does not answer in time, is ended, with the last line that it wrote.
"""

import atexit
import contextlib
import os
import subprocess
import tempfile
from difflib import get_close_matches
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

import numpy as np

from ate.errors import InputError, nearest
from ate.sim.gym_address import GymAddress
from ate.sim.gym_child import Message, read_message, write_message

SCRIPT = Path(__file__).with_name("gym_child.py")
# Names in a message: gymnasium registers hundreds.
SHOWN = 12
_kept: dict[str, "GymProcess"] = {}
_lock = Lock()


class GymProcess:
    """A running child.

    Attributes:
        address: what it simulates.
        busy: held while a batch of episodes uses it.
        owner: the process that started it.
    """

    def __init__(self, address: GymAddress) -> None:
        self.address, self.busy, self.owner = address, Lock(), os.getpid()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, open as long as the process writes to it
        self._process = subprocess.Popen(
            [address.interpreter, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"},
        )  # fmt: skip
        self._answers: Queue[Message | None] = Queue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while True:
            # The other end may be killed within a message.
            with contextlib.suppress(ValueError, OSError):
                message = read_message(self._process.stdout)
                self._answers.put(message)
                if message is not None:
                    continue
            self._answers.put(None)
            return

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, call: str, arrays: dict[str, np.ndarray] | None = None, **header: Any) -> Message:
        """The answer to a call, with its arrays.

        Raises:
            InputError: what the user can mend, an error that the environment raised, an end of the process, or no
                answer within the address's time-out.
        """
        assert self._process.stdin is not None
        # A child that died is told by the end of its answers.
        with contextlib.suppress(BrokenPipeError, OSError):
            write_message(self._process.stdin, {"call": call, **header}, arrays or {})
        try:
            answer = self._answers.get(timeout=self.address.timeout)
        except Empty:
            self.close()
            raise self._error(
                f"no answer to {call!r} within {self.address.timeout:g} s{self._last_line()}", "an answer",
                "raise timeout=, or run the environment alone to see what it waits for",
            ) from None  # fmt: skip
        if answer is None:
            code = self._process.wait()
            self.close()
            raise self._error(
                f"the end of its process with code {code}{self._last_line()}", "an answer",
                f"run the environment alone with {self.address.interpreter}; it needs numpy and gymnasium",
            )  # fmt: skip
        if "refused" in answer[0]:
            raise self._refusal(answer[0]["refused"])
        if "raised" in answer[0]:
            expected = f"an answer to {call!r}"
            raise self._error(answer[0]["raised"], expected, "run the environment alone to see where it is raised")
        return answer

    def _refusal(self, parts: dict[str, Any]) -> InputError:
        fix = parts["fix"]
        if "valid" in parts:
            valid = parts["valid"]
            close = (
                valid if len(valid) <= SHOWN else get_close_matches(parts["name"], valid, SHOWN, 0.4) or valid[:SHOWN]
            )
            fix = "; ".join(part for part in (fix, nearest(parts["name"], close)) if part)
        return self._error(parts["got"], parts["expected"], fix)

    def _error(self, got: str, expected: str, fix: str) -> InputError:
        return InputError(got, where=f"simulator {self.address.name}", expected=expected, fix=fix)

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return f", its last line {lines[-1].strip()!r:.300}" if lines else ""

    def close(self) -> None:
        """End it."""
        if self.alive:
            self._process.kill()
            self._process.wait()


def process_of(address: GymAddress) -> GymProcess:
    """The process of an address: the one that runs and is free, else a new one.

    Its lock is held for the caller, who releases it.
    """
    with _lock:
        # A process that was forked from this one must not speak to its children.
        key = f"{os.getpid()} {address!r}"
        known = _kept.get(key)
        if known is None or not known.alive or not known.busy.acquire(blocking=False):
            known = GymProcess(address)
            known.busy.acquire()
            if key not in _kept or not _kept[key].alive:
                _kept[key] = known
        return known


def release(process: GymProcess) -> None:
    """Give a process back; one that is not kept ends."""
    process.busy.release()
    if process not in _kept.values():
        process.close()


@atexit.register
def close_all() -> None:
    """End the processes that are kept."""
    for process in _kept.values():
        if process.owner == os.getpid():
            process.close()
    _kept.clear()
