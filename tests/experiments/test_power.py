"""Plans against an independent implementation, against each other, and against simulated runs."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from ate.experiments.stats.power import MOST_SEEDS, POWER, Plan, detectable, plans, power, seeds_needed
from ate.experiments.stats.variance_components import Spread
from tests.experiments.simulated import ACTING, World, planned

SEEN = Spread(seeds=8, rollouts=100, training=0.005, situation=0.0, chance=0.3)
# As good as known: so many seeds that the variance seen is the variance.
SURE = Spread(seeds=100_000, rollouts=100, training=0.005, situation=0.0, chance=0.3)


@pytest.mark.parametrize("comparisons", [1, 20])
@pytest.mark.parametrize("seeds", [3, 8, 30])
def test_a_known_spread_gives_the_power_of_a_t_test(seeds, comparisons):
    deviation = np.sqrt(0.005 + 0.3 / 100)
    expected = TTestPower().power(0.1 / deviation, seeds, 0.025 / comparisons, alternative="larger")
    assert power(SURE, 0.1, seeds, 100, comparisons) == pytest.approx(expected, abs=0.003)


def test_seeds_needed_equal_those_of_a_t_test_where_the_spread_is_known():
    deviation = np.sqrt(0.005 + 0.3 / 100)
    exact = TTestPower().solve_power(0.1 / deviation, None, 0.025, POWER, alternative="larger")
    assert seeds_needed(SURE, 0.1) == int(np.ceil(exact))


def test_a_plan_from_few_seeds_asks_for_more():
    few = Spread(3, 100, SEEN.training, 0.0, SEEN.chance)
    assert seeds_needed(SURE) < seeds_needed(SEEN) < seeds_needed(few)


def test_smaller_effects_and_more_comparisons_need_more_and_rollouts_save_only_so_much():
    assert seeds_needed(SEEN, 0.2) < seeds_needed(SEEN, 0.1) < seeds_needed(SEEN, 0.05)
    assert seeds_needed(SEEN, comparisons=1) < seeds_needed(SEEN, comparisons=20)
    planned = plans(SEEN)
    counts = [plan.seeds for plan in planned]
    assert [plan.rollouts for plan in planned] == [25, 50, 100, 200, 400] and counts == sorted(counts, reverse=True)
    assert counts[2] == seeds_needed(SEEN) and planned[2].total == 100 * counts[2]
    # The variance between training seeds stays: rollouts without end do not replace it.
    assert seeds_needed(SEEN, rollouts=10**6) > 5


def test_situations_too_few_for_an_effect_are_not_made_up_for_by_seeds():
    few_situations = Spread(8, 10, training=0.0, situation=0.1, chance=0.3)
    assert seeds_needed(few_situations, 0.05) is None and plans(few_situations, 0.05, rollouts=[10]) == [Plan(10, None)]
    assert Plan(10, None).total is None
    assert seeds_needed(few_situations, 0.05, rollouts=2000) < MOST_SEEDS


def test_the_detectable_effect_is_the_one_that_this_budget_settles():
    effect = detectable(SEEN, comparisons=20)
    assert power(SEEN, effect, 8, 100, 20) == pytest.approx(POWER, abs=0.01)
    assert seeds_needed(SEEN, effect + 0.001, 20) == 8 and detectable(SEEN) < effect


def test_one_seed_plans_nothing_and_a_hopeless_budget_sees_nothing():
    one = Spread(1, 100, 0.0, 0.0, 0.3)
    assert seeds_needed(one) is None and detectable(one) is None and plans(one, rollouts=[5]) == [Plan(5, None)]
    assert detectable(Spread(2, 2, 0.1, 0.0, 0.5), comparisons=50) is None


@pytest.mark.parametrize("comparisons", [1, 5])
@pytest.mark.slow
def test_plans_keep_their_power_in_new_runs(comparisons):
    """150 plans, each from a pilot of its own; `make truth` does 1,000 and 20 comparisons."""
    kept = planned(ACTING, 150, comparisons)
    # At a power of 80 %, fewer than 108 of 150 come up with p = 0.007.
    assert kept.helps >= 108


def test_a_plan_is_larger_where_methods_differ_more_from_seed_to_seed():
    assert planned(World(), 20, 1).seeds < planned(ACTING, 20, 1).seeds
