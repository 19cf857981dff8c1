"""Running: cells that are asked for become results, by any executor; what is done is read, what fails is reported."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ate.errors import InputError
from ate.experiments.executors import RAISED, Executor, Failure
from ate.experiments.methods import STARTS, MethodSpec
from ate.experiments.results import RunResult
from ate.experiments.seed_run import Experiment
from ate.experiments.store import Cell, Contents, SeedJob, Store


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
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not self.methods:
            raise InputError(
                f"{', '.join(map(repr, twice))} more than once" if twice else "no methods",
                where="methods",
                expected="methods of different names",
                fix="name each method once",
            )


@dataclass(frozen=True)
class FailedCell:
    """A cell without a result.

    Attributes:
        cell: which.
        failure: why.
        file: where that is kept.
    """

    cell: Cell
    failure: Failure
    file: Path

    def __str__(self) -> str:
        return (
            f"{self.cell.method.name}, seed {self.cell.seed}: {self.failure.type}: {self.failure.message} ({self.file})"
        )


@dataclass(frozen=True)
class SweepResult:
    """What a sweep gave.

    Attributes:
        results: those that are there, requests, seeds and methods in the order they were asked for.
        failed: cells without one.
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

        In each setting, seeds whose λ = 0 method failed are left out, then methods that failed on another seed; a
        warning says which.

        Raises:
            CellsFailed: a setting has no λ = 0 method at all, and with it nothing to compare to.
        """
        if not self.failed:
            return list(self.results)
        kept: list[RunResult] = []
        for mine in _by_setting(self.results).values():
            seeds = {r.seed for r in mine if r.encoder == "none" and r.spec.start == STARTS[0]}
            if not seeds:
                return self.whole()
            methods = {method for method in dict.fromkeys(r.method for r in mine)
                    if seeds <= {r.seed for r in mine if r.method == method}}  # fmt: skip
            kept += [r for r in mine if r.seed in seeds and r.method in methods]
        if not kept:
            return self.whole()
        left_out = dict.fromkeys(f"{r.method}, seed {r.seed}" for r in self.results if r not in kept)
        said = ["cells failed:", *map(str, self.failed), f"left out beside them: {'; '.join(left_out) or 'nothing'}"]
        warnings.warn("\n".join(said), CellsMissing, stacklevel=2)
        return kept


def _by_setting(results: Iterable[RunResult]) -> dict[tuple[str, int, int], list[RunResult]]:
    found: dict[tuple[str, int, int], list[RunResult]] = {}
    for r in results:
        found.setdefault((r.parameterization, r.demonstrations, r.steps), []).append(r)
    return found


def run(requests: Sequence[JobSpec], folder: Path, executor: Executor, command: str = "") -> SweepResult:
    """Results of every request; cells that are done are read from `folder`, not run again.

    A group of cells that raises is tried once more with each cell by itself, so that one bad method does not take its
    company with it. Jobs that were lost (cancelled, killed, out of memory) are reported as they are.

    Args:
        requests: methods and seeds.
        folder: `results` of a run directory.
        executor: where to train.
        command: the command line that asks for the same again, for reports of failures.

    Raises:
        InputError: an executor that is not there, or files of the experiment that cannot be read.
    """
    asked = [(request.experiment, _cells(request)) for request in requests]
    groups = [
        SeedJob(experiment, tuple(cell for cell in cells if cell.seed == seed), str(folder))
        for experiment, cells in asked
        for seed in dict.fromkeys(cell.seed for cell in cells)
    ]
    units = [part for group in groups for part in (group.alone() if executor.per_cell else (group,))]
    failures = _train([unit for unit in units if unit.missing], folder, executor, "cells")
    again = [
        single
        for group, failure in failures
        if failure.kind == RAISED and len(group.missing) > 1
        for single in group.alone()
    ]
    failures = [f for f in failures if f[1].kind != RAISED or len(f[0].missing) == 1]
    failures += _train(again, folder, executor, "cells, one by one")
    reasons = {cell.key: failure for group, failure in failures for cell in group.missing}
    return _gather((cell for _, cells in asked for cell in cells), Store(folder), reasons, command)


def _cells(request: JobSpec) -> list[Cell]:
    contents = Contents.of(request.experiment)
    return [contents.cell(method, seed) for seed in request.seeds for method in request.methods]


def _train(groups: Sequence[SeedJob], folder: Path, executor: Executor, label: str) -> list[tuple[SeedJob, Failure]]:
    """Groups that ended with an error, each with it."""
    ended = tqdm(executor.run(groups, folder / "jobs"), total=len(groups), desc=label, mininterval=2.0,
                 disable=not groups)  # fmt: skip
    return [(groups[index], failure) for index, failure in ended if failure is not None and groups[index].missing]


def _gather(cells: Iterable[Cell], store: Store, reasons: dict[str, Failure], command: str) -> SweepResult:
    results, failed = [], []
    lost = Failure("lost", "Lost", "the job ended and left no result", "")
    for cell in cells:
        if store.has(cell):
            results.append(store.read(cell))
            store.failure_file(cell).unlink(missing_ok=True)
            continue
        failure = reasons.get(cell.key, lost)
        said = {"kind": failure.kind, "type": failure.type, "message": failure.message,
                "trace": failure.trace, "command": command}  # fmt: skip
        store.write_failure(cell, said)
        failed.append(FailedCell(cell, failure, store.failure_file(cell)))
    return SweepResult(tuple(results), tuple(failed))
