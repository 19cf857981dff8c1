"""Export: the results of an ablation as one tidy table, and its winner as a preset that notebook 03 loads.

frame = tidy(results)                    one row a cell and training seed
write(frame, directory)                  cells.parquet and cells.csv
save_preset(results, settings, file)     λ, clamp and options of guidance with their evidence, JSON
method = read_preset(file)                  the method again, checked
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ate.errors import InputError, unknown
from ate.experiments.methods import ALIGNED_VARIANTS, MethodSpec
from ate.experiments.results import RunResult
from ate.experiments.stats.baseline import activity, baselines, budget, is_baseline, saturation
from ate.experiments.stats.comparisons import Difference
from ate.experiments.stats.selection import searched, validation
from ate.runs.files import read_json, write_atomic, write_json
from ate.steer.meter import meter_verdict

if TYPE_CHECKING:
    import pandas

    from ate.experiments.settings import Settings

TABLE = "cells"
PRESET = "winner.json"
# What a preset says of guidance, beside its evidence.
OPTIONS = ("encoder", "lam", "clamp", "sign", "energy", "at", "bound", "schedule", "latent")


def spec(result: RunResult) -> dict[str, Any]:
    """Every option of a result's method but its name; what an old result did not keep is what it was then."""
    kept = {"encoder": result.encoder, "lam": result.lam, "clamp": result.clamp}
    usual = {f.name: f.default for f in fields(MethodSpec) if f.name != "name"}
    return {**usual, **kept, **{name: value for name, value in result.spec.items() if name != "name"}}


def tidy(results: Sequence[RunResult]) -> "pandas.DataFrame":
    """One row a cell and training seed.

    Columns: parameterization, method, seed, demonstrations, steps; every option of the method (`MethodSpec`; an
    infinite clamp is no clamp); successes, rollouts and rate of success, and `difference`, the rate minus that of
    the λ = 0 run of the same seed and budget (shares, missing without a simulator); `closest`, median closest distance
    of tool and object (m); `saturation` and `activity` (`ate.experiments.stats.baseline`), and what the meter says;
    `held_out_error`, mean over joints (rad), and `loss`, the last one logged, against the unshifted target;
    `trained_together`, methods that shared one training, and `seconds`, its wall time divided by them; `cell`, the hash
    of what the row depends on.
    """
    import pandas

    base = baselines(results)
    # Methods of one shared stream carry the wall time of the whole, the same to the last bit.
    together = [(budget(r), r.seed, r.seconds) for r in results]
    rows = []
    for result, shared in zip(results, together, strict=True):
        other = None if is_baseline(result) else base.get((budget(result), result.seed))
        rows.append(
            {
                "parameterization": result.parameterization,
                "method": result.method,
                "seed": result.seed,
                "demonstrations": result.demonstrations,
                "steps": result.steps,
                **spec(result),
                "successes": sum(result.success) if result.success else None,
                "rollouts": len(result.success),
                "rate": _rate(result),
                "difference": None if other is None else _rate(result) - _rate(other),
                "closest": float(np.median(result.closest)) if result.closest else None,
                "saturation": saturation(result),
                "activity": activity(result),
                "guidance": meter_verdict([dict(row) for row in result.meter]) if result.meter else "none",
                "held_out_error": float(np.mean(list(result.open_loop.values()))) if result.open_loop else None,
                "loss": result.loss[-1]["loss"] if result.loss else None,
                "trained_together": together.count(shared),
                "seconds": result.seconds / together.count(shared),
                "cell": result.cell,
            }
        )
    numbers = ("successes", "rate", "difference", "closest", "saturation", "activity", "held_out_error", "loss")
    return pandas.DataFrame(rows).astype(dict.fromkeys(numbers, "float64"))


def _rate(result: RunResult) -> float:
    """Share of rollouts that succeeded; NaN where there are none."""
    return float(np.mean(result.success)) if result.success else math.nan


def write(frame: "pandas.DataFrame", directory: Path) -> tuple[Path, Path]:
    """Write a table as `cells.parquet` and `cells.csv`, each whole or absent; returns both files."""
    parquet, csv = directory / f"{TABLE}.parquet", directory / f"{TABLE}.csv"
    write_atomic(parquet, lambda file: frame.to_parquet(file, index=False))
    write_atomic(csv, lambda file: frame.to_csv(file, index=False))
    return parquet, csv


def winner(results: Sequence[RunResult]) -> Difference:
    """The cell that `ate.experiments.stats.selection.select` names, against λ = 0; its own seeds flatter it.

    Raises:
        InputError: no rollouts, several budgets, or no cell beside λ = 0.
    """
    if len({budget(r) for r in results}) > 1:
        raise InputError(
            f"{len({budget(r) for r in results})} budgets",
            where="results to choose a winner from",
            expected="one parameterisation, number of demonstrations and of steps",
            fix="choose among the results of one budget",
        )
    return max(searched(results), key=lambda row: row.mean)


