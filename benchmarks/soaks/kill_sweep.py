"""A sweep killed with SIGKILL at random moments and started again: `make soak-sweep`."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ate.runs.files import read_json

# Forks of a server that has imported torch start in a tenth of a second.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["ate.experiments.dispatch", "benchmarks.soaks.kill_sweep"])


class Running(Protocol):
    """A sweep in a process."""

    def wait(self, timeout: float | None) -> int | None:
        """Its exit code, or None where it still runs after `timeout` seconds."""

    def kill(self) -> None:
        """SIGKILL to it and every process that it has started."""


class Command:
    """`ate` with its workers, in a process group of its own."""

    def __init__(self, arguments: list[str]) -> None:
        line = [sys.executable, "-m", "ate", *arguments]
        self.process = subprocess.Popen(line, start_new_session=True, stdout=subprocess.DEVNULL)

    def wait(self, timeout: float | None) -> int | None:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Fork:
    """A function in a process that starts fast."""

    def __init__(self, call: Callable[..., None], *arguments: object) -> None:
        self.process = CONTEXT.Process(target=call, args=arguments)
        self.process.start()

    def wait(self, timeout: float | None) -> int | None:
        self.process.join(timeout)
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def cells(results: Path) -> dict[str, dict[str, Any]]:
    """Every kept result by file name, without its times."""
    return {
        file.name: {k: v for k, v in read_json(file).items() if k != "seconds"}
        for file in sorted((results / "cells").glob("*.json"))
    }


def written(results: Path) -> dict[str, tuple[int, int]]:
    """When and as which file each result was written: a cell that was done again has another."""
    stats = {file.name: file.stat() for file in (results / "cells").glob("*.json")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def soak(start: Callable[[Path], Running], whole: Path, killed: Path, kills: int, seed: int = 0) -> dict[str, Any]:
    """Run a sweep undisturbed, then another with kills until it is done and all of them have fallen, and compare.

    Where the sweep is done before that, it is compared and begins anew in an empty folder.

    Args:
        start: starts the sweep of a run directory.
        whole: run directory of the undisturbed sweep.
        killed: run directory of the other one.
        kills: how many processes to kill.
        seed: of the moments, uniform over the time of the undisturbed sweep.

    Returns:
        What was counted, and `wrong`: every difference, which should be none.
    """
    began = time.monotonic()
    code = start(whole).wait(None)
    assert code == 0, f"the undisturbed sweep ended with exit code {code}"
    duration = time.monotonic() - began
    expected, random = cells(whole / "results"), np.random.default_rng(seed)
    found = {"seconds undisturbed": round(duration, 1), "cells": len(expected)}
    wrong: list[str] = []
    before: dict[str, tuple[int, int]] = {}
    fallen = finished = starts = 0
    reached: list[int] = []
    while finished == 0 or fallen < kills:
        running, starts = start(killed), starts + 1
        code = running.wait(float(random.uniform(0.0, duration)) if fallen < kills else None)
        if code is None:
            running.kill()
            fallen += 1
            reached.append(len(list((killed / "results" / "cells").glob("*.json"))))
        now = written(killed / "results")
        wrong += [f"{name} was written twice" for name, stat in before.items() if now.get(name) != stat]
        before = now
        if code is not None:
            assert code == 0, f"the sweep ended with exit code {code}"
            finished += 1
            wrong += compared(expected, killed / "results")
            before = {}
            shutil.rmtree(killed)
    found |= {"killed": fallen, "cells done when killed": reached, "starts": starts, "finished": finished}
    return {**found, "wrong": wrong}


def compared(expected: dict[str, dict[str, Any]], results: Path) -> list[str]:
    """What is not as in the undisturbed sweep: cells missing, too many, different, or left half written."""
    found = cells(results)
    wrong = [f"{name} is missing" for name in expected.keys() - found.keys()]
    wrong += [f"{name} is too many" for name in found.keys() - expected.keys()]
    wrong += [f"{name} differs" for name in expected.keys() & found.keys() if expected[name] != found[name]]
    wrong += [f"{file.name} is left" for file in (results / "cells").glob(".*")]
    return wrong + [f"{file.name} failed" for file in (results / "failed").glob("*")]


SMOKE = ("--profile", "smoke", "--lams", "0.5,2", "--clamps", "0.1", "--seeds", "3", "--validate", "1",
         "--axis", "controls=random", "--rollouts", "5")  # fmt: skip


def main() -> int:
    """Thirty kills of a sweep at smoke size on the shipped data; prints one JSON object, fails if anything differs.

    Alignment and pre-training belong to it: kills fall there as well.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = soak(
            lambda run: Command(["sweep", *SMOKE, "--run", str(run)]), folder / "whole", folder / "killed", kills=30
        )
    print(json.dumps(found, indent=1))
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
