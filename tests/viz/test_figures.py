from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from ate import viz
from ate.data.episodes import Episode
from ate.data.ledger import Ledger
from ate.experiments.methods import comparison
from ate.experiments.stats.comparisons import differences
from ate.robots import unify
from ate.viz.figures.data import slot_labels
from ate.viz.figures.steer import grid_colors, method_colors
from ate.viz.style import METHODS, ROBOTS, TEMPLATE, colors, finish, log_ticks, tinted, unit
from tests.viz.samples import cells, episodes, figures, followed, metrics, results, sets, triages


def axis_titles(figure):
    layout = figure.to_dict()["layout"]
    axes = [value for name, value in layout.items() if name[1:5] == "axis"]
    named = [axis["title"]["text"] for axis in axes if axis.get("title", {}).get("text")]
    return named + [one.label for trace in figure.data if trace.type == "parcoords" for one in trace.dimensions]


@pytest.mark.parametrize("name", sorted(figures()))
def test_every_figure_has_the_template_a_height_and_named_axes(name):
    figure = figures()[name]
    assert figure.layout.template.layout.font.family == TEMPLATE.layout.font.family
    assert 150 < figure.layout.height < 1200
    assert axis_titles(figure)
    assert not any(trace.type == "scattergl" for trace in figure.data)


def test_lengths_are_on_a_log_axis_only_where_they_spread_far():
    pretrain, adapt = sets()
    assert viz.episode_lengths(pretrain, adapt).layout.xaxis.type != "log"
    item = adapt[0]
    long = Episode.of(item.name, item.path, qpos=np.tile(item.qpos, (20, 1)))
    spread = viz.episode_lengths(pretrain, replace(adapt, items=(long, *adapt.items[1:])))
    assert spread.layout.xaxis.type == "log"
    assert spread.data[-1].x[0] == 20 * len(item)


def test_joint_boxes_are_quantiles_in_data_units():
    pretrain, adapt = sets()
    figure = viz.joint_distributions(pretrain, adapt)
    rows = np.concatenate([item.qpos for item in adapt])
    box = next(t for t in figure.data if t.name == "ur5e (adaptation)" and len(t.x) == 6)
    np.testing.assert_allclose(box.median, np.median(rows[:, :6], 0), rtol=1e-6)
    np.testing.assert_allclose(box.upperfence, np.quantile(rows[:, :6], 0.99, 0), rtol=1e-6)
    assert figure.layout.yaxis.title.text == "Position (rad)"
    assert figure.layout.yaxis2.title.text == "Opening (0 to 1)"


@pytest.mark.parametrize(("rate", "title", "last"), [(20.0, "Time (s)", 1 / 20), (None, "Step", 1.0)])
def test_an_episode_is_over_seconds_where_its_rate_is_known(rate, title, last):
    figure = viz.sample_episode(episodes("panda", 7, rate=rate, companions=False))
    assert figure.data[0].x[1] == pytest.approx(last)
    assert title in axis_titles(figure)
    assert not figure.layout.shapes


def test_phases_are_bands_with_their_names():
    figure = viz.sample_episode(episodes("panda", 7), 0, ("a", "b", "c", "d", "e", "f"))
    assert [note.text for note in figure.layout.annotations] == ["a", "b", "c", "d", "e", "f"]
    assert figure.layout.shapes


def test_the_slot_map_masks_what_a_robot_lacks():
    pretrain, adapt = sets()
    heat = viz.slot_map(unify([*pretrain, adapt])).data[0]
    assert heat.y[-1] == "ur5e" and list(heat.z[-1]) == [1, 1, 1, 1, 1, 1, 0, 2]


def test_training_curves_leave_out_what_a_log_axis_cannot_show():
    figure = viz.training_curves(metrics())
    mmd = next(t for t in figure.data if t.name == "mmd, training")
    expected = [row["mmd"] if row["mmd"] > 0 else None for row in metrics()["pretrain"]]
    assert list(mmd.y) == expected and None in expected
    assert {t.line.dash for t in figure.data} == {"solid", "dash"}


