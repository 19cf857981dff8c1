import math
import re
from dataclasses import replace

import numpy as np
import pytest

from ate.errors import InputError
from ate.experiments import RunResult, differences, summarise, verdict, wilson
from ate.experiments.base_policy import BaseRow, BaseSuccess
from ate.experiments.stats.comparisons import Verdict, curve, improvement, paired
from ate.experiments.stats.power import detectable, seeds_needed
from ate.experiments.stats.variance_components import PAIRED, crossed, interval
from ate.experiments.summary import (
    TOO_SMALL,
    bottom_line,
    budget,
    comparison_sentences,
    control_sentences,
    grid_sentences,
    method_rows,
)
from tests.methods import method as spec


def result(method, seed, rate, rollouts=100, meter=(), encoder="aligned", **more):
    success = tuple(i < round(rate * rollouts) for i in range(rollouts))
    values = {
        "spec": spec(method, 0.0 if method in ("direct", "scratch") else 2.0, encoder=encoder),
        "seed": seed,
        "parameterization": "sample",
        "demonstrations": 5,
        "success": success,
        "closest": (0.1,) * rollouts,
        "loss": ({"step": 1, "loss": 0.5},),
        "meter": meter,
        "open_loop": {"joint1": 0.01, "gripper": 0.03},
        "seconds": 1.0,
    }
    return RunResult(**{**values, **more})


def test_wilson_is_the_score_interval_and_its_ends_are_exact():
    # Its ends are the shares p with |k/n − p| = z·√(p(1 − p)/n), here solved by hand for z = 1.959964.
    for k, n in [(43, 100), (2.5, 4), (7.5, 8), (799, 800)]:
        for p in wilson(k, n):
            assert abs(k / n - p) == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / n), rel=1e-6)
    # Without a success the upper end is z²/(n + z²).
    assert wilson(0, 10) == pytest.approx((0, 3.841459 / 13.841459), rel=1e-6)
    assert all(wilson(0, n)[0] == 0 and wilson(n, n)[1] == 1 for n in range(1, 101))
    assert wilson(43, 100, 0.99)[0] < wilson(43, 100)[0] < 0.43
    assert wilson(7, 8)[0] < wilson(7.5, 8)[0] < wilson(8, 8)[0]


def test_a_budget_from_which_nothing_follows_says_so():
    small = [result(method, seed, 0.5, 10, steps=20) for method in ("direct", "a") for seed in range(2)]
    assert budget(small).endswith(TOO_SMALL)
    for enough in ({"steps": 100}, {"success": (True,) * 20}):
        assert TOO_SMALL not in budget([replace(run, **enough) for run in small])


def test_paired_interval_equals_a_t_table():
    mean, low, high = paired([0.1, 0.2, 0.3, 0.4])
    half = 3.182446 * math.sqrt(0.05 / 3) / 2  # t(0.975, 3) and the sample deviation, by hand
    assert (mean, low, high) == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=1e-6)
    assert paired([0.3])[1:] == (-math.inf, math.inf) and paired([0.3, 0.3])[1:] == (-math.inf, math.inf)


def test_summaries_and_differences_pair_by_seed():
    rates = {"direct": [0.5, 0.6, 0.4], "ATE": [0.7, 0.8, 0.61]}
    results = [result(method, s, r) for method, rs in rates.items() for s, r in enumerate(rs)]
    one, two = summarise(results[::-1])
    assert {one.method, two.method} == set(rates)
    assert {row.method: row.by_seed for row in (one, two)}["direct"] == (0.5, 0.6, 0.4)
    (row,) = differences(results)
    assert row.by_seed == pytest.approx((0.2, 0.2, 0.21)) and row.verdict == "helps"
    assert "helps" in verdict(row) and "3 paired seeds" in verdict(row)


def random(method, seed, rate, rng, rollouts=100):
    success = tuple((rng.random(rollouts) < rate).tolist())
    return result(method, seed, rate, rollouts, success=success)


