"""Cells: one method, one training seed, one set of settings; named by a hash of all that its result depends on.

    results/cells/<hash>.json    its result, whole or absent; a cell that has one is never trained again
    results/cells/<hash>.stacked.json   the same where the methods of its seed were trained as one batched model
    results/policies/<hash>.safetensors   its policy, where policies are kept (`keep_policies`)
    results/failed/<hash>.json   why it has none; the next call tries it again
    results/locks/<hash>         held by the process that trains it, so that no two train the same cell

Cells of one training seed and setting are trained together on the same batches, which does not change their results.
The hash does not include machine or library versions: use another run directory for another installation.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ate.align.alignment import FILE
from ate.errors import InputError
from ate.experiments.experiment import Experiment
from ate.experiments.methods import MethodSpec
from ate.experiments.results import RunResult
from ate.experiments.seed_run import run_seed
from ate.policies.policy import Policy
from ate.policies.vision.seen import seen_marks
from ate.runs.files import content_key, file_digest, read_json, remove_leftovers, write_json
from ate.runs.lock import lock
from ate.sim.gym_address import of_result

# Part of every hash: raised when the same settings come to mean another result.
FORMAT = 3
SHOWN = 16
# A way out of results of two kinds in one folder.
APART = "give another folder: --run"
ELSEWHERE = ("policy", "tool_policy", "alignment", "variants", "adapt", "pretrain")


@dataclass(frozen=True)
class Cell:
    """One method and training seed of an experiment.

    Attributes:
        method: what is trained.
        seed: training seed.
        key: hash of what the result depends on.
        alone: of a cell whose methods are stacked, the key that it has where it is trained alone; else empty.
    """

    method: MethodSpec
    seed: int
    key: str
    alone: str = ""

    @property
    def file_name(self) -> str:
        """Of its result; one name for all companies in which a method is stacked."""
        return f"{self.alone[:SHOWN]}.stacked.json" if self.alone else f"{self.key[:SHOWN]}.json"

    @property
    def otherwise(self) -> "Cell":
        """The same trained the other way: alone if it is stacked, stacked if it is alone; for its file name."""
        return replace(self, key=self.alone or self.key, alone="" if self.alone else self.key)


def cells_of(experiment: Experiment, methods: Sequence[MethodSpec], seeds: Sequence[int]) -> list[Cell]:
    """Cells of an experiment, seed by seed; methods that differ in their names alone have one key."""
    variants = {name: file_digest(Path(folder) / FILE) for name, folder in experiment.variants}
    adapt = experiment.adapt.load()
    pretrain = () if experiment.pretrain is None else experiment.pretrain.load_sets()
    shared = {
        "format": FORMAT,
        "settings": {
            **{name: value for name, value in asdict(experiment).items() if name not in ELSEWHERE},
            "task": of_result(experiment.task),
        },
        "policy": file_digest(Path(experiment.policy)),
        "alignment": file_digest(Path(experiment.alignment) / FILE),
        "data": adapt.digest,
        "pretrain": tuple(s.digest for s in pretrain),
    }
    # The digest of a set says nothing of its state.
    seen = seen_marks((adapt, *pretrain))
    shared |= {"seen": seen} if seen else {}
    tool_policy = file_digest(Path(experiment.tool_policy)) if experiment.tool_policy else ""
    cells = []
    for seed, method in product(seeds, methods):
        variant = variants.get(method.variant, "")
        own = {"method": {**method.to_tree(), "name": ""}, "variant": variant, "seed": seed}
        own |= {"policy": tool_policy} if method.space == "tool" else {}
        cells.append(Cell(method, seed, content_key({**shared, **own})))
    return cells


def stacked_cells(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of one training seed as they are when their methods are stacked: each depends on all of them."""
    company = sorted({cell.key for cell in cells})
    return [replace(cell, key=content_key(["stacked", cell.key, company]), alone=cell.key) for cell in cells]