def test_containment_shows_value_and_null_band_in_percent():
    rows = [{"measure": "precision", "value": 0.25, "null": 0.8, "null_low": 0.75, "null_high": 0.9},
            {"measure": "active units", "value": 7.0, "null": None}]  # fmt: skip
    band, null, value = viz.containment(rows).data
    assert (min(band.x), max(band.x)) == pytest.approx((75, 90))
    assert null.x[0] == pytest.approx(80) and value.x[0] == pytest.approx(25)


GUIDED = "tool-motion guidance"


def test_success_has_the_rate_its_interval_and_every_seed_in_the_row_of_its_method():
    runs = [r for r in results() if r.parameterization == "sample"]
    figure = viz.success(runs)
    mark = next(t for t in figure.data if t.name == GUIDED)
    mine = np.array([r.success for r in runs if r.method == GUIDED])
    assert mark.x[0] == pytest.approx(100 * mine.mean())
    # Wilson's interval by its formula.
    n, p, z = mine.size, mine.mean(), 1.959963984540054
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert mark.error_x.array[0] + mark.error_x.arrayminus[0] == pytest.approx(200 * half)
    dots = figure.data[figure.data.index(mark) - 1]
    np.testing.assert_allclose(dots.x, 100 * mine.mean(1))
    place = figure.layout.yaxis.ticktext.index(GUIDED)
    assert mark.y[0] == figure.layout.yaxis.tickvals[place] == place
    assert len(set(dots.y)) == len(mine) and all(0.1 < y - place < 0.5 for y in dots.y)
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first method is on top


def test_methods_have_the_same_row_in_every_panel_also_where_one_is_missing():
    runs = [r for r in results() if r.parameterization == "sample" or r.method != "retarget"]
    figure = viz.success(runs)
    rows = {(t.xaxis, t.name): t.y[0] for t in figure.data if t.name != "a training seed"}
    assert rows["x", GUIDED] == rows["x2", GUIDED] and ("x2", "retarget") not in rows
    assert [note.text for note in figure.layout.annotations[:2]] == ["diffusion", "flow"]


def test_differences_have_a_zero_line_a_t_interval_and_none_with_one_seed():
    figure = viz.paired_differences(results())
    assert [shape.x0 for shape in figure.layout.shapes] == [0, 0]
    mark = next(t for t in figure.data if t.name == GUIDED)
    expected = next(
        d for d in differences([r for r in results() if r.parameterization == "sample"]) if d.method == GUIDED
    )
    assert mark.x[0] == pytest.approx(100 * expected.mean)
    assert mark.error_x.array[0] == pytest.approx(100 * (expected.high - expected.mean))
    dots = figure.data[figure.data.index(mark) - 1]
    assert len(set(dots.y)) == len(dots.x) and all(0.1 < y - mark.y[0] < 0.5 for y in dots.y)
    assert all("no interval" not in note.text for note in figure.layout.annotations)
    # Every end of every interval lies inside both panels, also where a difference is near zero.
    marks = [t for t in figure.data if t.error_x.array is not None]
    ends = [t.x[0] + sign * t.error_x.array[0] for t in marks for sign in (-1, 1)]
    for axis in (figure.layout.xaxis, figure.layout.xaxis2):
        assert axis.range[0] < min(ends) and axis.range[1] > max(ends) and axis.range[0] < 0 < axis.range[1]
    alone = viz.paired_differences(results(seeds=1))
    assert next(t for t in alone.data if t.name == GUIDED).error_x.array is None
    others = len(METHODS) - 1
    assert sum("no interval" in note.text for note in alone.layout.annotations) == 2 * others


def test_every_method_of_a_comparison_has_its_own_fixed_colour():
    assert method_colors(results()) == METHODS and len(set(METHODS.values())) == len(METHODS)
    for placed in (True, False):
        assert {spec.name for spec in comparison(placed=placed)} <= set(METHODS)


