"""Executors: where jobs run. The same jobs go to this process, to other processes of this machine, or to a cluster.

A job takes no arguments and writes its results to files. A job that fails is returned as a `JobFailure`, not raised, so
that the others continue.

`"here"`             this process, one job after the other
`"processes"`        processes of this machine
`"submitit-local"`   processes that submitit starts, as it would on a cluster
`"slurm"`            a Slurm cluster, through submitit; `"slurm:partition=gpu,time=120,cpus=2,mem=8"`
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ate.errors import InputError, unknown
from ate.experiments.job import LOST, Job, JobFailure
from ate.runs.options import pairs, typed
from ate.runs.status import WORKER, Stopped

# The options of each kind, and their types.
KINDS: Mapping[str, Mapping[str, type]] = {
    "here": {},
    "processes": {},
    "submitit-local": {"time": int, "per": str},
    "slurm": {
        "time": int, "cpus": int, "gpus": int, "mem": float, "partition": str, "account": str, "qos": str,
        "constraint": str, "parallel": int, "per": str,
    },
}  # fmt: skip
PER = ("group", "cell")


@dataclass(frozen=True)
class Executor:
    """Where jobs run.

    Attributes:
        kind: one of `KINDS`.
        workers: jobs at once on this machine; a cluster has its own limits.
        options: of a cluster: `partition`, `time` (minutes a job), `cpus`, `gpus`, `mem` (GB), `account`, `qos`,
            `constraint`, `parallel` (jobs of the array at once), `per` (`"group"`: one job for the cells that are
            trained together; `"cell"`: one job a cell).

    Raises:
        InputError: an unknown kind or option, or a value of another type or out of range.
    """

    kind: str = "processes"
    workers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown(self.kind, KINDS, where="executor")
        where = f"executor {self.kind!r}"
        if self.options and not KINDS[self.kind]:
            fix = "set the number of workers instead"
            raise InputError(", ".join(self.options), where=where, expected="no options", fix=fix)
        options = typed(KINDS[self.kind], self.options, where)
        for name, value in options.items():
            if value == "" or (not isinstance(value, str) and value <= 0):
                expected = "a name, or a number above 0"
                raise InputError(repr(value), where=f"{name} in {where}", expected=expected, fix="correct it")
        if options.get("per", PER[0]) not in PER:
            raise unknown(options["per"], PER, where=f"per in {where}")
        if self.workers < 1:
            raise InputError(str(self.workers), where="workers", expected="at least 1", fix="raise it")
        object.__setattr__(self, "options", options)

    @classmethod
    def parse(cls, text: str, workers: int = 1) -> "Executor":
        """`"slurm:partition=gpu,time=120"` → an executor.

        Raises:
            InputError: as the constructor.
        """
        kind, _, options = text.partition(":")
        items = [item for item in options.split(",") if item.strip()]
        return cls(kind, workers, pairs(items, f"executor {text!r}"))

    @property
    def per_cell(self) -> bool:
        """Whether every cell is a job of its own."""
        return bool(self.options.get("per") == "cell")

    def run(self, jobs: Sequence[Job], folder: Path) -> Iterator[tuple[int, JobFailure | None]]:
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


def _here(jobs: Sequence[Job]) -> Iterator[tuple[int, JobFailure | None]]:
    for index, job in enumerate(jobs):
        ended: Future[None] = Future()
        # In this thread, so that an interrupt ends the training after its step.
        try:
            job()
            ended.set_result(None)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 (jobs raise what they like; the others go on)
            ended.set_exception(error)
        yield index, JobFailure.of(ended)


def _processes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, JobFailure | None]]:
    broken = []
    for index, failure in _pool(jobs, range(len(jobs)), workers):
        if failure is not None and failure.kind == LOST:
            broken.append(index)
        else:
            yield index, failure
    # A pool dies with one of its workers and does not say whose job that was: run the rest in a process each.
    with ThreadPoolExecutor(workers) as threads:
        alone = [threads.submit(lambda i: list(_pool(jobs, [i], 1)), index) for index in broken]
        for future in as_completed(alone):
            yield from future.result()


def _pool(jobs: Sequence[Job], chosen: Sequence[int], workers: int) -> Iterator[tuple[int, JobFailure | None]]:
    # loky rather than multiprocessing: a script needs no guard around its main part, and an error of a worker that
    # cannot be pickled breaks nothing.
    from joblib.externals.loky import ProcessPoolExecutor

    # Idle OpenMP threads that spin would take the core from the other worker.
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", WORKER: "1"}
    pool = ProcessPoolExecutor(max_workers=min(workers, len(chosen)), env=quiet)
    with ExitStack() as interrupted:
        # Interrupted in between, workers do not go on with what nobody waits for.
        interrupted.callback(pool.shutdown, kill_workers=True)
        futures = {pool.submit(jobs[index]): index for index in chosen}
        for future in as_completed(futures):
            yield futures[future], JobFailure.of(future)
        interrupted.pop_all()
    pool.shutdown()
