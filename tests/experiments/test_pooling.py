"""Pooling over studies: by hand, against known truth, and where there is nothing to go by."""

import numpy as np
import pytest
from scipy import stats

from ate.errors import InputError
from ate.experiments.results import RunResult
from ate.experiments.stats.pooling import pooled, recovered
from tests.methods import method as spec


def result(method, seed, rate, rollouts=100):
    success = tuple(i < round(rate * rollouts) for i in range(rollouts))
    return RunResult(spec(method, 0.0), seed, "sample", 5, success, (), (), (), {}, 0.0)


def study(gaps, base=0.5):
    rows = [result("direct", seed, base) for seed in range(len(gaps))]
    return rows + [result("method", seed, base + gap) for seed, gap in enumerate(gaps)]


def test_one_study_is_the_paired_t_interval():
    gaps = [0.1, 0.2, 0.0, 0.3]
    row = pooled({"one": study(gaps)}, "method", "direct")
    low, high = stats.t.interval(0.95, 3, np.mean(gaps), stats.sem(gaps))
    assert (row.mean, row.low, row.high) == pytest.approx((0.15, low, high))
    assert (row.better, row.studies) == (1, 1)


def test_studies_count_the_same_whatever_their_seeds_and_two_equal_ones_halve_the_variance():
    few, many = [0.1, 0.3], [0.0, 0.1, -0.1, 0.0, 0.0, 0.0]
    row = pooled({"few": study(few), "many": study(many)}, "method", "direct")
    assert row.mean == pytest.approx(0.1) and row.better == 1
    gaps = [0.1, 0.2, 0.0, 0.3]
    both = pooled({"a": study(gaps), "b": study(gaps)}, "method", "direct")
    # Equal variances: Satterthwaite's degrees of freedom are the sum of both.
    half = stats.t.ppf(0.975, 6) * stats.sem(gaps) / np.sqrt(2)
    assert (both.low, both.high) == pytest.approx((0.15 - half, 0.15 + half))
    assert both.verdict == "helps"


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        studies = {}
        for name, spread in (("a", 0.02), ("b", 0.1), ("c", 0.05)):
            gaps = rng.normal(0.05, spread, 8).clip(-0.45, 0.45)
            studies[name] = study(gaps)
        row = pooled(studies, "method", "direct")
        covered += row.low <= 0.05 <= row.high
    # 95 % of 300, within four standard deviations of that count.
    assert abs(covered - 285) < 4 * np.sqrt(300 * 0.95 * 0.05)


def test_without_spread_nothing_is_certain_and_a_missing_method_is_said():
    row = pooled({"one": study([0.1, 0.1])}, "method", "direct")
    assert row.verdict == "cannot tell" and np.isinf(row.low)
    with pytest.raises(InputError, match="baseline 'other'"):
        pooled({"one": study([0.1, 0.1])}, "method", "other")


def ends(low, mean, high):
    return {"mean": mean, "low": low, "high": high}


def test_intervals_of_studies_give_that_of_their_mean():
    """By hand: halves of 3 and 4 points give 5, over two studies 2.5; ends may lie unevenly, or nowhere."""
    row = recovered([ends(0.07, 0.1, 0.13), ends(-0.04, 0.0, 0.04)], "method", "direct")
    assert (row.mean, row.low, row.high) == pytest.approx((0.05, 0.025, 0.075))
    assert (row.better, row.studies) == (1, 2)
    uneven = recovered([ends(0.07, 0.1, 0.11), ends(-0.04, 0.0, 0.0)], "method", "direct")
    assert (uneven.low, uneven.high) == pytest.approx((0.025, 0.055))
    assert recovered([ends(None, 0.1, None)], "method", "direct").verdict == "cannot tell"


def test_one_study_recovered_is_its_own_t_interval_at_any_confidence():
    gaps = [0.1, 0.2, 0.0, 0.3]
    at_95 = pooled({"one": study(gaps)}, "method", "direct")
    for confidence in (0.95, 0.995):
        row = recovered([ends(at_95.low, at_95.mean, at_95.high)], "method", "direct", confidence, seeds=4)
        straight = pooled({"one": study(gaps)}, "method", "direct", confidence)
        assert (row.low, row.high) == pytest.approx((straight.low, straight.high))


@pytest.mark.slow
def test_recovered_intervals_cover_the_truth_at_least_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        rows = []
        for spread in (0.02, 0.1, 0.05):
            gaps = rng.normal(0.05, spread, 8)
            low, high = stats.t.interval(0.95, 7, gaps.mean(), stats.sem(gaps))
            rows.append(ends(low, gaps.mean(), high))
        row = recovered(rows, "method", "direct")
        covered += row.low <= 0.05 <= row.high
    # 95 % of 2,000, four standard deviations below that count; wider ones are allowed.
    assert covered > 1900 - 4 * np.sqrt(2000 * 0.95 * 0.05)
