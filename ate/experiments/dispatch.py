"""Scheduling: requested cells become results, by any executor. Finished ones are read, failed ones reported."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from ate.errors import InputError
from ate.experiments.executors import Executor
from ate.experiments.experiment import Experiment
from ate.experiments.job import LOST, RAISED, JobFailure
from ate.experiments.methods import STARTS, MethodSpec
from ate.experiments.results import RunResult
from ate.experiments.store import Cell, SeedJob, Store, cells_of, stacked_cells


class CellsFailed(RuntimeError):
    """Cells of a comparison have no result; the others are kept, and the same call tries these again."""


class CellsMissing(UserWarning):
    """Cells that failed are left out of what is shown."""


@dataclass(frozen=True)
class JobSpec:
    """Methods of one experiment over training seeds.

    Attributes:
        experiment: what they share.
        methods: what differs; names tell them apart.
        seeds: training seeds.
    """

    experiment: Experiment
    methods: tuple[MethodSpec, ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        names = [method.name for method in self.methods]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated or not self.methods:
            got = f"{', '.join(map(repr, repeated))} more than once" if repeated else "no methods"
            raise InputError(got, where="methods", expected="methods of different names", fix="name each method once")


@dataclass(frozen=True)
class FailedCell:
    """A cell without a result.

    Attributes:
        cell: which.
        failure: why.
        file: the record of the failure.
    """

    cell: Cell
    failure: JobFailure
    file: Path

    def __str__(self) -> str:
        where = f"{self.cell.method.name}, seed {self.cell.seed}"
        return f"{where}: {self.failure.type}: {self.failure.message} ({self.file})"


@dataclass(frozen=True)
class SweepResult:
    """Results of a sweep.

    Attributes:
        results: of the cells that succeeded, in the order of requests, seeds and methods.
        failed: the other cells.
    """

    results: tuple[RunResult, ...]
    failed: tuple[FailedCell, ...]

    def whole(self) -> list[RunResult]:
        """All results.

        Raises:
            CellsFailed: a cell has none.
        """
        if self.failed:
            count = f"{len(self.failed)} of {len(self.failed) + len(self.results)} cells have no result"
            raise CellsFailed("\n".join([f"{count}; the same call tries them again", *map(str, self.failed)]))
        return list(self.results)

    def paired(self) -> list[RunResult]:
        """Results that can be paired by seed.

        In each setting, seeds whose λ = 0 method failed are left out, then methods that failed on another seed. A
        warning names them.

        Raises:
            CellsFailed: a setting has no result of the λ = 0 method, so that nothing can be compared.
        """
        if not self.failed:
            return list(self.results)
        paired: list[RunResult] = []
        for regime in dict.fromkeys(r.regime for r in self.results):
            results = [r for r in self.results if r.regime == regime]
            seeds = {r.seed for r in results if r.encoder == "none" and r.spec.start == STARTS[0]}
            if not seeds:
                return self.whole()
            trained = {r.method: {s.seed for s in results if s.method == r.method} for r in results}
            paired += [r for r in results if r.seed in seeds and seeds <= trained[r.method]]
        if not paired:
            return self.whole()
        left_out = dict.fromkeys(f"{r.method}, seed {r.seed}" for r in self.results if r not in paired)
        lines = ["cells failed:", *map(str, self.failed), f"also left out: {'; '.join(left_out) or 'nothing'}"]
        warnings.warn("\n".join(lines), CellsMissing, stacklevel=2)
        return paired


def run(
    requests: Sequence[JobSpec], folder: Path, executor: Executor, command: str = "", stacked: bool = False,
    keep: bool = False,
) -> SweepResult:  # fmt: skip
    """Results of every request; finished cells are read from `folder`, not run again.

    A job of several cells that raises is tried once more with a job for each cell, so that one bad method does not
    fail the others. Jobs that were lost (cancelled, killed, out of memory) are reported and not tried again.

    Args:
        requests: methods and seeds.
        folder: `results` of a run directory.
        executor: where to train.
        command: the command line that repeats the sweep, for reports of failures.
        stacked: methods of a training seed are trained as one batched model. Such cells have keys of their own.
        keep: policies are kept with the results.

    Raises:
        InputError: the executor is not installed, or files of the experiment cannot be read; methods that cannot be
            stacked, guided at pre-training observations say; or cells that were trained there the other way.
    """
    requested = [(job.experiment, _cells(job, stacked)) for job in requests]
    Store(folder).check_apart([cell for _, cells in requested for cell in cells])
    jobs = [
        SeedJob(experiment, tuple(cell for cell in cells if cell.seed == seed), str(folder), stacked, keep)
        for experiment, cells in requested
        for seed in dict.fromkeys(cell.seed for cell in cells)
    ]
    if executor.per_cell:
        jobs = [single for job in jobs for single in job.split()]
    failures = _train([job for job in jobs if job.missing], folder, executor, "cells")
    shared = [job for job, failure in failures if failure.kind == RAISED and len(job.missing) > 1 and not job.stacked]
    failures = [(job, failure) for job, failure in failures if job not in shared]
    failures += _train([single for job in shared for single in job.split()], folder, executor, "cells, one by one")
    reasons = {cell.key: failure for job, failure in failures for cell in job.missing}
    return _gather((cell for _, cells in requested for cell in cells), Store(folder), reasons, command)


def _cells(job: JobSpec, stacked: bool) -> list[Cell]:
    """The cells of a request, seed by seed."""
    cells = cells_of(job.experiment, job.methods, job.seeds)
    if not stacked:
        return cells
    apart = [method.name for method in job.methods if method.guidance.at_pretraining and method.encoder != "none"]
    if apart:
        raise InputError(
            f"guidance at pre-training observations ({apart[0]})",
            where="methods to be stacked",
            expected="guidance at demonstrations: elsewhere each policy denoises chunks of its own",
            fix="leave --stacked away, or sweep --axis energy_at=x_t or x0_hat",
        )
    return [cell for seed in job.seeds for cell in stacked_cells([cell for cell in cells if cell.seed == seed])]


def _train(jobs: Sequence[SeedJob], folder: Path, executor: Executor, label: str) -> list[tuple[SeedJob, JobFailure]]:
    """Jobs that failed, each with its failure."""
    running = executor.run(jobs, folder / "jobs")
    ended = tqdm(running, total=len(jobs), desc=label, mininterval=2.0, disable=not jobs)
    return [(jobs[index], failure) for index, failure in ended if failure is not None and jobs[index].missing]


def _gather(cells: Iterable[Cell], store: Store, reasons: dict[str, JobFailure], command: str) -> SweepResult:
    results, failed = [], []
    lost = JobFailure(LOST, "Lost", "the job ended and left no result", "")
    for cell in cells:
        if store.has(cell):
            results.append(store.read(cell))
            store.failure_file(cell).unlink(missing_ok=True)
            continue
        failure = reasons.get(cell.key, lost)
        store.write_failure(cell, {**asdict(failure), "command": command})
        failed.append(FailedCell(cell, failure, store.failure_file(cell)))
    return SweepResult(tuple(results), tuple(failed))