@dataclass(frozen=True)
class Store:
    """The cells of a run directory.

    Attributes:
        folder: `results` of the run.
    """

    folder: Path

    def file(self, cell: Cell) -> Path:
        """Where its result is, or will be."""
        return self.folder / "cells" / cell.file_name

    def failure_file(self, cell: Cell) -> Path:
        """Where the reason is kept if it has none."""
        return self.folder / "failed" / cell.file_name

    def policy_file(self, key: str) -> Path:
        """Where the policy of a cell is, by its hash, if it was kept."""
        return self.folder / "policies" / f"{key[:SHOWN]}.safetensors"

    def has(self, cell: Cell) -> bool:
        """Whether it is done."""
        return self.file(cell).exists()

    def read(self, cell: Cell) -> RunResult:
        """Its result, under the name that the method has here.

        Raises:
            InputError: the file holds another cell.
        """
        result = RunResult.from_tree(read_json(self.file(cell)))
        if result.cell != cell.key:
            got, expected = f"the result of cell {result.cell[:SHOWN] or 'none'}", f"that of {cell.key[:SHOWN]}"
            fix = APART if cell.alone else "remove the file; the cell is then trained again"
            raise InputError(got, where=str(self.file(cell)), expected=expected, fix=fix)
        return replace(result, spec=cell.method)

    def check_apart(self, cells: Sequence[Cell]) -> None:
        """Refuse cells that were trained here the other way, or stacked with other methods.

        Each of them would have two results, and reports of the folder would count both.

        Raises:
            InputError: one was.
        """
        for cell in cells:
            if self.has(cell.otherwise):
                ways = ("alone", "stacked") if cell.alone else ("stacked", "alone")
                raise InputError(
                    f"{cell.method.name}, seed {cell.seed}, trained {ways[0]}", where=str(self.file(cell.otherwise)),
                    expected=f"cells that are trained {ways[1]}: reports would count both", fix=APART,
                )  # fmt: skip
            if cell.alone and self.has(cell):
                self.read(cell)

    def write(self, cell: Cell, result: RunResult) -> None:
        """Keep a result, and remove an earlier failure."""
        write_json(self.file(cell), replace(result, cell=cell.key).to_tree())
        self.failure_file(cell).unlink(missing_ok=True)

    def write_failure(self, cell: Cell, reason: Mapping[str, Any]) -> None:
        """Keep the reason why a cell has no result."""
        write_json(self.failure_file(cell), {"cell": cell.key, "method": cell.method.name, "seed": cell.seed, **reason})


@dataclass(frozen=True)
class SeedJob:
    """Cells of one experiment and training seed: one job for an executor, which may run in any process.

    Attributes:
        experiment: what they share.
        cells: what is requested, finished or not.
        folder: `results` of the run.
        stacked: methods are trained as one batched model; all of them again where one has no result.
        keep: policies are kept.
    """

    experiment: Experiment
    cells: tuple[Cell, ...]
    folder: str
    stacked: bool = False
    keep: bool = False

    @property
    def key(self) -> str:
        """Hash of what is requested."""
        return content_key(sorted(cell.key for cell in self.cells))[:SHOWN]

    @property
    def missing(self) -> tuple[Cell, ...]:
        """Cells without a result, each once."""
        store = Store(Path(self.folder))
        return tuple({cell.key: cell for cell in self.cells if not store.has(cell)}.values())

    def split(self) -> tuple["SeedJob", ...]:
        """A job for each missing cell; of stacked cells one for all."""
        return (self,) if self.stacked else tuple(replace(self, cells=(cell,)) for cell in self.missing)

    def __call__(self) -> None:
        """Train missing cells on the same batches, and keep each result as soon as its method is rolled out.

        A process that wants the same cells waits, then finds them finished. Where a file server does not share locks
        between machines, both train them to the same numbers, and the file is written whole twice.
        """
        store = Store(Path(self.folder))
        with ExitStack() as locks:
            # In the order of keys, so that two processes never wait for each other.
            for cell in sorted(self.missing, key=lambda cell: cell.key):
                locks.enter_context(lock(store.folder / "locks", f"training seed {cell.seed}", name=cell.key[:SHOWN]))
            missing = self.missing
            for cell in missing:
                # No other process writes a cell whose lock is held.
                for file in (store.file(cell), store.policy_file(cell.key)):
                    remove_leftovers(file.parent, file.name)
            if not missing:
                return
            together = self.cells if self.stacked else missing
            methods = [cell.method for cell in together]
            keys = {cell.method.name: cell.key for cell in together}

            def keep(method: MethodSpec, policy: Policy) -> None:
                policy.save(store.policy_file(keys[method.name]))

            results = run_seed(
                self.experiment, methods, missing[0].seed, store.folder / "aligned", self.stacked,
                keep if self.keep else None,
            )  # fmt: skip
            for cell, result in zip(together, results, strict=True):
                store.write(cell, result)


def load_results(directory: Path) -> list[RunResult]:
    """Every result in a folder of results, in the order of methods, numbers and seeds.

    Args:
        directory: `results` of a run directory.
    """
    results = [RunResult.from_tree(read_json(file)) for file in sorted((directory / "cells").glob("*.json"))]
    return sorted(results, key=lambda r: (r.parameterization, r.lam, r.method, r.demonstrations, r.steps, r.seed))
