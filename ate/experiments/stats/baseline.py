"""Baselines: which λ = 0 run a result is compared with, and the two numbers that say why it did what it did.

A result and its baseline share parameterisation, demonstrations, steps and training seed; they differ in the shift
alone.
"""

from collections.abc import Sequence

import numpy as np

from ate.experiments.results import Regime, RunResult

# Below it a shift cannot be told from rounding; keeps logarithms finite.
LEAST_ACTIVITY = 1e-6


def baselines(results: Sequence[RunResult]) -> dict[tuple[Regime, int], RunResult]:
    """The λ = 0 run of each regime and training seed."""
    return {(result.regime, result.seed): result for result in results if result.is_baseline}


def saturation(result: RunResult) -> float | None:
    """Share of elements at the clamp in [0, 1], mean over noise levels; None without guidance."""
    return float(np.mean([row["clamped"] for row in result.meter])) if result.meter else None


def activity(result: RunResult) -> float | None:
    """RMS shift over RMS residual, geometric mean over noise levels; None without guidance.

    The ratio spans orders of magnitude along the noise levels: an arithmetic mean would be that of the last level.
    """
    if not result.meter:
        return None
    return float(np.exp(np.mean([np.log(max(row["ratio"], LEAST_ACTIVITY)) for row in result.meter])))
