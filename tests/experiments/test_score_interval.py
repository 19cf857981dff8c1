"""The score interval of paired proportions against its definition, solved another way, and against worlds of seeds."""

import math

import numpy as np
import pytest
from scipy import optimize

from ate.experiments.stats.score_interval import bounded, most_likely, score_interval
from ate.experiments.stats.variance_components import PAIRED, crossed, interval, p_value


def log_likelihood(worse, better_count, worse_count, same_count, delta):
    """Of a multinomial over pairs whose shares are `worse + delta`, `worse`, and the rest."""
    shares = np.clip([worse + delta, worse, 1 - 2 * worse - delta], 1e-300, None)
    return float(np.dot([better_count, worse_count, same_count], np.log(shares)))


def by_search(counts, delta):
    """The most likely share of pairs that only the baseline solves, at a true difference, by search."""
    found = optimize.minimize_scalar(
        lambda q: -log_likelihood(q, *counts, delta), bounds=(max(0.0, -delta), (1 - delta) / 2), method="bounded",
        options={"xatol": 1e-12},
    )  # fmt: skip
    return found.x


@pytest.mark.parametrize("counts", [(12, 2, 36), (1, 9, 10), (40, 20, 100), (3, 0, 7)])
def test_ends_are_the_differences_whose_score_statistic_is_the_quantile(counts):
    better, worse, _ = counts
    pairs, d = sum(counts), (better - worse) / sum(counts)
    ends = score_interval(better / pairs, worse / pairs, pairs, 1.959964)
    assert -1 < ends[0] < d < ends[1] < 1
    for delta in ends:
        q = by_search(counts, delta)
        assert most_likely(better / pairs, worse / pairs, delta) == pytest.approx(q, abs=1e-5)
        # Variance of the difference of two shares that cannot both be had: p12 + p21 − δ², with p12 = q + δ.
        error = math.sqrt(((q + delta) + q - delta**2) / pairs)
        assert abs(d - delta) / error == pytest.approx(1.959964, rel=1e-3)


def test_a_method_that_always_or_never_wins_has_an_end_there():
    low, high = score_interval(1.0, 0.0, 10, 1.959964)
    # All other pairs are then most likely discordant the other way, the variance is (1 − δ²)/n: (n − z²)/(n + z²).
    assert high == 1 and low == pytest.approx((10 - 1.959964**2) / (10 + 1.959964**2), abs=1e-6)
    assert score_interval(0.0, 1.0, 10, 1.959964) == pytest.approx((-1, -low), abs=1e-6)


def seeds_of(rng, seeds, rollouts, better, worse, spread):
    """Differences of rollouts whose shares differ between training seeds."""
    shift = rng.normal(0, spread, (seeds, 1))
    draws = rng.random((seeds, rollouts))
    return np.where(draws < better + shift, 1.0, np.where(draws > 1 - worse, -1.0, 0.0))


def test_within_range_it_is_the_t_interval_and_beyond_it_another_within():
    rng = np.random.default_rng(0)
    calm = seeds_of(rng, 8, 50, 0.3, 0.1, 0.05)
    mean, spread = crossed(calm, PAIRED)
    assert bounded(calm, spread) == interval(mean, spread)
    beyond = 0
    for number in range(60):
        outcomes = seeds_of(np.random.default_rng(number), 2, 50, 0.45, 0.05, 0.15)
        mean, spread = crossed(outcomes, PAIRED)
        low, high = bounded(outcomes, spread)
        assert -1 <= low < mean < high <= 1
        # The verdict is by p: an interval that leaves out zero must not contradict it.
        assert (low <= 0 <= high) or p_value(mean, spread) < 0.05
        beyond += interval(mean, spread)[1] > 1
    assert beyond > 10


def test_it_holds_the_truth_with_two_seeds_that_differ():
    held = []
    for number in range(300):
        outcomes = seeds_of(np.random.default_rng(number), 2, 20, 0.6, 0.05, 0.12)
        _, spread = crossed(outcomes, PAIRED)
        low, high = bounded(outcomes, spread)
        held.append(low <= 0.55 <= high)
    # Three standard deviations of 300 draws below 95 %.
    assert np.mean(held) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 300)


def test_one_seed_has_no_interval():
    outcomes = np.array([[1.0, 0.0, -1.0, 1.0]])
    assert bounded(outcomes, crossed(outcomes, PAIRED)[1]) == (-math.inf, math.inf)
