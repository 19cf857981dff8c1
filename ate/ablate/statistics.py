"""Statistics: Wilson intervals for success, paired t intervals for differences over training seeds, a verdict.

Rollouts of one trained policy are not independent evidence about a method, training seeds are: differences are
formed seed by seed (same demonstrations, batches, noise and rollout seeds) and the interval is over seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ate.ablate.results import RunResult
from ate.errors import InputError


@dataclass(frozen=True)
class ArmSummary:
    """Success of one arm.

    Attributes:
        arm: its name.
        successes: rollouts that succeeded, all seeds together.
        trials: rollouts.
        rate: share, in [0, 1].
        low: lower end of the 95 % Wilson interval (treats rollouts as independent).
        high: upper end.
        by_seed: success rate of each training seed.
        closest: median closest distance of tool and object, metres.
    """

    arm: str
    successes: int
    trials: int
    rate: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    closest: float


@dataclass(frozen=True)
class Difference:
    """An arm against a baseline, paired by training seed, in shares of success.

    Attributes:
        arm: its name.
        baseline: the other's.
        mean: mean paired difference.
        low: lower end of the 95 % paired t interval over seeds.
        high: upper end.
        by_seed: the differences.
        verdict: `"helps"`, `"hurts"` or `"cannot tell"`, at an error rate shared by `comparisons`.
        comparisons: how many comparisons the verdict pays for (Bonferroni).
    """

    arm: str
    baseline: str
    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    verdict: str
    comparisons: int = 1


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a success rate (Wilson 1927)."""
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def summarise(results: Sequence[RunResult]) -> list[ArmSummary]:
    """One summary an arm, in order of first appearance."""
    summaries = []
    for arm in dict.fromkeys(result.arm for result in results):
        mine = sorted((r for r in results if r.arm == arm), key=lambda r: r.seed)
        flat = np.concatenate([r.success for r in mine])
        successes, trials = int(flat.sum()), len(flat)
        low, high = wilson(successes, trials)
        by_seed = tuple(float(np.mean(r.success)) for r in mine)
        closest = float(np.median(np.concatenate([r.closest for r in mine])))
        summaries.append(ArmSummary(arm, successes, trials, successes / trials, low, high, by_seed, closest))
    return summaries


def paired(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean and t interval of paired differences over seeds; infinite with fewer than two.

    Where all differences agree to the last bit the t interval has no width; that is no certainty, so the
    interval then spans everything as well.
    """
    mean = float(np.mean(values))
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, float("-inf"), float("inf")
    half = float(stats.sem(values) * stats.t.ppf((1 + confidence) / 2, len(values) - 1))
    return mean, mean - half, mean + half


def differences(results: Sequence[RunResult], baseline: str = "direct", arms: int | None = None) -> list[Difference]:
    """Every other arm against the baseline, paired by seed.

    Args:
        results: runs of all arms.
        baseline: name of the arm to compare with.
        arms: how many comparisons share the error rate (Bonferroni); None takes as many as there are arms to
            compare, so that the verdict "helps" of the best of many cells is honest.

    Raises:
        InputError: no run of the baseline, or an arm whose seeds differ from the baseline's.
    """
    base = {r.seed: float(np.mean(r.success)) for r in results if r.arm == baseline}
    if not base:
        raise InputError(
            f"arms {sorted({r.arm for r in results})}",
            where="results to compare",
            expected=f"the baseline {baseline!r} among them",
            way_out="train the λ = 0 arm with the same seeds",
        )
    names = [name for name in dict.fromkeys(r.arm for r in results) if name != baseline]
    family = arms or max(len(names), 1)
    rows = []
    for name in names:
        mine = {r.seed: float(np.mean(r.success)) for r in results if r.arm == name}
        if set(mine) != set(base):
            raise InputError(
                f"seeds {sorted(mine)} of {name!r} against {sorted(base)} of {baseline!r}",
                where="results to compare",
                expected="the same training seeds",
                way_out="train both arms with the same seeds",
            )
        gaps = tuple(mine[seed] - base[seed] for seed in sorted(base))
        mean, low, high = paired(gaps)
        _, strict_low, strict_high = paired(gaps, 1 - 0.05 / family)
        verdict = "helps" if strict_low > 0 else "hurts" if strict_high < 0 else "cannot tell"
        rows.append(Difference(name, baseline, mean, low, high, gaps, verdict, family))
    return rows


def seeds_needed(by_seed: Sequence[float], effect: float, power: float = 0.8, confidence: float = 0.95) -> int | None:
    """Training seeds a paired t test needs to see `effect` (a share of success), from the seen spread.

    Returns:
        The number, or None with fewer than two differences or no spread.
    """
    if len(by_seed) < 2 or np.ptp(by_seed) == 0:
        return None
    spread = float(np.std(by_seed, ddof=1))
    for count in range(2, 1001):
        critical = stats.t.ppf((1 + confidence) / 2, count - 1)
        if 1 - stats.nct.cdf(critical, count - 1, effect / spread * np.sqrt(count)) >= power:
            return count
    return 1001


def verdict(row: Difference, effect: float = 0.1) -> str:
    """The comparison in one sentence, with its interval, its seeds and the budget that would settle it."""
    points = f"{100 * row.mean:+.1f} points"
    if not np.isfinite(row.low):
        seeds = f"{len(row.by_seed)} seed(s) without spread give no interval"
        return f"{row.arm} against {row.baseline}: {points}; {seeds}: cannot tell."
    paid = f", verdict corrected for {row.comparisons} comparisons" if row.comparisons > 1 else ""
    text = (
        f"{row.arm} against {row.baseline}: {points} (95 % interval {100 * row.low:+.1f} to {100 * row.high:+.1f}, "
        f"{len(row.by_seed)} paired seeds{paid}): {row.verdict}."
    )
    needed = seeds_needed(row.by_seed, effect, confidence=1 - 0.05 / row.comparisons)
    if row.verdict == "cannot tell" and needed is not None:
        count = "more than 1,000" if needed > 1000 else f"about {needed}"
        text += f" By the spread seen, an effect of {100 * effect:.0f} points would need {count} seeds."
    return text
