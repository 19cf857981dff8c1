import math

import numpy as np
import pytest
from scipy import stats

from ate.experiments.stats.bootstrap import LEAST_SEEDS, Estimate, expanded, interquartile_mean, two_level
from ate.experiments.stats.variance_components import PAIRED, SINGLE, crossed, interval


def test_expanded_percentiles_reach_as_far_as_t():
    values = np.random.default_rng(0).normal(size=8)
    # The bootstrap's own standard error lacks the factor √(n / (n − 1)).
    reach = stats.norm.ppf((1 + expanded(8)) / 2) * values.std(ddof=0) / math.sqrt(8)
    assert reach == pytest.approx(stats.t.ppf(0.975, 7) * stats.sem(values))
    assert 0.95 < expanded(1000) < 0.951 < expanded(4)


def test_interquartile_mean_leaves_the_outer_quarters_out():
    found = interquartile_mean([0.0, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 1.0])
    assert found.value == pytest.approx(0.6) and found.low < 0.6 < found.high and found.known
    # One lucky draw moves the mean by 0.05, the interquartile mean not at all.
    assert interquartile_mean([0.4, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 1.0]).value == pytest.approx(0.6)
    assert interquartile_mean([0.2, 0.4]).value == pytest.approx(0.3)


@pytest.mark.parametrize("by_seed", [[0.3], [1.0] * 8, [0.0] * 3])
def test_no_interval_where_all_seeds_agree_or_there_is_one(by_seed):
    assert interquartile_mean(by_seed) == Estimate(by_seed[0], -math.inf, math.inf)


@pytest.mark.slow
def test_interquartile_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    draws = (interquartile_mean(rng.normal(0.5, 0.1, 8)) for _ in range(100))
    # At 95 %, fewer than 89 of 100 come up with p = 0.004.
    assert sum(found.low <= 0.5 <= found.high for found in draws) >= 89


def table(rng, seeds=8, rollouts=100, by_seed=0.3, by_situation=0.5):
    parts = by_seed * rng.normal(size=(seeds, 1)) + by_situation * rng.normal(size=(1, rollouts))
    return (parts + rng.normal(size=(seeds, rollouts)) > 0).astype(float)


@pytest.mark.parametrize(("by_seed", "by_situation"), [(0.3, 0.0), (0.0, 1.0), (0.3, 1.0)])
def test_two_levels_agree_with_the_analytic_interval(by_seed, by_situation):
    """On average over tables: one table's percentiles follow its own shape."""
    rng, ratios = np.random.default_rng(4), []
    for _ in range(30):
        outcomes = table(rng, 10, 60, by_seed, by_situation)
        low, high = interval(*crossed(outcomes, SINGLE))
        drawn = two_level(outcomes, SINGLE)
        assert drawn.value == outcomes.mean() and drawn.low < drawn.value < drawn.high
        ratios.append((drawn.high - drawn.low) / (high - low))
    assert np.median(ratios) == pytest.approx(1, abs=0.25)


def test_no_interval_from_fewer_seeds_than_its_percentiles_need():
    tails = {count: (1 - expanded(count)) / 2 for count in (2, 3, 4, 5, 6, 8)}
    assert [count for count, tail in tails.items() if count**-count <= tail] == [5, 6, 8] and LEAST_SEEDS == 5
    outcomes = table(np.random.default_rng(6), seeds=5)
    assert two_level(outcomes, SINGLE).known and not two_level(outcomes[:4], SINGLE).known
    assert interquartile_mean([0.1, 0.2, 0.3, 0.4, 0.5]).known and not interquartile_mean([0.1, 0.2, 0.3, 0.4]).known


def test_two_levels_are_drawn_the_same_each_time_and_by_their_seed():
    outcomes = table(np.random.default_rng(5))
    assert two_level(outcomes, SINGLE) == two_level(outcomes, SINGLE) != two_level(outcomes, SINGLE, seed=1)


@pytest.mark.parametrize("outcomes", [np.zeros((8, 100)), np.ones((8, 5)), np.eye(1, 100)])
def test_two_levels_say_so_where_nothing_varies(outcomes):
    assert not two_level(outcomes, PAIRED).known
