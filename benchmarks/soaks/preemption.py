"""Two processes under `torchrun`, one of which gets SIGTERM at random moments: `make preempt`.

Each time both must write one checkpoint and end with exit code 0; in the end the alignment has the bits of one that
nothing stopped. With dropout, whose random numbers each process draws for itself, and without.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.soaks.kill_alignment import differing, weights

ROOT = Path(__file__).parents[2]
PROCESSES, TIMEOUT = 2, 180.0
STOPS = 10


class Training:
    """Alignments under `torchrun`, one after the other, each in a folder of its own in a folder."""

    def __init__(self, folder: Path, dropout: float, **steps: int) -> None:
        """Alignments by name with their steps; nothing is started yet."""
        self.folder, self._options = folder, [str(folder), str(dropout), *(f"{k}={v}" for k, v in steps.items())]
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the processes; returns once all of them have joined."""
        for file in self.folder.glob("pid.*"):
            file.unlink()
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={PROCESSES}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ATE_DEVICE": "cpu", "PYTHONPATH": str(ROOT)}
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [*command, "-m", "benchmarks.soaks.preemption", "--train", *self._options],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait_for(process, lambda: len(list(self.folder.glob("pid.*"))) == PROCESSES)
        return process

    def trains(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        """Wait until the first step of an alignment was reported."""
        self._wait_for(process, lambda: (self.folder / name / "pretrain" / "status.json").exists())

    def stop(self, rank: int) -> bool:
        """Send SIGTERM to one process; whether it was still there."""
        try:
            os.kill(int((self.folder / f"pid.{rank}").read_text()), signal.SIGTERM)
        except ProcessLookupError:
            return False
        return True

    def log(self) -> str:
        """What the processes wrote."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def finished(self, name: str) -> bool:
        """Whether both stages of an alignment are done."""
        return (self.folder / name / "alignment.safetensors").exists()

    def _wait_for(self, process: "subprocess.Popen[bytes]", ready: Callable[[], bool]) -> None:
        end = time.monotonic() + TIMEOUT
        while not ready() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)


def train(folder: str, dropout: str, *alignments: str) -> None:
    """What each process runs."""
    import torch

    from ate.align.config import preset
    from ate.align.stages import fit
    from ate.runs.distributed import rank, session
    from ate.runs.options import pairs
    from tests.align.conftest import robot

    torch.set_num_threads(1)
    config = preset("smoke").with_options(chunk=8, latent=8, feedforward=16, batch=8, dropout=float(dropout))
    with session():
        (Path(folder) / f"pid.{rank()}").write_text(str(os.getpid()))
        for name, steps in pairs(alignments, "alignments").items():
            own = config.with_options(pretrain_steps=int(steps), adapt_steps=int(steps) // 4)
            fit(robot("seven", 8, 6, 1), robot("new", 7, 6, 3), own, Path(folder) / name)


def soak(folder: Path, dropout: float, stops: int, steps: int = 300, seed: int = 0) -> dict[str, object]:
    """Stop a training until it was stopped `stops` times, and compare what it ends with to one that was not.

    A training that ends before begins again from nothing. A signal that hits a process as it leaves, with all written,
    ends it by that signal: such a run counts as finished too late to be stopped, with its bits compared.
    """
    whole, cut = Training(folder, dropout, whole=steps), Training(folder, dropout, cut=steps)
    began, process = time.time(), whole.start()
    joined = time.monotonic()
    codes, differs, stopped, ends, late = [process.wait(TIMEOUT)], [], 0, 0, 0
    duration, random = time.monotonic() - joined, np.random.default_rng(seed)
    expected, training = weights(folder / "whole"), folder / "cut"
    while not any(codes) and (stopped < stops or training.exists()):
        training.mkdir(exist_ok=True)
        before = len(cut.log())
        process = cut.start()
        try:
            process.wait(float(random.uniform(0, 4 * duration / stops)) if stopped < stops else TIMEOUT)
        except subprocess.TimeoutExpired:
            stopped += cut.stop(stopped % PROCESSES)
        code = process.wait(TIMEOUT)
        was_late = bool(code) and cut.finished("cut") and "Signal 15" in cut.log()[before:]
        late += was_late
        codes.append(0 if was_late else code)
        if code and not was_late:
            sys.stderr.write(cut.log()[-3000:])
        if cut.finished("cut"):
            ends, differs = ends + 1, [*differs, *differing(weights(training), expected)]
            shutil.rmtree(training)
    return {
        "dropout": dropout, "stopped": stopped, "starts": len(codes) - 1, "finished": ends, "too late": late,
        "exit codes": sorted(set(codes)), "differing": differs, "seconds": round(time.time() - began, 1),
    }  # fmt: skip


def main() -> None:
    """Ten stops at each of two dropouts; prints one JSON object and fails where a bit or an exit code is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", nargs="+", metavar=("FOLDER DROPOUT", "NAME=STEPS"))
    parser.add_argument("--stops", type=int, default=STOPS)
    arguments = parser.parse_args()
    if arguments.train:
        train(*arguments.train)
        return
    with tempfile.TemporaryDirectory() as folder:
        results = [soak(Path(folder) / f"{dropout}", dropout, arguments.stops) for dropout in (0.0, 0.1)]
    print(json.dumps(results, indent=1))
    sys.exit(any(row["differing"] or row["exit codes"] != [0] for row in results))


if __name__ == "__main__":
    main()