def test_residuals_have_a_row_a_robot_and_a_dot_a_kept_episode():
    made = followed()
    figure = viz.residuals(made)
    assert list(figure.layout.yaxis.ticktext) == ["panda<br>10 of 10 kept", "sawyer<br>5 of 10 kept"]
    panda = figure.data[0]
    assert list(panda.x) == pytest.approx([max(0.001 * 2**i, 1e-4) for i in range(0, 20, 2)])
    assert "panda/episode_0000, 100% of 30 rows reached" in panda.text[0]
    rows = {row["from"]: row for row in viz.residual_table(made)}
    assert (rows["sawyer"]["kept"], rows["sawyer"]["episodes"]) == (5, 10)
    assert rows["sawyer"]["most millimetres"] == 0.001 * 2**17
    lines = viz.left_out(made, most=2)
    assert lines[0].startswith("sawyer/episode_0003: row 7 of 30") and lines[2] == "and 3 more" and len(lines) == 3
    assert viz.left_out(replace(made, ledger=Ledger("", "", made.ledger.entries[:3]))) == ["No episode was left out."]


def test_cells_of_one_clamp_share_a_hue_and_curves_that_coincide_are_nested():
    palette = method_colors(cells())
    light, full = palette["λ 0.5, clamp 0.1"], palette["λ 2, clamp 0.1"]
    assert full == tinted(grid_colors(cells())[0.1], 0) and light == tinted(full, 0.3)
    assert len(set(palette.values())) == len(palette)
    widths = [t.line.width for t in viz.guidance_anatomy(cells()).data if t.xaxis == "x"]
    assert widths == sorted(widths, reverse=True) and len(set(widths)) == 6


def test_cells_are_named_by_what_they_do_not_share_and_methods_as_they_are_called():
    names = {
        "λ 0.5, clamp 0.1": "λ=0.5, c=∞, at the start, share 0.1",
        "λ 2, clamp 0.1": "λ=2, c=∞, at the start, share 1",
    }
    runs = [replace(r, spec=replace(r.spec, name=names.get(r.method, r.method))) for r in cells()
            if r.lam == 0 or r.method in names]  # fmt: skip
    short = viz.loss_curves(runs).data
    assert {trace.name for trace in short if trace.name} == {"direct", "λ=0.5, share 0.1", "λ=2, share 1"}
    assert {trace.name for trace in viz.guidance_anatomy(results()).data} <= {r.method for r in results()}


def test_a_grid_of_one_clamp_and_several_shares_has_them_as_its_second_axis():
    shares = {0.02: 0.25, 0.1: 0.5, 0.5: 1.0}
    by_share = [
        r if r.lam == 0 else replace(r, spec=replace(
            r.spec, name=f"λ {r.lam:g}, share {shares[r.clamp]:g}", share=shares[r.clamp],
            guidance=replace(r.spec.guidance, clamp=np.inf)))
        for r in cells()
    ]  # fmt: skip
    figure, usual = viz.grid(by_share), viz.grid(cells())
    heat, same = (next(t for t in f.data if t.type == "heatmap") for f in (figure, usual))
    assert list(heat.y) == ["0.25", "0.5", "1"] and list(same.y) == ["0.02", "0.1", "0.5"]
    assert np.allclose(np.array(heat.z, float), np.array(same.z, float))
    assert figure.layout.yaxis.title.text == "Guided rows, share of a batch"
    assert figure.layout.yaxis.title.text != usual.layout.yaxis.title.text
    assert {t.name for t in viz.response_curves(by_share).data} >= {"0.25", "0.5", "1"}
    assert len(set(method_colors(by_share).values())) == 7


def test_anatomy_shows_guided_methods_only_on_a_log_ratio():
    figure = viz.guidance_anatomy(results())
    assert {t.name for t in figure.data} == {
        GUIDED, "published shift", "untrained encoder", "guidance at demonstrations"
    }  # fmt: skip
    assert figure.layout.yaxis.type == "log"
    first = figure.data[0]
    assert first.x[0] == pytest.approx(0.05) and first.y[0] == pytest.approx(0.03 * 2.0)


