"""Held-out error: what methods predict on episodes that nothing was trained on, the measure where nothing rolls out.

It does not rank methods as success does: a policy may err little and fail, or the reverse.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ate.experiments.methods import DIRECT
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import paired


class ErrorDifference(NamedTuple):
    """Held-out error of a method minus that of direct fine-tuning, data units, with its 95 % t interval over seeds."""

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        """The interval in words; `"none"` with fewer than two seeds."""
        return f"{self.low:+.2g} to {self.high:+.2g}" if np.isfinite(self.low) else "none"


def held_out_error(results: Sequence[RunResult], method: str) -> float:
    """Mean open-loop error of a method over joints and seeds, data units (radians for joints)."""
    return float(np.mean(list(_by_seed(results, method).values())))


def error_difference(results: Sequence[RunResult], method: str) -> ErrorDifference:
    """A method against direct fine-tuning, paired by training seed; negative is better.

    The interval is over training seeds alone: the held-out episodes are the same for all of them.
    """
    own, direct = _by_seed(results, method), _by_seed(results, DIRECT)
    return ErrorDifference(*paired([own[seed] - direct[seed] for seed in own if seed in direct]))


def errors_against_direct(results: Sequence[RunResult], methods: Sequence[str]) -> str:
    """Errors of several methods in words, each but the first, direct, with its difference and interval."""
    parts = [f"{DIRECT} {held_out_error(results, DIRECT):.3g}"]
    for method in methods:
        gap = error_difference(results, method)
        parts.append(f"{method} {held_out_error(results, method):.3g} ({gap.mean:+.2g}, {gap.interval})")
    return ", ".join(parts)


def _by_seed(results: Sequence[RunResult], method: str) -> dict[int, float]:
    """Mean over joints of each training seed."""
    return {r.seed: float(np.mean(list(r.open_loop.values()))) for r in results if r.method == method}
