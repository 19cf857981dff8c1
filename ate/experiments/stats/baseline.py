"""Matched: which λ = 0 run a result is compared with, and the two numbers that say why it did what it did.

A result and its baseline share parameterisation, demonstrations, steps and training seed; they differ in the shift
alone.
"""

from collections.abc import Sequence

import numpy as np

from ate.experiments.methods import SCRATCH
from ate.experiments.results import RunResult

Budget = tuple[str, int, int]
# Below it a shift cannot be told from rounding; keeps logarithms finite.
LEAST_ACTIVITY = 1e-6


def budget(result: RunResult) -> Budget:
    """What a result shares with its baseline beside the seed: parameterisation, demonstrations, steps."""
    return result.parameterization, result.demonstrations, result.steps


def is_baseline(result: RunResult) -> bool:
    """Whether it is plain fine-tuning from the pre-trained weights, λ = 0."""
    return result.lam == 0 and result.spec.get("start", result.method) != SCRATCH


def baselines(results: Sequence[RunResult]) -> dict[tuple[Budget, int], RunResult]:
    """The λ = 0 run of each budget and training seed."""
    return {(budget(result), result.seed): result for result in results if is_baseline(result)}


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