def test_seeds_that_visited_different_noise_levels_are_averaged_where_all_have_rows():
    runs = [r for r in results(seeds=2) if r.method == GUIDED and r.parameterization == "sample"]
    runs[0] = replace(runs[0], meter=runs[0].meter[1:])
    assert len(viz.guidance_anatomy(runs).data[0].x) == 9


def test_colours_are_fixed_and_different():
    chosen = colors(["panda", "someone", "ur5e", "other"], ROBOTS)
    assert chosen["panda"] == ROBOTS["panda"] and len(set(chosen.values())) == 4
    assert len(set(ROBOTS.values())) == len(ROBOTS)


def test_units_and_labels_of_slots():
    assert [unit(n) for n in ("gripper", "r_gripper_l_finger_joint", "elbow")] == ["open", "m", "rad"]
    assert slot_labels([["a", "-"], ["b", "a"]]) == ["a", "a (1)"]


def test_set_rows_count_chunks_by_the_formula():
    pretrain, adapt = sets()
    row = viz.set_rows(pretrain, adapt, 30)[-1]
    assert row["chunks of 30"] == sum(max(len(e) - 30 + 1, 0) for e in adapt)
    assert row["too short"] == sum(len(e) < 30 for e in adapt)
    assert row["chunk (s)"] == 1.5


def test_sets_of_different_rates_are_warned_about(make_set):
    from dataclasses import replace

    from ate.viz import set_sentences

    old, new = make_set("old"), make_set("new", seed=1)
    assert len(set_sentences([old], new, 16)) == 1
    (what, warning) = set_sentences([replace(old, rate_hz=100.0)], new, 16)
    assert "8 episodes" in what and "WARNING" in warning and "old 100 Hz" in warning and "20 Hz" in warning


@pytest.mark.parametrize(
    ("low", "high"), [(0.3, 1.2), (0.9, 1.1), (3e-3, 0.2), (1e-6, 300.0), (0.02, 0.09), (0.052, 0.15), (2.0, 2.0)]
)
def test_a_log_axis_has_ticks_whatever_it_spans(low, high):
    ticks = log_ticks(low, high)
    places = np.array(ticks["tickvals"])
    assert 3 <= len(places) <= 10 or low == high
    assert len(set(ticks["ticktext"])) == len(places) and np.all(np.diff(places) > 0)
    # In view: plotly adds a twentieth of the span at either end.
    room = max((high / low) ** 0.06, 1.03)
    assert low / room <= places[0] and places[-1] <= high * room


def test_ticks_of_a_log_axis_reach_its_lines():
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1.0, 1.1]))
    figure.add_hline(y=0.01)
    ticks = np.array(finish(figure.update_yaxes(type="log"), 300).layout.yaxis.tickvals)
    assert ticks.min() < 0.03 and ticks.max() >= 0.5


def test_matching_log_axes_have_the_ticks_of_all_their_data():
    figure = make_subplots(1, 2, shared_yaxes=True)
    figure.add_scatter(y=[1.0, 2.0, None], row=1, col=1)
    figure.add_scatter(y=[0.0, 3e-5, 2e4], row=1, col=2)
    figure.update_yaxes(type="log")
    finish(figure, 300)
    assert figure.layout.yaxis.tickvals == figure.layout.yaxis2.tickvals
    assert min(figure.layout.yaxis.tickvals) < 1e-3 and max(figure.layout.yaxis.tickvals) == 1e4


def test_only_odd_episodes_have_words_at_their_right_and_room_for_them():
    ordinary, odd = viz.triage_grid(triages(10, odd=0)), viz.triage_grid(triages(10, odd=2))
    assert not [note for note in ordinary.layout.annotations if note.text] and ordinary.layout.margin.r < 50
    assert len(odd.layout.annotations) == 2 and odd.layout.margin.r > 300