def save_preset(
    results: Sequence[RunResult], settings: "Settings", file: Path, held_out: Sequence[RunResult] = ()
) -> dict[str, Any]:
    """Write the winning cell as a preset, with its evidence and with what that evidence does not carry.

    Args:
        results: the grid, one budget.
        settings: of the run.
        file: JSON, written whole or not at all.
        held_out: the winner and λ = 0 on seeds that the search has not seen, where they were trained on any.

    Returns:
        What was written.

    Raises:
        InputError: as `winner`, or held-out results that are none (`ate.experiments.stats.selection.validation`).
    """
    row = winner(results)
    validated = validation(results, held_out) if held_out else None
    mine = [r for r in results if r.method == row.method]
    options = {name: value for name, value in spec(mine[0]).items() if name in OPTIONS}
    judged = row if validated is None else validated
    evidence = {
        "robot_data": settings.adapt,
        "parameterization": mine[0].parameterization,
        "demonstrations": mine[0].demonstrations,
        "steps": mine[0].steps,
        "rollouts_a_seed": len(mine[0].success),
        "chosen_among": row.comparisons,
        "search": _evidence(row),
        "held_out": None if validated is None else _evidence(validated),
        "verdict": judged.verdict,
        "statement": _statement(row, validated),
    }
    # JSON has no infinity.
    tree = {**options, "clamp": None if math.isinf(options["clamp"]) else options["clamp"], "evidence": evidence}
    write_json(file, tree)
    return tree


def _evidence(row: Difference) -> dict[str, Any]:
    known = math.isfinite(row.low)
    return {
        "seeds": len(row.by_seed),
        "difference": row.mean,
        "interval_95": [row.low, row.high] if known else None,
        "verdict": row.verdict,
    }


def _statement(row: Difference, validated: Difference | None) -> str:
    """What a user has to know before taking the preset for an improvement."""
    judged = row if validated is None else validated
    seeds = f"{len(judged.by_seed)} {'training' if validated is None else 'held-out'} seeds"
    said = {
        "helps": f"It does better than λ = 0 on {seeds}.",
        "hurts": f"It does worse than λ = 0 on {seeds}: the best cell of this grid is plain fine-tuning.",
        "cannot tell": f"Not shown to help: {seeds} cannot tell it from λ = 0.",
    }[judged.verdict]
    chosen = f" It is the highest of {row.comparisons} cells and was chosen for that"
    rest = "; no held-out seeds have validated it." if validated is None else ", before the held-out seeds were seen."
    return said + chosen + rest


def read_preset(file: str | Path) -> MethodSpec:
    """The method that a preset describes.

    Raises:
        InputError: no such file, no JSON object, an unknown or missing key, or a value that guidance does not take.
    """
    path = Path(file)
    where = f"preset {path}"
    if not path.is_file():
        raise InputError("no such file", where=where, expected="a preset of notebook 04", fix="check the path")
    try:
        tree = read_json(path)
    except ValueError as error:
        raise InputError(str(error), where=where, expected="one JSON object", fix="export it again") from error
    if not isinstance(tree, Mapping):
        raise InputError(type(tree).__name__, where=where, expected="one JSON object", fix="export it again")
    for name in tree:
        if name not in (*OPTIONS, "evidence"):
            raise unknown(name, (*OPTIONS, "evidence"), where=where)
    missing = [name for name in ("lam", "clamp") if name not in tree]
    if missing:
        raise InputError(f"no {missing[0]!r}", where=where, expected="at least lam and clamp", fix="export it again")
    values = {name: value for name, value in tree.items() if name in OPTIONS}
    values["clamp"] = math.inf if values["clamp"] is None else values["clamp"]
    _check(values, where)
    return MethodSpec("ATE", **{"encoder": "aligned", **values})


def _check(values: Mapping[str, Any], where: str) -> None:
    """Refuse values that would fail later, in the middle of a training."""
    from ate.steer.guidance import CHOICES

    for name in ("lam", "clamp"):
        value = values[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not value > 0 or (name == "lam" and math.isinf(value)):
            raise InputError(repr(value), where=f"{where}, {name}", expected="a number above 0", fix="correct it")
    if values.get("sign", 1) not in (1, -1):
        raise InputError(repr(values["sign"]), where=f"{where}, sign", expected="1 or -1", fix="correct it")
    valid = {**CHOICES, "encoder": ("aligned", *ALIGNED_VARIANTS)}
    for name, choices in valid.items():
        if name in values and values[name] not in choices:
            raise unknown(str(values[name]), choices, where=f"{where}, {name}")


def options(method: MethodSpec) -> dict[str, Any]:
    """A method's options of guidance but λ and the clamp, for `ate.experiments.methods.comparison`."""
    return {name: value for name, value in asdict(method).items() if name in OPTIONS and name not in ("lam", "clamp")}
