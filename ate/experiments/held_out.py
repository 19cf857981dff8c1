"""Held-out error: what methods predict on episodes that nothing was trained on, the measure where nothing rolls out.

It does not rank methods as success does: a policy may err little and fail, or the reverse.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ate.experiments.methods import DIRECT
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import ERROR_RATE, Difference, Verdict, holm, paired
from ate.experiments.stats.variance_components import Spread, crossed, interval, p_value
from ate.runs.tables import signed

# What errors leave open.
ERRORS_ALONE = "Held-out error alone does not say whether the robot does the task: roll out on it, or in a simulator."


class ErrorDifference(NamedTuple):
    """Held-out error of a method minus that of direct fine-tuning, data units, with its 95 % t interval over seeds."""

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        """The interval in words; `"none"` with fewer than two seeds."""
        return f"{signed(self.low, '.2g')} to {signed(self.high, '.2g')}" if np.isfinite(self.low) else "none"


def held_out_error(results: Sequence[RunResult], method: str) -> float:
    """Mean open-loop error of a method over joints and seeds, data units (radians for joints)."""
    return float(np.mean(list(_by_seed(results, method).values())))


def error_difference(results: Sequence[RunResult], method: str) -> ErrorDifference:
    """A method against direct fine-tuning, paired by training seed; negative is better.

    The interval is over training seeds alone: the held-out episodes are the same for all of them.
    """
    own, direct = _by_seed(results, method), _by_seed(results, DIRECT)
    return ErrorDifference(*paired([own[seed] - direct[seed] for seed in own if seed in direct]))


def joint_error(results: Sequence[RunResult], joint: str) -> tuple[float, float, float]:
    """Held-out error of one method at a joint, and its 95 % t interval over training seeds and held-out episodes.

    Args:
        results: of one method, one for each training seed.
        joint: its name.

    Returns:
        Mean, lower and upper end in the joint's unit; the ends are infinite with fewer than two seeds. Results that
        keep no error by episode have an interval over training seeds alone.
    """
    errors = np.array([_episodes(result)[joint] for result in results])
    mean, spread = crossed(errors, ())
    low, high = _ends(errors, mean, spread)
    return mean, max(low, 0.0) if np.isfinite(low) else low, high


def relative_differences(results: Sequence[RunResult]) -> list[Difference]:
    """Held-out error of every method minus that of direct fine-tuning, in shares of direct's error.

    Each joint is divided by its own mean error under direct fine-tuning, so that joints of different units count
    alike. The interval is over training seeds and held-out episodes; the verdicts share the error rate (Holm). A lower
    error helps, so here a negative mean does.

    Args:
        results: of one condition, with direct fine-tuning.
    """
    direct = {result.seed: _episodes(result) for result in results if result.method == DIRECT}
    # Joints that never moved with some seed are left out of its errors.
    joints = [j for j in next(iter(direct.values())) if all(j in _episodes(result) for result in results)]
    usual = {joint: float(np.mean([errors[joint] for errors in direct.values()])) for joint in joints}
    tested = {}
    for method in dict.fromkeys(result.method for result in results if result.method != DIRECT):
        own = {result.seed: _episodes(result) for result in results if result.method == method}
        seeds = [seed for seed in own if seed in direct]
        gaps = np.array([
            np.mean([np.subtract(own[seed][j], direct[seed][j]) / usual[j] for j in joints], axis=0) for seed in seeds
        ])  # fmt: skip
        tested[method] = (gaps, *crossed(gaps, ()))
    alone = [p_value(mean, spread) if np.ptp(gaps) > 0 else 1.0 for gaps, mean, spread in tested.values()]
    rows = []
    for (method, (gaps, mean, spread)), p, adjusted in zip(tested.items(), alone, holm(alone, len(alone)), strict=True):
        low, high = _ends(gaps, mean, spread)
        judged = Verdict.CANNOT_TELL if adjusted >= ERROR_RATE else Verdict.HELPS if mean < 0 else Verdict.HURTS
        by_seed = tuple(float(gap) for gap in gaps.mean(1))
        rows.append(Difference(method, DIRECT, mean, low, high, by_seed, judged, len(alone), p, adjusted, spread))
    return rows


def _ends(values: np.ndarray, mean: float, spread: Spread) -> tuple[float, float]:
    """The interval of a mean. Values that all agree show no spread, which is no certainty: it then spans everything."""
    return interval(mean, spread) if np.ptp(values) > 0 else (float("-inf"), float("inf"))


def _episodes(result: RunResult) -> Mapping[str, Sequence[float]]:
    """Errors by joint and held-out episode; one mean over them where results were kept without episodes."""
    return result.open_loop_episodes or {joint: (error,) for joint, error in result.open_loop.items()}


def errors_against_direct(results: Sequence[RunResult], methods: Sequence[str]) -> str:
    """Errors of several methods in words, each but the first, direct, with its difference and interval."""
    parts = [f"{DIRECT} {held_out_error(results, DIRECT):.3g}"]
    for method in methods:
        gap = error_difference(results, method)
        parts.append(f"{method} {held_out_error(results, method):.3g} ({signed(gap.mean, '.2g')}, {gap.interval})")
    return ", ".join(parts)


def _by_seed(results: Sequence[RunResult], method: str) -> dict[int, float]:
    """Mean over joints of each training seed."""
    return {r.seed: float(np.mean(list(r.open_loop.values()))) for r in results if r.method == method}
