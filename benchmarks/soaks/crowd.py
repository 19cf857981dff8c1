"""A crowd: 50 executions of notebooks started at the same moment on one machine; none may change what another gives.

    python -m benchmarks.soaks.crowd [--count 50] [--folder build/crowd] [--limit 3600]

Of every ten, three run notebook 04 and four 01 by plain papermill in *one* run directory, one runs 04 and two run 01 in
a directory of their own; on top come four `ate run`, which queue for one further directory. Data and settings are
smaller than `smoke`, and cells train in their kernel: worker processes of 20 kernels would need 18 GB by themselves.
Every figure, headline and executed notebook is compared with that of a lone run, all but times.
Prints wall time, the largest memory in use (each process's proportional share, and what the machine had left), and
what went wrong.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat.reader import NotJSONError

from ate.batch.notebooks import NOTEBOOKS
from ate.experiments.settings import ROOT, SHIPPED
from ate.runs.directory import RunDirectory

PAUSE = 2.0
# Bytes that the machine has to keep.
RESERVE = 1_500_000_000
QUEUED = 4
GRID, DATA = "04", "01"
SETTINGS = {
    "profile": "smoke", "parameterizations": "sample", "demonstrations": "3", "steps": "4", "rollouts": "2",
    "ablation_seeds": "2", "lams": "2", "clamps": "0.1", "executor": "here",
}  # fmt: skip
ONLY_GRID = ("parameterizations", "demonstrations", "steps", "rollouts", "ablation_seeds", "lams", "clamps", "executor")
# Numbers that differ from one run to the next: figures that hold times, columns and names of times, where and when.
TIMED_FIGURES = re.compile(r"cost|parallel|curves")
TIMED = re.compile(r"second|\(s\)|written|command|^run$|time", re.IGNORECASE)


@dataclass(frozen=True)
class Member:
    """One execution: a notebook, its run directory, its executed notebook, and the command."""

    number: str
    run: Path
    output: Path
    command: tuple[str, ...]

    @property
    def log(self) -> Path:
        return self.output.with_suffix(".log")

    def start(self) -> subprocess.Popen[bytes]:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "MUJOCO_GL": "disabled"}
        with self.log.open("wb") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log, env=environment)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("build/crowd"))
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds after which a crowd counts as stuck")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    data = few_episodes(folder / "data")

    alone = [papermill(number, folder / f"alone_{number}", folder, data) for number in (GRID, DATA)]
    problems, seconds, share, _ = together(alone, given.limit)
    print(f"alone, both notebooks side by side: {seconds:.0f} s, {share / 1e9:.2f} GB in use", flush=True)
    if problems:
        print("\n".join(problems))
        return 1
    reference = {member.number: shown(member) for member in alone}

    members = list(crowd(given.count, folder, data))
    problems, seconds, share, left = together(members, given.limit)
    for member in members:
        problems += [f"{member.output.name}: {problem}" for problem in compared(member, reference[member.number])]
    problems += [f"left behind: {file}" for file in folder.rglob(".*.tmp")]
    print(f"{len(members)} at once: {seconds:.0f} s, {share / 1e9:.1f} GB in use at most, {left / 1e9:.1f} GB left")
    print("\n".join(problems) or f"every figure, headline and notebook of {len(members)} is that of a lone run")
    return int(bool(problems))


def few_episodes(folder: Path) -> dict[str, str]:
    """Six episodes of two old robots and of the new one, copied from the shipped sets."""
    lift = SHIPPED / "lift"
    for source in (lift / "pretrain" / "panda", lift / "pretrain" / "xarm6", lift / "adapt" / "ur5e"):
        target = folder / source.relative_to(lift)
        target.mkdir(parents=True)
        for file in sorted(source.glob("*.hdf5"))[:6]:
            shutil.copy(file, target)
    return {"pretrain": str(folder / "pretrain"), "adapt": str(folder / "adapt" / "ur5e")}


def crowd(count: int, folder: Path, data: dict[str, str]) -> Iterator[Member]:
    """The executions, the kinds of them mixed."""
    for i in range(count):
        number = GRID if i % 10 in (0, 1, 2, 7) else DATA
        run = folder / ("shared" if i % 10 < 7 else f"own_{i:02d}")
        yield papermill(number, run, folder, data, f"{run.name.split('_')[0]}_{number}_{i:02d}")
    run = folder / "queued"
    options = [part for name, value in {**SETTINGS, **data}.items() for part in ("-p", f"{name}={value}")]
    for i in range(QUEUED):
        command = (sys.executable, "-m", "ate", "run", "--run", str(run), "--only", GRID, *options)
        yield Member(GRID, run, folder / "outputs" / f"queued_{i}.ipynb", command)


def papermill(number: str, run: Path, folder: Path, data: dict[str, str], name: str = "") -> Member:
    """The command `papermill`, as a user types it; only the patience with a kernel that starts is larger."""
    values = {**SETTINGS, **data, "run": str(run)}
    options = [
        part
        for key, value in values.items()
        if number == GRID or key not in ONLY_GRID
        for part in (("-p",) if key in ("demonstrations", "steps", "rollouts", "ablation_seeds") else ("-r",))
        + (key, value)
    ]
    output = folder / "outputs" / f"{name or run.name}.ipynb"
    source = str(ROOT / "notebooks" / NOTEBOOKS[number])
    command = (sys.executable, "-m", "papermill", source, str(output), "--start-timeout", "3600", *options)
    return Member(number, run, output, command)


def together(members: list[Member], limit: float) -> tuple[list[str], float, int, int]:
    """Start all, wait for all: what failed, wall seconds, largest share of memory in bytes, least memory left.

    Ended early, all of them: after `limit` seconds, or when the machine, which then kills whom it likes, has little
    memory left.
    """
    began = time.perf_counter()
    started = [(member, member.start()) for member in members]
    share, left = 0, 1 << 62
    while any(process.poll() is None for _, process in started):
        share, left = max(share, in_use()), min(left, psutil.virtual_memory().available)
        if left < RESERVE or time.perf_counter() - began > limit:
            stuck = [
                f"{m.output.name}: still running\n{ending(m.log)}" for m, process in started if process.poll() is None
            ]
            for _, process in started:
                process.terminate()
            stuck.insert(0, f"ended early, with {left / 1e9:.1f} GB left to the machine")
            return stuck, time.perf_counter() - began, share, left
        time.sleep(PAUSE)
    failed = [
        f"{member.output.name}: exit {process.returncode}\n{ending(member.log)}"
        for member, process in started
        if process.returncode
    ]
    return failed, time.perf_counter() - began, share, left


def ending(log: Path) -> str:
    """The last lines of a log."""
    lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()
    return "\n".join(f"    {line}" for line in lines[-12:])


def in_use() -> int:
    """Bytes that the descendants of this process hold, pages that several share counted once."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        # It may have just ended.
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


