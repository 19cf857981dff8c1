"""Parallel coordinates and cost: every number comes from the tidy table."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ate import viz
from ate.experiments.export import tidy
from tests.methods import other
from tests.viz.samples import cells


def one_kind(seeds=3):
    runs = [r for r in cells(seeds) if r.parameterization == "sample"]
    return [other(r, clamp=math.inf) if r.clamp == 0.5 else r for r in runs]


def axes(figure):
    (trace,) = figure.data
    return {axis.label: axis for axis in trace.dimensions}


def test_a_line_a_cell_and_seed_through_what_varies():
    runs = [replace(r, seconds=3.0 + r.seed) for r in one_kind()]
    figure = viz.parallel_coordinates(runs)
    found = axes(figure)
    assert list(found) == ["λ", "clamp", "success (%)", "difference (points)", "clamped (%)", "shift / residual",
                           "training (s)"]  # fmt: skip
    frame = tidy(runs)
    np.testing.assert_allclose(found["success (%)"]["values"], 100 * frame.rate)
    guided = frame.lam > 0
    np.testing.assert_allclose(np.array(found["difference (points)"]["values"])[guided], 100 * frame.difference[guided])
    assert set(np.array(found["difference (points)"]["values"])[~guided]) == {0.0}
    assert list(figure.data[0].line.color) == list(found["difference (points)"]["values"])
    assert figure.data[0].line.cmax == -figure.data[0].line.cmin


def test_a_clamp_of_none_and_no_clamp_at_all_are_two_ticks():
    clamp = axes(viz.parallel_coordinates(one_kind()))["clamp"]
    assert list(clamp.ticktext) == ["—", "0.02", "0.1", "none"]
    plain = [r.lam == 0 for r in one_kind()]
    assert {v for v, p in zip(clamp["values"], plain, strict=True) if p} == {0}
    assert {v for v, p in zip(clamp["values"], plain, strict=True) if not p} == {1, 2, 3}


def test_no_shift_lies_below_every_shift_at_zero():
    shift = axes(viz.parallel_coordinates(one_kind()))["shift / residual"]
    plain = np.array([r.lam == 0 for r in one_kind()])
    values = np.array(shift["values"])
    assert values[plain].max() < values[~plain].min() and shift.ticktext[0] == "0"
    assert shift.range[0] < values.min() and values.max() < shift.range[1]


@pytest.mark.parametrize(
    ("options", "label", "ticks"),
    [({"sign": -1}, "sign", ["—", "-1", "1"]), ({"reduction": "mean"}, "reduction", ["—", "mean", "sum"])],
)
def test_an_option_that_differs_gets_an_axis(options, label, ticks):
    runs = one_kind(2)
    more = [other(r, f"{r.method}, other", **options) for r in runs if r.lam]
    assert list(axes(viz.parallel_coordinates([*runs, *more]))[label].ticktext) == ticks
    assert label not in axes(viz.parallel_coordinates(runs))


def test_without_a_simulator_lines_are_coloured_by_the_error():
    runs = [replace(r, success=(), closest=(), open_loop={"a": 0.01 * (i + 1)}) for i, r in enumerate(one_kind(1))]
    figure = viz.parallel_coordinates(runs)
    assert "success (%)" not in axes(figure) and "open-loop error" in axes(figure)
    assert list(figure.data[0].line.color) == pytest.approx([0.01 * (i + 1) for i in range(7)])


def test_cost_adds_up():
    runs = [replace(r, seconds=7.0 + 7 * r.seed) for r in one_kind()]
    seconds, won, lost = viz.cost(runs).data
    assert list(seconds.y) == pytest.approx([2.0] * 7)  # (7 + 14 + 21) / 3 seeds / 7 cells
    assert list(seconds.error_y.array) == pytest.approx([1.0] * 7)
    by_method = {method: sum(sum(r.success) for r in runs if r.method == method) for method in won.x}
    assert dict(zip(won.x, won.y, strict=True)) == by_method
    assert [a + b for a, b in zip(won.y, lost.y, strict=True)] == [300] * 7
    titles = [note.text for note in viz.cost(runs).layout.annotations]
    assert titles == ["Training: 42 s in all, 21 trainings", "Rollouts: 2,100 in all"]


def test_budgets_are_groups_of_their_own():
    runs = one_kind(1)
    grouped = viz.cost([*runs, *(replace(r, steps=600) for r in runs)]).data[0].x
    assert set(grouped[0]) == {"0 steps", "600 steps"} and len(grouped[1]) == 14
