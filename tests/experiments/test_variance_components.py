"""Variance components against worlds whose components are known."""

import math

import numpy as np
import pytest
from scipy import stats

from ate.experiments.stats.variance_components import PAIRED, SINGLE, Spread, crossed, interval, p_value


def additive(rng, seeds, rollouts, training, situation, chance):
    parts = zip((training, situation, chance), ((seeds, 1), (1, rollouts), (seeds, rollouts)), strict=True)
    return sum(math.sqrt(variance) * rng.standard_normal(shape) for variance, shape in parts)


def test_components_of_a_large_table_are_those_it_was_made_of():
    _, spread = crossed(additive(np.random.default_rng(0), 300, 400, 0.2, 0.1, 0.5), PAIRED)
    # χ² with 299 and 399 degrees of freedom: 8 % and 7 % standard deviation.
    assert spread.training == pytest.approx(0.2, rel=0.25) and spread.situation == pytest.approx(0.1, rel=0.25)
    # What varies within a training seed is both chance and the situation.
    assert spread.chance == pytest.approx(0.6, rel=0.05)


def test_error_adds_the_parts_and_satterthwaite_weighs_their_freedom():
    spread = Spread(8, 100, training=0.01, situation=0.04, chance=0.3)
    error, freedom = spread.error(8, 100)
    assert error**2 == pytest.approx(0.01 / 8 + 0.04 / 100 + 0.3 / 800)
    within, across = 100 * 0.01 + 0.3, 8 * 0.04
    assert freedom == pytest.approx((within + across) ** 2 / (within**2 / 7 + across**2 / 99))
    assert Spread(8, 100, 0.01, 0.0, 0.3).error(8, 100)[1] == pytest.approx(7)


def test_with_nothing_by_situation_it_is_the_t_interval_over_seeds():
    rng = np.random.default_rng(1)
    # Seeds that differ far more than chance does, half of them better and half worse in every rollout.
    outcomes = np.repeat(rng.choice([-1.0, 1.0], (8, 1)), 50, 1)
    mean, spread = crossed(outcomes, PAIRED)
    values = outcomes.mean(1)
    half = stats.t.ppf(0.975, 7) * stats.sem(values)
    assert spread.situation == 0
    assert interval(mean, spread) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-9)


def test_the_same_situations_failed_by_all_seeds_are_no_evidence_about_others():
    outcomes = np.zeros((20, 100))
    outcomes[:, :20] = -1
    mean, spread = crossed(outcomes, PAIRED)
    low, high = interval(mean, spread)
    # 20 of 100 situations, whatever the number of seeds: √(0.2·0.8/100) = 4 points, t near 2.
    assert mean == pytest.approx(-0.2) and high - low == pytest.approx(4 * 0.04, rel=0.1)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_seeds_that_agree_leave_a_narrow_interval_never_one_without_width(value):
    mean, spread = crossed(np.full((8, 100), value), PAIRED)
    low, high = interval(mean, spread)
    assert low < value < high and 0.005 < high - low < 0.05
    assert (p_value(mean, spread) < 1e-6) == (value != 0)


def test_few_rollouts_that_agree_prove_nothing():
    mean, spread = crossed(np.ones((2, 3)), PAIRED)
    assert interval(mean, spread)[0] < 0 and p_value(mean, spread) > 0.05


def test_one_seed_gives_no_interval_and_one_rollout_does():
    mean, spread = crossed(np.ones((1, 100)), SINGLE)
    assert not spread.known and interval(mean, spread) == (-math.inf, math.inf) and p_value(mean, spread) == 1
    mean, spread = crossed(np.array([[1.0], [0.0], [1.0], [1.0]]), SINGLE)
    low, high = interval(mean, spread)
    assert spread.situation == 0 and low < mean == 0.75 < high < math.inf


def test_p_is_the_confidence_at_which_the_interval_ends_at_zero():
    rng = np.random.default_rng(2)
    mean, spread = crossed(additive(rng, 6, 40, 0.02, 0.05, 0.3) + 0.2, PAIRED)
    low, _ = interval(mean, spread, 1 - p_value(mean, spread))
    assert low == pytest.approx(0, abs=1e-9)