def test_verdict_pays_for_many_comparisons():
    rng = np.random.default_rng(0)
    results = [random("direct", s, 0.5, rng) for s in range(6)] + [random("a", s, 0.63, rng) for s in range(6)]
    (alone,) = differences(results)
    enough = int(0.05 / alone.p)
    (just,), (many,) = differences(results, methods=enough), differences(results, methods=enough + 1)
    assert alone.p == alone.adjusted == many.p and many.adjusted == pytest.approx((enough + 1) * many.p)
    assert (alone.verdict, just.verdict, many.verdict) == ("helps", "helps", "cannot tell")
    assert (alone.low, alone.high) == (many.low, many.high) and alone.low > 0


def test_adjusted_p_values_are_holms():
    rng = np.random.default_rng(1)
    rates = {"direct": 0.5, "a": 0.8, "b": 0.62, "c": 0.5, "d": 0.4, "e": 0.53}
    results = [random(method, seed, rate, rng) for method, rate in rates.items() for seed in range(5)]
    rows = differences(results)
    assert [row.adjusted for row in rows] == pytest.approx(stepped([row.p for row in rows], 5))
    assert {row.comparisons for row in rows} == {5}
    assert {row.verdict is Verdict.CANNOT_TELL for row in rows if row.adjusted >= 0.05} == {True}
    # Comparisons that were made elsewhere count as if they showed nothing.
    assert [row.adjusted for row in differences(results, methods=8)] == pytest.approx(stepped([r.p for r in rows], 8))
    assert stepped([0.01, 0.04, 0.03], 3) == pytest.approx([0.03, 0.06, 0.06])
    with pytest.raises(InputError) as refused:
        differences(results, methods=3)
    assert refused.value.got == "3 for 5 methods"


def stepped(alone, family):
    """Holm's adjustment by its definition: the k-th smallest times family − k + 1, and never below its predecessor."""
    adjusted, least = [0.0] * len(alone), 0.0
    for rank, index in enumerate(sorted(range(len(alone)), key=alone.__getitem__)):
        adjusted[index] = least = max(least, min(1.0, alone[index] * (family - rank)))
    return adjusted


def test_the_interval_is_over_seeds_and_rollouts():
    rng = np.random.default_rng(2)
    results = [random(method, seed, 0.5, rng) for method in ("direct", "a") for seed in range(8)]
    (row,) = differences(results)
    outcomes = [np.array(r.success, float) for r in results]
    mean, spread = crossed(np.stack(outcomes[8:]) - np.stack(outcomes[:8]), PAIRED)
    assert (row.mean, row.spread) == (mean, spread) and (row.low, row.high) == interval(mean, spread)
    assert row.by_seed == pytest.approx([a.mean() - b.mean() for a, b in zip(outcomes[8:], outcomes[:8], strict=True)])


@pytest.mark.parametrize(("base", "rate", "said"), [(0, 1, "helps"), (1, 0, "hurts"), (0, 0, ""), (1, 1, "")])
def test_methods_that_always_or_never_succeed_get_a_verdict(base, rate, said):
    results = [result("direct", s, base) for s in range(4)] + [result("a", s, rate) for s in range(4)]
    (row,) = differences(results)
    assert row.verdict == (said or "cannot tell") and row.mean == rate - base
    # No difference is beyond ±1: the end on that side is the mean itself.
    assert -1 <= row.low <= row.mean <= row.high <= 1 and 0 < row.high - row.low < 0.1
    if not said:
        # Nothing was seen to differ, and an effect of 10 points would have been.
        assert "of 10 points" not in verdict(row) and row.high < 0.1


def test_one_seed_gives_no_interval_and_says_so():
    (row,) = differences([result("direct", 0, 0.1), result("a", 0, 0.9)])
    assert row.verdict == "cannot tell" and row.low == -math.inf
    assert verdict(row).endswith("one training seed gives no interval: cannot tell.")


