"""Pooling: one method against another over several studies (robots, tasks, policies), each study counting the same.

    mean = Σ_s d̄_s / S,      SE = √(Σ_s v_s / n_s) / S

with d̄_s and v_s mean and variance of the paired differences over the n_s training seeds of study s. The interval is of
these studies, not of studies at large: it says nothing about a robot or a task that is not among them.

Where only means and intervals of the studies are left, these give the variances (Zou & Donner 2008, "MOVER"):

    low = mean − √(Σ_s (d̄_s − l_s)²) / S,      high = mean + √(Σ_s (h_s − d̄_s)²) / S
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import Verdict, differences


@dataclass(frozen=True)
class Pooled:
    """A method against a baseline over several studies, in shares of success.

    Attributes:
        method: its name.
        baseline: the other's.
        mean: mean over studies of the mean paired difference.
        low: lower end of the interval.
        high: upper end.
        better: studies in which the method's mean is above the baseline's.
        studies: how many.
    """

    method: str
    baseline: str
    mean: float
    low: float
    high: float
    better: int
    studies: int

    @property
    def verdict(self) -> Verdict:
        """At the interval's own confidence."""
        return Verdict.HELPS if self.low > 0 else Verdict.HURTS if self.high < 0 else Verdict.CANNOT_TELL


def pooled(studies: Mapping[str, Sequence[RunResult]], method: str, baseline: str, confidence: float = 0.95) -> Pooled:
    """Pool the paired differences of `method` to `baseline` over studies.

    Args:
        studies: results by name of the study, each with both methods over the same training seeds.
        method: a method.
        baseline: another.
        confidence: of the interval, a t interval with Satterthwaite's degrees of freedom.

    Raises:
        InputError: a study lacks the baseline, or the seeds of the two methods differ.
    """
    gaps = []
    for results in studies.values():
        pair = [result for result in results if result.method in (method, baseline)]
        (row,) = differences(pair, baseline=baseline)
        gaps.append(np.asarray(row.by_seed))
    means = np.array([g.mean() for g in gaps])
    parts = np.array([g.var(ddof=1) / len(g) if len(g) > 1 else np.inf for g in gaps])
    mean, error = float(means.mean()), float(np.sqrt(parts.sum())) / len(gaps)
    # One seed, or no spread at all, is no certainty.
    half = float("inf")
    if 0 < error < np.inf:
        freedom = parts.sum() ** 2 / sum(p**2 / (len(g) - 1) for p, g in zip(parts, gaps, strict=True))
        half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return Pooled(method, baseline, mean, mean - half, mean + half, int((means > 0).sum()), len(gaps))


def recovered(
    studies: Sequence[Mapping[str, Any]], method: str, baseline: str, confidence: float = 0.95, seeds: int = 8
) -> Pooled:
    """Pool studies of which only mean and 95 % interval of the difference are left (Zou & Donner 2008).

    The interval is wider than that of `pooled` where a study's interval is over start situations too.

    Args:
        studies: `mean`, `low` and `high` of each, in shares of success; an end that is unbounded is None.
        method: a method.
        baseline: the other one.
        confidence: of the interval. Other than 0.95, the studies' intervals are stretched as t intervals over seeds.
        seeds: training seeds of the study that has the fewest.
    """
    means = np.array([row["mean"] for row in studies])
    ends = np.array([[np.inf if row[end] is None else row[end] for end in ("low", "high")] for row in studies])
    stretch = 1.0
    if confidence != 0.95:
        stretch = float(stats.t.ppf((1 + confidence) / 2, seeds - 1) / stats.t.ppf(0.975, seeds - 1))
    below, above = stretch * np.linalg.norm(ends - means[:, None], axis=0) / len(means)
    mean = float(means.mean())
    return Pooled(method, baseline, mean, mean - float(below), mean + float(above), int((means > 0).sum()), len(means))
