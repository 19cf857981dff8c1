"""Power: the budget, training seeds × rollouts, that settles an effect of a given size.

    P("helps" | effect) = E[ P(T > t_{1 − α/2m}) ],    T noncentral t with effect / error(seeds, rollouts)

m comparisons share α. The variance between training seeds comes from few of them: taken as it was seen, a plan falls
short of its power more often than not. The outer mean is over what it may be, seen·ν/χ²_ν with ν = seeds seen − 1
(assurance, O'Hagan, Stevens and Campbell 2005), so a plan from three seeds asks for more than one from eight.
A plan holds for seeds that are new: seeds added until the verdict pleases are no test.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from ate.experiments.stats.variance_components import Spread

EFFECT = 0.1
POWER = 0.8
# Beyond it a plan is no plan.
MOST_SEEDS = 1000
# Equal shares of the χ² distribution that the outer mean is taken over.
_SHARES = (np.arange(60) + 0.5) / 60


@dataclass(frozen=True)
class Plan:
    """One way to settle an effect.

    Attributes:
        rollouts: a training seed and method.
        seeds: training seeds; None where more than `MOST_SEEDS` would not do.
    """

    rollouts: int
    seeds: int | None

    @property
    def total(self) -> int | None:
        """Rollouts of one method over all its training seeds."""
        return None if self.seeds is None else self.seeds * self.rollouts


def power(spread: Spread, effect: float, seeds: int, rollouts: int, comparisons: int = 1) -> float:
    """Probability that new runs with this budget say "helps" of a true effect.

    Args:
        spread: variance components that were seen, from at least two training seeds.
        effect: true difference in shares of success, above 0.
        seeds: training seeds of the new runs.
        rollouts: a training seed.
        comparisons: how many share the error rate of 5 %; Holm's first step, so a little more in truth.
    """
    freedom = spread.seeds - 1
    estimated = spread.rollouts * spread.training + spread.chance
    possible = estimated * freedom / stats.chi2.ppf(_SHARES, freedom)
    training = np.maximum(possible - spread.chance, 0) / spread.rollouts
    error, degrees = spread.error(seeds, rollouts, training)
    # One tail, the one that says "helps"; the other is never the answer that is planned for.
    critical = stats.t.isf(0.025 / comparisons, degrees)
    return float(np.mean(stats.nct.sf(critical, degrees, effect / error)))


def seeds_needed(
    spread: Spread, effect: float = EFFECT, comparisons: int = 1, rollouts: int | None = None, target: float = POWER
) -> int | None:
    """Fewest training seeds that reach a power; arguments as `power`.

    Args:
        spread: variance components that were seen.
        effect: to settle.
        comparisons: that share the error rate.
        rollouts: a training seed; None as many as were seen.
        target: power to reach.

    Returns:
        The number, or None where one seed shows no spread, or where `MOST_SEEDS` would not do.
    """
    if not spread.known:
        return None
    counts = range(2, MOST_SEEDS + 1)
    each = rollouts or spread.rollouts
    index = bisect_left(counts, target, key=lambda count: power(spread, effect, count, each, comparisons))
    return counts[index] if index < len(counts) else None


def plans(
    spread: Spread,
    effect: float = EFFECT,
    comparisons: int = 1,
    rollouts: Sequence[int] = (25, 50, 100, 200, 400),
    target: float = POWER,
) -> list[Plan]:
    """Training seeds needed for each number of rollouts; arguments as `seeds_needed`."""
    return [Plan(count, seeds_needed(spread, effect, comparisons, count, target)) for count in rollouts]


def detectable(spread: Spread, comparisons: int = 1, target: float = POWER) -> float | None:
    """Smallest effect that the budget seen settles with a power; None where it settles none."""

    def short(effect: float) -> float:
        return power(spread, effect, spread.seeds, spread.rollouts, comparisons) - target

    if not spread.known or short(1.0) < 0:
        return None
    return float(optimize.brentq(short, 1e-6, 1.0, xtol=1e-4))
