"""A sweep on a real Slurm: one job cancelled, one node drained, one waiting process killed; `make slurm`.

Prints a transcript. Fails where a cell is missing or differs from a sweep in local processes.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ate.runs.directory import RunDirectory
from benchmarks.soaks.daemons import slurm
from benchmarks.soaks.kill_sweep import cells, compared

EXECUTOR = "slurm:partition=test,time=30,cpus=1"
SWEEP = ("sweep", "--profile", "smoke", "--lams", "0.5,2", "--clamps", "0.1", "--seeds", "4", "--validate", "0",
         "--rollouts", "5")  # fmt: skip


class Transcript:
    """Commands and what they say, as they happen."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder

    def say(self, text: str) -> None:
        print(text.replace(str(self.folder), "…"), flush=True)

    def run(self, *command: str) -> str:
        self.say(f"$ {shlex.join(command)}")
        told = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout
        self.say(told.rstrip())
        return told

    def ask(self, *command: str) -> list[str]:
        told = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout
        return told.split()

    def begin(self, run: Path, executor: str) -> "subprocess.Popen[str]":
        words = [*SWEEP, "--run", str(run), "--executor", executor]
        self.say(f"$ {shlex.join(['ate', *words])}")
        return subprocess.Popen([sys.executable, "-m", "ate", *words], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip

    def end(self, process: "subprocess.Popen[str]") -> int:
        told, _ = process.communicate()
        # Progress bars write over their line.
        lines = [line.split("\r")[-1] for line in told.splitlines()]
        self.say("\n".join(line for line in lines if line.strip() and "it/s" not in line and "s/it" not in line))
        self.say(f"exit code {process.returncode}")
        return process.returncode

    def running(self) -> list[str]:
        return self.ask("squeue", "-h", "-r", "-t", "running", "-o", "%i")

    def wait_for_running(self, process: "subprocess.Popen[str]") -> list[str]:
        while not self.running():
            if process.poll() is not None:
                self.end(process)
                raise SystemExit("the sweep ended before a job ran")
            time.sleep(0.5)
        return self.running()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ate-slurm-") as scratch:
        folder = Path(scratch)
        # Every user may look for munge's socket in it.
        folder.chmod(0o755)
        with slurm(folder) as environment:
            wrong = _through(Transcript(environment, folder), folder)
    print("every cell once, each equal to that of local processes" if not wrong else "\n".join(wrong))
    return int(bool(wrong))


def _through(told: Transcript, folder: Path) -> list[str]:
    run, records = folder / "run", folder / "run" / "results" / "jobs" / "submitted"
    told.run("sinfo", "-N", "-l")
    told.say("\n# A sweep of four jobs; while it waits, one job is cancelled and one node drained.")
    first = told.begin(run, EXECUTOR)
    cancelled = told.wait_for_running(first)[0]
    told.run("squeue", "-r")
    told.run("scancel", cancelled)
    told.run("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    told.run("sinfo", "-N", "-o", "%N %T %E")
    wrong = [] if told.end(first) == 1 else ["a cancelled job was not reported"]
    told.say(f"{len(cells(run / 'results'))} cells done; {len(list((run / 'results' / 'failed').iterdir()))} failed")

    told.say("\n# The same call again submits what is missing. This time the process that waits is killed.")
    second = told.begin(run, EXECUTOR)
    told.wait_for_running(second)
    os.kill(second.pid, signal.SIGKILL)
    told.end(second)
    told.run("squeue", "-r")
    before = {file.name: file.read_text() for file in records.iterdir()}

    told.say("\n# The third call finds that job in the queue and waits for it; the other node is still drained.")
    wrong += [] if told.end(told.begin(run, EXECUTOR)) == 0 else ["the sweep was not completed"]
    after = {file.name: file.read_text() for file in records.iterdir()}
    wrong += [] if before == after else ["a job that was queued was submitted again"]
    told.say(f"{len(cells(run / 'results'))} cells done; {len(list((run / 'results' / 'failed').iterdir()))} failed")
    told.run("squeue", "-r")
    told.run("sinfo", "-N", "-o", "%N %T %E")

    told.say("\n# Nothing is left to do: the fourth call submits nothing.")
    wrong += [] if told.end(told.begin(run, EXECUTOR)) == 0 else ["a finished sweep was not read"]
    told.say("\n# The same sweep in local processes, over the same alignment and policy.")
    local = folder / "local"
    for name in ("align", "policies"):
        shutil.copytree(run / name, RunDirectory(local).folder(name))
    wrong += [] if told.end(told.begin(local, "processes")) == 0 else ["local processes failed"]
    return wrong + compared(cells(local / "results"), run / "results")


if __name__ == "__main__":
    sys.exit(main())
