"""Child: a run in a process of its own. It outlives the process that started it, and its folder identifies it.

It is an ordinary command line, so that it can be run by hand as well. `process.json` and `log.txt` in its folder say
what was started. Every training below that folder reports its progress there (`ate.runs.status`).
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ate.errors import InputError
from ate.runs.files import read_json, write_json
from ate.runs.lock import alive, identity
from ate.runs.loop import METRICS
from ate.runs.status import STATUS, STOP, training

PROCESS, LOG = "process.json", "log.txt"
# Processes that this one started, by number: only their parent learns their exit codes.
_own: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Child:
    """A run in a folder, whoever started it.

    Attributes:
        folder: of the run; its trainings are in it or below.
    """

    folder: Path

    @classmethod
    def start(cls, command: Sequence[str], folder: str | Path) -> "Child":
        """Start `ate` with these arguments (without the word `ate`), its output into the folder's `log.txt`.

        Raises:
            InputError: a run in this folder is alive.
        """
        child = cls(Path(folder))
        if child.alive:
            got = f"a run that is alive (process {child.process['pid']})"
            fix = "follow or stop it (ate watch), or choose another folder"
            raise InputError(got, where=str(folder), expected="no run", fix=fix)
        child.folder.mkdir(parents=True, exist_ok=True)
        line = [sys.executable, "-m", "ate", *command]
        with (child.folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                line, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        _own[process.pid] = process
        write_json(child.folder / PROCESS, {**identity(process.pid), "command": line, "started": time.time()})
        return child

    @classmethod
    def attach(cls, folder: str | Path) -> "Child":
        """The run of a folder, from anywhere on the same machine.

        Raises:
            InputError: nothing has run there.
        """
        child = cls(Path(folder))
        if not (child.folder / PROCESS).exists() and not child._statuses():
            expected = "a folder that a run has written to"
            raise InputError("no run", where=str(folder), expected=expected, fix="start one there")
        return child

    @property
    def process(self) -> dict[str, Any]:
        """What `start` started: `pid`, `created`, `command`, `started`; empty if nothing."""
        file = self.folder / PROCESS
        return read_json(file) if file.exists() else {}

    @property
    def alive(self) -> bool:
        """Whether the process runs, or another one trains in the folder."""
        process = self.process
        if process.get("pid") in _own:
            return self.code is None
        return bool(process and alive(process)) or any(training(file.parent) for file in self.folder.rglob(STATUS))

    @property
    def code(self) -> int | None:
        """Exit code, if this process started it and it has ended."""
        process = _own.get(self.process.get("pid", -1))
        return None if process is None else process.poll()

    def status(self) -> dict[str, Any]:
        """Status of the latest training: `state`, `step`, `steps`, `label`, `updated`; `starting` before the first.

        The state is `died` if it should be running and its process is gone.
        """
        started = self.process.get("started", 0.0)
        statuses = [item for item in self._statuses() if item[0] >= started]
        if not statuses:
            return {"state": "starting" if self.alive else "ended", "step": 0, "steps": 0, "label": ""}
        _, status, where = max(statuses, key=lambda item: item[0])
        if status["state"] == "running" and not training(where):
            status["state"] = "died"
        return status

    def metrics(self) -> dict[str, list[dict[str, float]]]:
        """Metric rows so far, by the name of the training's folder."""
        return {
            file.parent.name: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            for file in sorted(self.folder.rglob(METRICS), key=lambda f: f.stat().st_mtime)
        }

    def log(self, lines: int = 20) -> list[str]:
        """The last lines of its output."""
        file = self.folder / LOG
        text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
        # A progress bar writes over its line.
        return [line.split("\r")[-1] for line in text.splitlines()][-lines:]

    def stop(self, timeout: float = 60.0) -> bool:
        """Ask it to stop with a checkpoint; returns whether it did within `timeout` seconds."""
        for file in self.folder.rglob(STATUS):
            if training(file.parent):
                (file.parent / STOP).touch()
        return self.wait(timeout)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end; returns whether it has ended."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while self.alive:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def _statuses(self) -> list[tuple[float, dict[str, Any], Path]]:
        files = [(read_json(file), file.parent) for file in self.folder.rglob(STATUS)]
        return [(float(status["updated"]), status, where) for status, where in files]


def words(status: Mapping[str, Any]) -> str:
    """A status as one line, with the remaining time while it runs."""
    if not status["steps"]:
        return str(status["state"])
    text = f"{status['label']}: {status['state']}"
    if status["step"] is not None:
        text += f", step {status['step']:,} of {status['steps']:,}"
    if status["state"] == "running" and status["step"]:
        left = (status["updated"] - status["started"]) / status["step"] * (status["steps"] - status["step"])
        text += f", about {left:.0f} s left"
    return text + (f" ({status['error']})" if status["error"] else "")
