"""Score interval: a difference of paired proportions that a t interval would put beyond ±1.

    T(δ) = (d − δ) / √((2·q(δ) + δ·(1 − δ)) / n),    {δ: |T(δ)| ≤ t}

d is the share of pairs in which only the method succeeds minus that in which only the baseline does, q(δ) the most
likely share of the latter where the true difference is δ (Tango 1998). The variance vanishes at δ = ±1, so the interval
never leaves that range, and it is not symmetric.

Tango's n counts independent pairs. Rollouts of one training seed are none, so n is the number of independent pairs that
would have the standard error of the crossed layout (design effect, Kish 1965), and t has its degrees of freedom.
"""

import math

import numpy as np
from scipy import optimize, special

from ate.experiments.stats.variance_components import Spread, interval

# Where a difference of exactly ±1 is bracketed: there numerator and variance vanish together.
EDGE = 1e-9


def bounded(outcomes: np.ndarray, spread: Spread, confidence: float = 0.95) -> tuple[float, float]:
    """The t interval of the mean where it lies within [−1, 1], else the score interval; infinite with one seed.

    Where this interval leaves out zero, `variance_components.p_value` is below 1 − `confidence` too.

    Args:
        outcomes: paired differences of single rollouts, −1, 0 or 1, `(n, R)`.
        spread: of `crossed(outcomes, PAIRED)`.
        confidence: of the interval.
    """
    mean = float(outcomes.mean())
    low, high = interval(mean, spread, confidence)
    if not spread.known or (low >= -1 and high <= 1):
        return low, high
    error, freedom = spread.error(spread.seeds, spread.rollouts)
    better, worse = float((outcomes > 0).mean()), float((outcomes < 0).mean())
    # With more variance than discordant pairs have, T(0) would exceed the t of the verdict.
    variance = min(spread.training + spread.situation + spread.chance, better + worse)
    return score_interval(
        better, worse, variance / float(error) ** 2, float(special.stdtrit(freedom, (1 + confidence) / 2))
    )


def score_interval(better: float, worse: float, pairs: float, quantile: float) -> tuple[float, float]:
    """Tango's interval of `better − worse`, within [−1, 1].

    Args:
        better: share of pairs in which only the method succeeds.
        worse: share of pairs in which only the baseline succeeds.
        pairs: independent pairs, above 0, need not be whole.
        quantile: of |T|.
    """
    difference = better - worse

    def beyond(delta: float) -> float:
        """Above 0 where a true difference is rejected."""
        spread = 2 * most_likely(better, worse, delta) + delta * (1 - delta)
        return abs(difference - delta) * math.sqrt(pairs) - quantile * math.sqrt(max(spread, 0.0))

    ends = []
    for limit in (-1.0, 1.0):
        inside = difference + limit * EDGE
        end = limit if abs(inside) >= 1 else optimize.brentq(beyond, inside, limit)
        ends.append(float(end))
    return ends[0], ends[1]


def most_likely(better: float, worse: float, delta: float) -> float:
    """q(δ): the most likely share of pairs in which only the baseline succeeds, where the true difference is `delta`.

    The positive root of 2q² − (better + worse − (2 − d)·δ)·q − worse·δ·(1 − δ) = 0.
    """
    linear = better + worse - (2 - better + worse) * delta
    return (linear + math.sqrt(max(linear**2 + 8 * worse * delta * (1 - delta), 0.0))) / 4