def test_cannot_tell_names_the_budget_that_would():
    rng = np.random.default_rng(3)
    rates = {"direct": [0.5] * 4, "a": [0.5, 0.6, 0.4, 0.55], "b": [0.6, 0.4, 0.5, 0.5]}
    results = [random(method, s, rate, rng) for method, row in rates.items() for s, rate in enumerate(row)]
    row = differences(results)[0]
    needed, alone = seeds_needed(row.spread, 0.1, 2), seeds_needed(row.spread, 0.1)
    line = verdict(row)
    assert row.verdict == "cannot tell" and "4 paired seeds × 100 rollouts" in line
    assert f"It shows effects from {100 * detectable(row.spread, 2):.0f} points on with 80 % power" in line
    assert f"10 points would need about {needed} seeds, or for this method alone about {alone} new ones" in line
    assert "after Holm over 2 comparisons" in line and needed > alone


def test_probability_of_improvement_counts_ties_half():
    found = improvement([0.1, 0.0, -0.1, 0.2])
    assert found.value == 2.5 / 4 and (found.low, found.high) == wilson(2.5, 4)
    assert improvement([0.1] * 8).low == wilson(8, 8)[0] < 1 == improvement([0.1] * 8).high


def test_curves_have_a_point_an_method_and_number_with_intervals():
    rng, rates = np.random.default_rng(4), {5: (0.3, 0.6), 25: (0.7, 0.75)}
    results = [
        result(method, seed, rate, success=random(method, seed, rate, rng).success, demonstrations=count)
        for count, pair in rates.items() for method, rate in zip(("direct", "ATE"), pair, strict=True)
        for seed in range(6)
    ]  # fmt: skip
    points = curve(results[::-1])
    assert [(p.method, p.at) for p in points] == [("ATE", 5), ("ATE", 25), ("direct", 5), ("direct", 25)]
    ate, _, direct, _ = points
    assert 0 <= ate.low < ate.rate < ate.high <= 1 and ate.rate == pytest.approx(0.6, abs=0.1) and ate.seeds == 6
    assert direct.difference is None and ate.difference.verdict == "helps" and ate.difference.comparisons == 2
    assert ate.difference.mean == pytest.approx(ate.rate - direct.rate)
    alone = curve([r for r in results if r.method == "ATE"])
    assert [p.difference for p in alone] == [None, None]


def test_curves_over_steps_and_over_nothing_else():
    results = [result(method, 0, 0.5, steps=steps) for method in ("direct", "ATE") for steps in (600, 60)]
    points = curve(results, over="steps")
    assert [p.at for p in points] == [60, 600, 60, 600] and (points[0].low, points[0].high) == (0, 1)
    with pytest.raises(InputError, match="did you mean 'steps'"):
        curve(results, over="step")
    with pytest.raises(InputError, match="number of demonstrations and of steps at a time"):
        curve(results)


def test_comparisons_without_baseline_or_with_other_seeds_are_refused():
    with pytest.raises(InputError, match="baseline 'direct'"):
        differences([result("ATE", 0, 0.5)])
    with pytest.raises(InputError, match="same training seeds"):
        differences([result("direct", 0, 0.5), result("ATE", 1, 0.5)])
    with pytest.raises(InputError, match=r"\[10\] rollouts of 'ATE'"):
        differences([result("direct", 0, 0.5), result("ATE", 0, 0.5, rollouts=10)])
    with pytest.raises(InputError, match="seed 0 of 'direct' twice"):
        differences([result("direct", 0, 0.5), result("direct", 0, 0.5, demonstrations=25)])
    with pytest.raises(InputError, match="without rollouts"):
        summarise([result("direct", 0, 0.5, rollouts=0)])


def test_results_survive_their_tree():
    one = result("ATE", 3, 0.5, meter=({"t_low": 0.0, "t_high": 0.1, "ratio": 0.2, "clamped": 0.0},))
    assert RunResult.from_tree(one.to_tree()) == one and one.to_tree()["spec"]["guidance"]["clamp"] == "inf"


