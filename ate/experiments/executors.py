"""Executors: where jobs run. The same jobs go to this process, to processes beside it, or to a cluster.

`"here"`             this process, one job after the other
`"processes"`        processes of this machine
`"submitit-local"`   processes that submitit starts, as it would on a cluster
`"slurm"`            a Slurm cluster, through submitit; `"slurm:partition=gpu,time=120,cpus=2,mem=8"`

A job is called without arguments in some process and leaves what it found in files. How it ended, well or by an error,
is an outcome here and never an exception: one job that fails does not stop the rest.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ate.errors import InputError, unknown

KINDS = ("here", "processes", "submitit-local", "slurm")
# How a job ended badly: it raised an error of its own, or it is gone.
RAISED, LOST = "raised", "lost"
# Minutes a job may take, where nothing is said.
TIME = 240
CLUSTER_OPTIONS: Mapping[str, type] = {
    "time": int, "cpus": int, "gpus": int, "mem": float, "partition": str, "account": str, "qos": str,
    "constraint": str, "parallel": int, "per": str,
}  # fmt: skip
OPTIONS: Mapping[str, Mapping[str, type]] = {
    "here": {}, "processes": {}, "submitit-local": {"time": int, "per": str}, "slurm": CLUSTER_OPTIONS,
}  # fmt: skip
PER = ("group", "cell")


class Job(Protocol):
    """What an executor runs: importable, picklable, and told from others by its key."""

    @property
    def key(self) -> str:
        """The same for the same work, in every process."""

    def __call__(self) -> None:
        """Do it; what is done already is not done again."""


@dataclass(frozen=True)
class Failure:
    """Why a job gave no result.

    Attributes:
        kind: `"raised"`: it ended by an error of its own; `"lost"`: it was killed, cancelled, or never came back.
        type: of the error.
        message: in words.
        trace: traceback or the end of its log.
    """

    kind: str
    type: str
    message: str
    trace: str


@dataclass(frozen=True)
class Executor:
    """Where jobs run.

    Attributes:
        kind: one of `KINDS`.
        workers: jobs at once on this machine; a cluster has its own limits.
        options: of a cluster: `partition`, `time` (minutes a job), `cpus`, `gpus`, `mem` (GB), `account`, `qos`,
            `constraint`, `parallel` (jobs of the array at once), `per` (`"group"`: one job for the cells that share a
            stream; `"cell"`: one a cell).
    """

    kind: str = "processes"
    workers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown(self.kind, KINDS, where="executor")
        valid = OPTIONS[self.kind]
        for name, value in self.options.items():
            if name not in valid:
                raise _unknown_option(name, valid, self.kind)
            if not isinstance(value, valid[name]) or (name != "per" and not value):
                raise _bad_option(name, value, self.kind)
        if self.options.get("per", PER[0]) not in PER:
            raise unknown(str(self.options["per"]), PER, where=f"executor {self.kind!r}, per")
        if self.workers < 1:
            raise InputError(str(self.workers), where="workers", expected="at least 1", fix="raise it")

    @classmethod
    def parse(cls, text: str, workers: int = 1) -> "Executor":
        """`"slurm:partition=gpu,time=120"` → an executor.

        Raises:
            InputError: an unknown kind or option, or a value of another type.
        """
        kind, _, said = text.partition(":")
        if kind not in KINDS:
            raise unknown(kind, KINDS, where=f"executor {text!r}")
        options: dict[str, Any] = {}
        for part in (part.strip() for part in said.split(",") if part.strip()):
            name, separator, value = part.partition("=")
            if name not in OPTIONS[kind]:
                raise _unknown_option(name, OPTIONS[kind], kind)
            try:
                options[name] = OPTIONS[kind][name](value)
            except ValueError as error:
                raise _bad_option(name, value, kind) from error
            if not separator:
                raise _bad_option(name, "", kind)
        return cls(kind, workers, options)

    @property
    def per_cell(self) -> bool:
        """Whether every cell is a job of its own."""
        return bool(self.options.get("per") == "cell")

    def run(self, jobs: Sequence[Job], folder: Path) -> Iterator[tuple[int, Failure | None]]:
        """Run jobs; yields the index of each as it ends, with its failure or None.

        Args:
            jobs: what to do.
            folder: where a cluster's logs and records go; every machine must see it.

        Raises:
            InputError: the executor is not installed, or the cluster refuses the jobs.
        """
        if not jobs:
            return iter(())
        if self.kind == "here":
            return _here(jobs)
        if self.kind == "processes":
            return _processes(jobs, self.workers)
        # Imported here: submitit is an extra.
        from ate.experiments.slurm import run

        return run(jobs, folder, self.kind == "slurm", self.options, self.workers)


def _here(jobs: Sequence[Job]) -> Iterator[tuple[int, Failure | None]]:
    with ThreadPoolExecutor(1) as thread:
        for index, job in enumerate(jobs):
            yield index, failure_of(thread.submit(job))


def _processes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, Failure | None]]:
    broken = []
    for index, failure in _pool(jobs, range(len(jobs)), workers):
        if failure is not None and failure.kind == LOST:
            broken.append(index)
        else:
            yield index, failure
    # A pool dies with one of its workers and does not say whose job that was: the rest get a process each.
    with ThreadPoolExecutor(workers) as threads:
        alone = [threads.submit(lambda i: list(_pool(jobs, [i], 1)), index) for index in broken]
        for one in as_completed(alone):
            yield from one.result()


def _pool(jobs: Sequence[Job], chosen: Sequence[int], workers: int) -> Iterator[tuple[int, Failure | None]]:
    # loky rather than multiprocessing: a script needs no guard around its main part, and an error of a worker that
    # cannot be pickled breaks nothing.
    from joblib.externals.loky import ProcessPoolExecutor

    # Idle OpenMP threads that spin would take the core from the other worker.
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    pool = ProcessPoolExecutor(max_workers=min(workers, len(chosen)), env=quiet)
    with ExitStack() as interrupted:
        # Interrupted in between, workers do not go on with what nobody waits for.
        interrupted.callback(pool.shutdown, kill_workers=True)
        futures = {pool.submit(_call, jobs[index]): index for index in chosen}
        for future in as_completed(futures):
            yield futures[future], failure_of(future)
        interrupted.pop_all()
    pool.shutdown()


def _call(job: Callable[[], None]) -> None:
    job()


def failure_of(future: "Future[None]") -> Failure | None:
    """How a job ended, waiting for it; None where it ended well."""
    error = future.exception()
    if error is None:
        return None
    kind = LOST if isinstance(error, BrokenExecutor) else RAISED
    message = " ".join(str(error).split()) or "no message"
    return Failure(kind, type(error).__name__, message, "".join(traceback.format_exception(error)))


def _unknown_option(name: str, valid: Mapping[str, type], kind: str) -> InputError:
    if valid:
        return unknown(name, valid, where=f"executor {kind!r}")
    return InputError(
        repr(name), where=f"executor {kind!r}", expected="no options", fix="set the number of workers instead"
    )


def _bad_option(name: str, value: object, kind: str) -> InputError:
    said = {int: "a whole number above 0", float: "a number above 0", str: "a name"}[OPTIONS[kind][name]]
    return InputError(repr(value), where=f"executor {kind!r}, {name}", expected=said, fix=f"write {name}=VALUE")
