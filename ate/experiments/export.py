"""Export: the results of an ablation as one tidy table, `cells.parquet` and `cells.csv`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ate.experiments.results import RunResult
from ate.experiments.stats.baseline import activity, baselines, saturation
from ate.runs.files import write_atomic
from ate.steer.meter import meter_verdict

if TYPE_CHECKING:
    import pandas


TABLE = "cells"


def tidy(results: Sequence[RunResult]) -> "pandas.DataFrame":
    """One row a cell and training seed.

    Columns:

    - parameterization, method, seed, demonstrations, steps, and every option of the method (`MethodSpec`; an infinite
      clamp is no clamp).
    - successes, rollouts and rate of success; `difference`, the rate minus that of the λ = 0 run of the same seed and
      regime (shares, missing without a simulator).
    - `closest`, median closest distance of tool and object (m).
    - `saturation` and `activity` (`ate.experiments.stats.baseline`), and what the meter says.
    - `held_out_error`, mean over joints (rad), and `loss`, the last one logged, against the unshifted target.
    - `trained_together`, methods trained together, and `seconds`, their wall time divided by their number.
    - `cell`, the hash of what the row depends on.
    """
    import pandas

    base = baselines(results)
    # Methods trained together carry the wall time of the whole, the same to the last bit.
    together = [(r.regime, r.seed, r.seconds) for r in results]
    rows = []
    for result, shared in zip(results, together, strict=True):
        other = None if result.is_baseline else base.get((result.regime, result.seed))
        rows.append(
            {
                "parameterization": result.parameterization,
                "method": result.method,
                "seed": result.seed,
                "demonstrations": result.demonstrations,
                "steps": result.steps,
                **result.spec.options,
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
