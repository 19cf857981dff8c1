"""Crossed: the mean of outcomes over training seeds × rollout seeds, and how sure it is.

    y_sr = mean + training_s + situation_r + chance_sr
    Var(mean) = training / n + situation / R + chance / (n·R)

n training seeds are all rolled out from the same R start situations, so both are sampled and both add to the error. An
interval over training seeds alone is one for these situations only: a method that is better in some and worse in others
then seems to help or to hurt whenever the drawn ones happen to favour it.

Each part is estimated from mean squares (two-way layout without replication), degrees of freedom by Satterthwaite
(1946). `chance` has half a rollout added to each cell of its table (Agresti and Min 2005): seeds that happen to agree,
or methods that always or never succeed, leave an interval that is narrow but never without width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

# Values that one rollout can have, once for each cell of its table: one method (failed, succeeded), or a pair of
# methods (baseline only, neither, both, the method only).
SINGLE = (0.0, 1.0)
PAIRED = (-1.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Spread:
    """Variance components of one rollout's outcome, shares of success squared.

    Attributes:
        seeds: n, training seeds they were estimated from.
        rollouts: R, rollouts a training seed.
        training: between training seeds, beyond chance; 0 where that cannot be told, with one seed.
        situation: between rollout seeds, beyond chance.
        chance: of a single rollout within a training seed.
    """

    seeds: int
    rollouts: int
    training: float
    situation: float
    chance: float

    @property
    def known(self) -> bool:
        """Whether there are the two training seeds that an interval takes."""
        return self.seeds > 1

    def error(self, seeds: int, rollouts: int, training: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Standard error of the mean and its degrees of freedom at some budget.

        Args:
            seeds: training seeds, at least 2.
            rollouts: a training seed.
            training: other variances between training seeds to use, any shape; None for the one seen.
        """
        within = rollouts * np.asarray(self.training if training is None else training) + self.chance
        across = seeds * self.situation
        freedom = (within + across) ** 2 / (within**2 / (seeds - 1) + across**2 / max(rollouts - 1, 1))
        return np.sqrt((within + across) / (seeds * rollouts)), freedom


def crossed(outcomes: np.ndarray, table: Sequence[float]) -> tuple[float, Spread]:
    """Mean and variance components.

    Args:
        outcomes: `(n, R)`, training seeds × rollout seeds.
        table: `SINGLE` or `PAIRED`.
    """
    n, rollouts = outcomes.shape
    half, total = np.asarray(table), rollouts + len(table) / 2
    first = (outcomes.sum(1) + half.sum() / 2) / total
    second = ((outcomes**2).sum(1) + (half**2).sum() / 2) / total
    chance = float((second - first**2).mean())
    by_seed, by_rollout = outcomes.mean(1), outcomes.mean(0)
    training = max(float(by_seed.var(ddof=1)) - chance / rollouts, 0.0) if n > 1 else 0.0
    situation = max(float(by_rollout.var(ddof=1)) - chance / n, 0.0) if rollouts > 1 else 0.0
    return float(outcomes.mean()), Spread(n, rollouts, training, situation, chance)


def interval(mean: float, spread: Spread, confidence: float = 0.95) -> tuple[float, float]:
    """t interval of the mean; infinite with one training seed."""
    if not spread.known:
        return float("-inf"), float("inf")
    error, freedom = spread.error(spread.seeds, spread.rollouts)
    half = float(error * special.stdtrit(freedom, (1 + confidence) / 2))
    return mean - half, mean + half


def p_value(mean: float, spread: Spread) -> float:
    """Two-sided p of a mean of 0; 1 with one training seed."""
    if not spread.known:
        return 1.0
    error, freedom = spread.error(spread.seeds, spread.rollouts)
    return float(2 * special.stdtr(freedom, -abs(mean) / error))
