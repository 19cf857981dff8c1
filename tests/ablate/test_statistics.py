import math

import numpy as np
import pytest

from ate.ablate import RunResult, differences, summarise, verdict, wilson
from ate.ablate.statistics import paired, seeds_needed
from ate.ablate.summary import arm_rows, bottom_line, comparison_sentences, control_sentences, grid_sentences
from ate.errors import InputError


def result(arm, seed, rate, rollouts=100, meter=(), **more):
    success = tuple(i < round(rate * rollouts) for i in range(rollouts))
    guided = arm != "direct"
    values = {
        "arm": arm,
        "seed": seed,
        "parameterization": "sample",
        "demonstrations": 5,
        "lam": 2.0 if guided else 0.0,
        "clamp": math.inf,
        "encoder": "aligned" if guided else "none",
        "success": success,
        "closest": (0.1,) * rollouts,
        "loss": ({"step": 1, "loss": 0.5},),
        "meter": meter,
        "open_loop": {"joint1": 0.01, "gripper": 0.03},
        "seconds": 1.0,
    }
    return RunResult(**{**values, **more})


def test_wilson_equals_its_formula():
    n, k, z = 100, 43, 1.959963984540054
    p = k / n
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert wilson(k, n) == pytest.approx((center - half, center + half), abs=1e-9)
    assert wilson(0, 10)[0] == 0 and wilson(10, 10)[1] == pytest.approx(1)


def test_paired_interval_equals_a_t_table():
    mean, low, high = paired([0.1, 0.2, 0.3, 0.4])
    half = 3.182446 * math.sqrt(0.05 / 3) / 2  # t(0.975, 3) and the sample deviation, by hand
    assert (mean, low, high) == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=1e-6)
    assert paired([0.3])[1:] == (-math.inf, math.inf) and paired([0.3, 0.3])[1:] == (-math.inf, math.inf)


def test_summaries_and_differences_pair_by_seed():
    rates = {"direct": [0.5, 0.6, 0.4], "ATE": [0.7, 0.8, 0.61]}
    results = [result(arm, s, r) for arm, rs in rates.items() for s, r in enumerate(rs)]
    one, two = summarise(results[::-1])
    assert {one.arm, two.arm} == set(rates)
    assert {row.arm: row.by_seed for row in (one, two)}["direct"] == (0.5, 0.6, 0.4)
    (row,) = differences(results)
    assert row.by_seed == pytest.approx((0.2, 0.2, 0.21)) and row.verdict == "helps"
    assert "helps" in verdict(row) and "3 paired seeds" in verdict(row)


def test_verdict_pays_for_many_comparisons():
    gaps = [0.10, 0.02, 0.09, 0.05]  # t = 3.7 with 3 degrees of freedom: 0.034 alone, not below 0.05/20
    results = [result("direct", s, 0.5) for s in range(4)] + [result("a", s, 0.5 + g) for s, g in enumerate(gaps)]
    assert differences(results, arms=1)[0].verdict == "helps"
    assert differences(results, arms=20)[0].verdict == "cannot tell"


def test_false_helps_are_rare_without_an_effect():
    """400 simulated sweeps of 6 cells and 5 seeds without effect: at most 5 % may say "helps" anywhere."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        base = rng.binomial(100, 0.5, 5) / 100
        results = [result("direct", s, r) for s, r in enumerate(base)]
        for cell in range(6):
            results += [result(f"c{cell}", s, r) for s, r in enumerate(rng.binomial(100, 0.5, 5) / 100)]
        wrong += any(row.verdict == "helps" for row in differences(results))
    # One-sided share of a two-sided 5 % family is 2.5 %; 400 draws of 2.5 % exceed 20 with p = 0.002.
    assert wrong <= 20


def test_seeds_needed_matches_a_simulation():
    spread, effect = 0.1, 0.1
    gaps = spread * np.array([-1.0, 1.0]) / math.sqrt(2)  # sample deviation 0.1
    needed = seeds_needed(gaps, effect)
    rng = np.random.default_rng(1)
    draws = rng.normal(effect, spread, (4000, needed))
    low = draws.mean(1) - draws.std(1, ddof=1) / math.sqrt(needed) * 2.262157  # t(0.975, 9)
    assert needed == 10 and 0.77 < (low > 0).mean() < 0.83
    assert seeds_needed([0.1], 0.1) is None


def test_comparisons_without_baseline_or_with_other_seeds_are_refused():
    with pytest.raises(InputError, match="baseline 'direct'"):
        differences([result("ATE", 0, 0.5)])
    with pytest.raises(InputError, match="same training seeds"):
        differences([result("direct", 0, 0.5), result("ATE", 1, 0.5)])


def test_results_survive_their_tree():
    one = result("ATE", 3, 0.5, meter=({"t_low": 0.0, "t_high": 0.1, "ratio": 0.2, "clamped": 0.0},))
    assert RunResult.from_tree(one.to_tree()) == one and one.to_tree()["clamp"] is None


def test_rows_and_sentences_with_and_without_a_simulator():
    meter = ({"t_low": 0.0, "t_high": 0.1, "ratio": 1e-5, "clamped": 0.0, "cosine": 0.0, "samples": 9.0},)
    results = [result("direct", s, 0.5 + 0.01 * s) for s in range(3)]
    results += [result("ATE", s, 0.5 - 0.02 * s, meter=meter) for s in range(3)]
    rows = {row["arm"]: row for row in arm_rows(results)}
    assert rows["direct"]["success"] == "153 of 300" and rows["ATE"]["guidance"] == "inactive"
    assert rows["ATE"]["held-out error"] == pytest.approx(0.02)
    assert any("inactive" in line and "cannot tell" in line for line in comparison_sentences(results))
    assert "of 1 cells" in grid_sentences(results)[0]
    blind = [RunResult.from_tree({**r.to_tree(), "success": [], "closest": []}) for r in results]
    assert "success" not in arm_rows(blind)[0] and "no simulator" in comparison_sentences(blind)[0]
    assert "no simulator" in grid_sentences(blind)[0]


def test_the_bottom_line_needs_both_direct_and_the_control():
    # Per cent, by seed: ATE is 21 points above direct, and the control is now above it, now below.
    rates = {"direct": [50] * 6, "scratch": [10] * 6, "ATE": [70, 71, 72] * 2, "random encoder": [72, 71, 70] * 2}
    results = [result(arm, s, rate / 100) for arm, row in rates.items() for s, rate in enumerate(row)]
    line = bottom_line(results, "arm")
    # Differences 20, 21, 22 twice: standard deviation 0.894, t of 5 degrees of freedom 2.571, so 21 ± 0.94.
    assert "does better than direct fine-tuning (+21.0 points, 95 % interval +20.1 to +21.9)" in line
    assert "cannot be told apart, at this budget, from guidance by a random encoder" in line


def test_a_form_is_held_against_each_of_its_controls():
    rates = {"direct": [50] * 4, "auxiliary": [60, 61, 62, 61], "auxiliary, random": [50, 50, 51, 51]}
    results = [result(arm, s, rate / 100) for arm, row in rates.items() for s, rate in enumerate(row)]
    (line,) = control_sentences(results)
    assert "auxiliary against auxiliary, random: +10.5 points" in line and "helps" in line
    blind = [RunResult.from_tree({**r.to_tree(), "success": [], "closest": []}) for r in results]
    assert control_sentences(blind) == []