def test_rows_and_sentences_with_and_without_a_simulator():
    meter = ({"t_low": 0.0, "t_high": 0.1, "ratio": 1e-5, "clamped": 0.0, "cosine": 0.0, "samples": 9.0},)
    results = [result("direct", s, 0.5 + 0.01 * s) for s in range(3)]
    results += [result("ATE", s, 0.5 - 0.02 * s, meter=meter) for s in range(3)]
    rows = {row["method"]: row for row in method_rows(results)}
    assert rows["direct"]["success"] == "153 of 300" and rows["ATE"]["guidance"] == "inactive"
    assert rows["ATE"]["held-out error"] == pytest.approx(0.02)
    assert any("inactive" in line and "cannot tell" in line for line in comparison_sentences(results))
    (line,) = grid_sentences(results)  # one cell is not the highest of many
    assert ": ATE against direct: −" in line
    blind = [RunResult.from_tree({**r.to_tree(), "success": [], "closest": []}) for r in results]
    assert "success" not in method_rows(blind)[0] and "no simulator" in comparison_sentences(blind)[0]
    assert "no simulator" in grid_sentences(blind)[0]


def test_held_out_errors_are_paired_by_seed():
    errors = {"direct": [0.010, 0.020, 0.030], "retarget": [0.008, 0.017, 0.029]}
    blind = [
        result(method, s, 0.5, success=(), closest=(), open_loop={"a": error, "b": error})
        for method, row in errors.items()
        for s, error in enumerate(row)
    ]
    # Differences −2, −3, −1 thousandths: mean −2, standard error 1/√3, times t of 2 degrees of freedom, 4.3027.
    row = next(row for row in method_rows(blind) if row["method"] == "retarget")
    assert row["error minus direct"] == pytest.approx(-0.002)
    assert row["95 % interval"] == "−0.0045 to +0.00048"
    assert "retarget 0.018 (−0.002, −0.0045 to +0.00048)" in bottom_line(blind, "arm")


def test_the_bottom_line_holds_each_form_against_direct_and_its_control():
    # Per cent, by seed: guidance is 21 points above direct, and the control is now above it, now below.
    rates = {
        "direct": [50] * 6, "retarget": [90] * 6, "tool-motion guidance": [70, 71, 72] * 2,
        "untrained encoder": [72, 71, 70] * 2, "published shift": [10] * 6,
    }  # fmt: skip
    results = [result(method, s, rate / 100) for method, row in rates.items() for s, rate in enumerate(row)]
    line = bottom_line(results, "ur5e")
    # 21 of the same 100 situations in all seeds: √(0.21·0.79/100) = 4.1 points, times t of about 99 degrees of freedom.
    low, high = map(
        float, re.search(r"guidance 71% \(\+21.0, (\S+) to (\S+), helps; against its control,", line).groups()
    )
    assert (high - low) / 2 == pytest.approx(1.98 * 4.1, abs=0.2)
    assert line.startswith("What moves the policy to Universal Robots UR5e? Success")
    assert "Diffusion: direct 50%, retarget 90% (+40.0, " in line
    assert re.search(r"untrained encoder: \+0\.0, \S+ to \S+, cannot tell\)", line)
    assert "published shift" not in line
    weak = BaseSuccess("sample", "joints", (BaseRow("panda", "lift", 7, 20),))
    assert bottom_line(results, "ur5e", [weak]) == f"Cannot judge: a base policy fails on its own robots. {line}"


def test_a_form_is_held_against_each_of_its_controls():
    rates = {"direct": [50] * 4, "retarget": [60, 61, 62, 61], "untranslated": [50, 50, 51, 51]}
    results = [result(method, s, rate / 100) for method, row in rates.items() for s, rate in enumerate(row)]
    (line,) = control_sentences(results)
    assert "retarget against untranslated: +10.5 points" in line and "helps" in line
    blind = [RunResult.from_tree({**r.to_tree(), "success": [], "closest": []}) for r in results]
    assert control_sentences(blind) == []