def shown(member: Member) -> dict[str, Any]:
    """What a notebook shows in its run directory, without times."""
    directory, number = RunDirectory(member.run), member.number
    figures = [f for f in directory.figures() if f["name"].startswith(f"{number}_")]
    said = {"headlines": directory.headlines(), "cards": directory.cards()}
    return {
        "figures": {f["name"]: json.loads(f["figure"]) for f in figures if not TIMED_FIGURES.search(f["name"])},
        **{kind: timeless({number: found[number]} if number in found else {}) for kind, found in said.items()},
    }


def timeless(value: Any) -> Any:
    """The same without what tells times and places."""
    if isinstance(value, dict) and {"columns", "rows"} <= set(value):
        keep = [i for i, name in enumerate(value["columns"]) if not TIMED.search(str(name))]
        return [[row[i] for i in keep] for row in value["rows"]]
    if isinstance(value, dict):
        return {name: timeless(one) for name, one in value.items() if not TIMED.search(str(name))}
    return value


def compared(member: Member, reference: dict[str, Any]) -> list[str]:
    """What is not as in a lone run."""
    output = member.output if member.output.exists() else member.run / "notebooks" / NOTEBOOKS[member.number]
    if not output.exists():
        return ["no executed notebook"]
    try:
        notebook = nbformat.read(output, as_version=4)
    except NotJSONError:
        return ["its executed notebook is cut off"]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    problems = [] if all(cell.execution_count for cell in cells) else ["cells that were not executed"]
    mine = shown(member)
    for kind, expected in reference.items():
        if mine[kind].keys() != expected.keys():
            problems.append(f"{kind}: {sorted(mine[kind])} instead of {sorted(expected)}")
        problems += [f"{kind}, {name} differs" for name in expected if mine[kind].get(name) != expected[name]]
    return problems


if __name__ == "__main__":
    sys.exit(main())
