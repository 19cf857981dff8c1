"""The λ × clamp figures, on made-up results whose differences are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ate import viz
from ate.errors import InputError
from ate.experiments.stats.baseline import activity, saturation
from ate.experiments.stats.comparisons import differences
from ate.viz.figures.grid import HATCHED
from ate.viz.figures.panels import compared, panels
from tests.methods import method as spec
from tests.methods import other
from tests.viz.samples import cells, results, run


def one_kind(seeds=3):
    return [r for r in cells(seeds) if r.parameterization == "sample"]


def settled(seeds=6):
    """Two cells that are far from λ = 0 with every seed, one above and one below, and one that is nowhere."""
    rng = np.random.default_rng(0)
    base = [run("direct", s, "sample", 0.5, 0.0, 0.1, "none") for s in range(seeds)]

    def moved(points, lam, clamp):
        return [
            replace(one, spec=spec(f"{lam}-{clamp}", lam, clamp), meter=run("x", 0, "sample", 0.5, lam, clamp,
                    "aligned").meter, success=tuple(rng.random(100) < np.mean(one.success) + points))
            for one in base
        ]  # fmt: skip

    return [*base, *moved(0.35, 0.5, 0.1), *moved(-0.35, 2.0, 0.1), *moved(0.0, 0.5, math.inf)]


def hatched(figure):
    """Cells under a hatching: category numbers of the middle of each path."""
    found = []
    for shape in figure.layout.shapes:
        if shape.name == HATCHED:
            points = np.array(
                [[float(v) for v in pair.split(",")] for pair in shape.path[1:].replace("L", "M").split("M")]
            )
            found.append(tuple(np.round(points.mean(0)).astype(int)))
            assert np.ptp(points, 0).max() <= 0.99  # inside its cell
    return sorted(found)


def test_the_grid_names_its_baseline_and_hatches_what_it_cannot_tell():
    runs = settled()
    figure = viz.grid(runs)
    heat = next(t for t in figure.data if t.type == "heatmap")
    rate = 100 * np.mean([r.success for r in runs if r.lam == 0])
    assert f"λ = 0 ({rate:.0f} %, 6 seeds)" in figure.layout.annotations[0].text
    verdicts = {d.method: d.verdict for d in differences(runs)}
    assert verdicts == {"0.5-0.1": "helps", "2.0-0.1": "hurts", "0.5-inf": "cannot tell"}
    assert (heat.x, heat.y) == (("0.5", "2"), ("0.1", "none"))
    assert hatched(figure) == [(0, 1)]  # λ 0.5, no clamp
    text = {(note.x, note.y): note.text for note in figure.layout.annotations[1:]}
    assert "helps" in text[0, 0] and "hurts" in text[1, 0] and "±" in text[0, 1] and "(1, 1)" not in text
    assert heat.z[1][1] is None  # never run
    mean = {d.method: d.mean for d in differences(runs)}
    assert heat.z[0][0] == pytest.approx(100 * mean["0.5-0.1"]) and heat.z[0][1] == pytest.approx(100 * mean["2.0-0.1"])
    assert heat.zmax == -heat.zmin >= 20 and "clamped" in heat.hovertext[0][0]
    assert any(trace.type == "bar" and HATCHED in trace.name for trace in figure.data)


def test_a_grid_in_which_all_is_settled_has_no_hatching_and_no_key_for_it():
    figure = viz.grid([r for r in settled() if r.is_baseline or not math.isinf(r.clamp)])
    assert hatched(figure) == [] and not any(trace.type == "bar" for trace in figure.data)


def test_one_seed_settles_nothing():
    figure = viz.grid(one_kind(1))
    assert len(hatched(figure)) == 6
    assert not any("±" in note.text for note in figure.layout.annotations)


def test_a_cell_that_lacks_a_seed_is_compared_on_the_seeds_it_has_and_says_so():
    runs = [r for r in one_kind() if (r.lam, r.clamp, r.seed) != (2.0, 0.5, 1)]
    figure = viz.grid(runs)
    assert sum("2 of 3 seeds" in note.text for note in figure.layout.annotations) == 1
    (panel,), (found,) = panels(runs), compared(panels(runs))
    rate = {(r.lam, r.clamp, r.seed): np.mean(r.success) for r in runs}
    assert found[2.0, 0.5].mean == pytest.approx(np.mean([rate[2, 0.5, s] - rate[0, math.inf, s] for s in (0, 2)]))
    assert len(panel.base) == 3 and found[0.5, 0.5].comparisons == 6


def test_an_ablation_without_its_baseline_is_refused():
    for figure in (viz.grid, viz.response_curves, viz.meter_grid):
        with pytest.raises(InputError, match="λ = 0"):
            figure([r for r in cells() if r.lam > 0])


def test_whatever_else_varies_makes_a_panel_of_its_own_and_names_it():
    runs = one_kind(2)
    reverse = [other(r, f"{r.method}, reversed", sign=-1) for r in runs if r.lam]
    longer = [replace(r, steps=600) for r in runs]
    every = panels([*runs, *reverse, *longer])
    assert [panel.title for panel in every] == [
        "diffusion, 0 steps, sign +1", "diffusion, 0 steps, sign -1",
        "diffusion, 600 steps, sign +1",
    ]  # fmt: skip
    assert all(len(panel.base) == 2 and len(panel.cells) == 6 for panel in every)
    assert {run.steps for run in every[2].base} == {600}
    # All cells of all panels share the error rate.
    assert {one.comparisons for found in compared(every) for one in found.values()} == {18}
    assert [panel.title for panel in panels(cells(1))] == ["diffusion", "flow"]
    assert panels([r for r in runs if r.lam == 0]) == []


def test_controls_are_no_cells_and_stand_beside_the_curves():
    control = [run("random encoder", s, "sample", 0.4, 1.0, 0.1, "random") for s in range(3)]
    runs = [*one_kind(), *control]
    (panel,) = panels(runs)
    assert len(panel.cells) == 6 and {r.method for r in panel.controls} == {"random encoder"}
    mark = next(t for t in viz.response_curves(runs).data if t.name == "control: random encoder")
    assert list(mark.x) == [1.0] and mark.y[0] == pytest.approx(100 * np.mean([r.success for r in control]))


def test_response_curves_start_at_plain_fine_tuning_and_readings_share_their_axis():
    runs = one_kind()
    figure = viz.response_curves(runs)
    named = [t for t in figure.data if t.name and t.showlegend]
    rate = 100 * np.mean([r.success for r in runs if r.lam == 0])
    assert [t.name for t in named] == ["0.02", "0.1", "0.5"]
    assert all(line.x[0] == 0 and line.y[0] == pytest.approx(rate) for line in named)
    assert figure.layout.xaxis.matches == figure.layout.xaxis2.matches == "x3"
    readings = {axis: [t for t in figure.data if t.yaxis == axis] for axis in ("y2", "y3")}
    for axis, read in (("y2", activity), ("y3", saturation)):
        assert len(readings[axis]) == 3 and all(list(t.x) == [0.5, 2.0] for t in readings[axis])
        mine = [read(r) for r in runs if (r.lam, r.clamp) == (2.0, 0.02)]
        assert readings[axis][0].y[1] == pytest.approx(np.mean(mine))
    assert figure.layout.yaxis2.type == "log" and figure.layout.yaxis2.range[0] < -3


def test_bands_are_wilsons_and_wider_with_fewer_rollouts():
    def widths(runs):
        band = next(t for t in viz.response_curves(runs).data if t.fill == "toself")
        half = len(band.y) // 2
        return np.array(band.y[:half]) - np.array(band.y[half:])[::-1]

    few = [replace(r, success=r.success[::10], closest=r.closest[::10]) for r in one_kind()]
    assert (widths(few) > 2 * widths(one_kind())).all()


def test_the_meter_on_the_plane_is_the_mean_of_its_seeds():
    runs = one_kind()
    shares, ratios = viz.meter_grid(runs).data
    mine = [r for r in runs if (r.lam, r.clamp) == (2.0, 0.1)]
    assert shares.z[1][1] == pytest.approx(100 * np.mean([saturation(r) for r in mine]))
    assert 10 ** ratios.z[1][1] == pytest.approx(np.exp(np.mean([np.log(activity(r)) for r in mine])))
    assert shares.x == ratios.x == ("0.5", "2") and ratios.text[1][1] == f"{10 ** ratios.z[1][1]:.2g}"


def test_without_rollouts_the_plane_of_the_meter_is_still_there():
    runs = [replace(r, success=(), closest=()) for r in one_kind(2)]
    assert viz.meter_grid(runs).data[0].z[0][0] is not None
    assert len(results()) and viz.cost(runs).data[0].y is not None
