"""The latent map, the chunk view and the explorer without a browser: what is drawn is what the latents say."""

import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ate.align
from ate import viz
from ate.align import LatentMap
from ate.align.config import preset
from ate.align.evaluate.projection import plane
from ate.align.evaluate.reconstruction import reconstruction_error
from ate.viz.figures.chunk import DECODED, RECORDED
from ate.viz.style import ROBOTS, SPARE
from ate.viz.widgets.explorer import Explorer, selection_rows
from tests.align.conftest import robot


@pytest.fixture(scope="module")
def latent_map():
    torch.set_num_threads(1)
    sets, new = (robot("seven", 8, 8, 1), robot("six", 7, 8, 2)), robot("new", 7, 6, 3)
    small = {"chunk": 8, "latent": 8, "feedforward": 16, "pretrain_steps": 30, "adapt_steps": 20}
    config = preset("smoke-published").with_options(**small)
    return LatentMap.of(ate.align.fit(sets, new, config), sets, new, most=150)


@pytest.mark.slow
def test_points_are_who_and_where_they_say(latent_map):
    assert latent_map.count == 150 and len(latent_map.adapt_after) == 150 and latent_map.totals == (16 * 33, 6 * 33)
    for point in (0, 149, 150, 299):
        episodes, index, start = latent_map.where(point)
        np.testing.assert_array_equal(latent_map.chunk(point), episodes[index].qpos[start : start + 8])
    assert latent_map.time().min() == 0 and latent_map.time().max() == 1
    assert np.array_equal(latent_map.adapt_before.start, latent_map.adapt_after.start)


def test_before_is_what_stage_two_started_from(latent_map):
    alignment = latent_map.alignment
    chunks = alignment.chunks(latent_map.adapt)
    place = int(np.flatnonzero((chunks.episode == 2) & (chunks.offset == 5))[0])
    x = torch.zeros(1, 8, alignment.space.width)
    x[..., list(alignment.space.embodiment.slots)] = chunks.gather(torch.tensor([place]))
    expected = alignment.pretrain_vae.encode(x).mean[0]  # the copy of φ, with zeros where the robot has no joint
    row = np.flatnonzero((latent_map.adapt_before.episode == "episode_0002") & (latent_map.adapt_before.start == 5))
    whole = LatentMap.of(alignment, latent_map.pretrain, latent_map.adapt, most=10_000)
    row = np.flatnonzero((whole.adapt_before.episode == "episode_0002") & (whole.adapt_before.start == 5))
    np.testing.assert_allclose(whole.adapt_before.mean[row[0]], expected.numpy(), atol=1e-5)
    assert np.abs(whole.adapt_before.mean - whole.adapt_after.mean).max() > 0.05


def test_neighbours_and_depth_agree_with_a_search_by_hand(latent_map):
    scale = np.sqrt(latent_map.pretrain_latents.mean.var(0) + (latent_map.pretrain_latents.std**2).mean(0))
    far = np.linalg.norm(
        (latent_map.side("after").mean[:, None] - latent_map.pretrain_latents.mean[None]) / scale, axis=2
    )
    for point in (7, 200):
        mine = far[point].copy()
        if point < latent_map.count:
            mine[point] = np.inf
        found, distance = latent_map.neighbours(point, 4)
        assert set(found) == set(np.argsort(mine)[:4]) and distance == pytest.approx(np.sort(mine)[:4], rel=1e-4)
    own = np.sort(far[:150], axis=1)[:, 5]
    fifth = np.sort(far[200])[4]
    assert latent_map.depth()[200] == pytest.approx((own >= fifth).mean(), abs=1e-9)


def test_reconstructions_and_walks_decode_latents(latent_map):
    error = [np.abs(latent_map.chunk(i) - latent_map.reconstruction(i)).mean() for i in range(0, 300, 10)]
    assert np.mean(error) < 0.5 * np.mean([np.ptp(latent_map.chunk(i), 0).mean() + 0.5 for i in range(0, 300, 10)])
    ends = latent_map.between(160, 170, [0.0, 1.0])
    np.testing.assert_allclose(ends[0], latent_map.reconstruction(160), atol=1e-5)
    np.testing.assert_allclose(ends[1], latent_map.reconstruction(170), atol=1e-5)
    walked = latent_map.walk(0, [-1.0, 0.0, 1.0])
    assert np.abs(walked[0] - walked[2]).max() > 1e-3
    np.testing.assert_allclose(walked[1], latent_map.decoded(latent_map.adapt_after.mean.mean(0)[None])[0], atol=1e-5)


def test_both_panels_show_every_point_in_one_frame_and_the_menu_recolours_them(latent_map):
    planes = viz.projected(latent_map, "pca", 0, None)
    figure = viz.latent_maps(latent_map, planes, "PCA", "precision 0.50, reference 0.88")
    dots = [trace for trace in figure.data if trace.type != "contour"]
    assert sum(len(trace.x) for trace in dots) == 2 * 300 and len(dots) == 2 * 3
    before, after = (next(t for t in part if "adaptation" in t.name) for part in (dots[:3], dots[3:]))
    np.testing.assert_allclose(np.c_[before.x, before.y], planes[150:300])
    np.testing.assert_allclose(np.c_[after.x, after.y], planes[300:])
    assert figure.layout.xaxis2.matches == "x" and "0.88" in figure.layout.annotations[1].text
    menu = {button.label: button.args[0] for button in figure.layout.updatemenus[0].buttons}
    assert list(menu) == [f"colour by {name}" for name in ("robot", "task", "episode", "time in episode", "mode",
                                                           "density quantile")]  # fmt: skip
    assert menu["colour by time in episode"]["marker.color"][0] == pytest.approx(latent_map.time()[dots[0].customdata])
    assert (
        menu["colour by density quantile"]["marker.color"][2] != menu["colour by density quantile"]["marker.color"][5]
    )
    inside = [trace for trace in figure.data if trace.type == "contour"]
    assert [trace.name.split(" ")[0] for trace in inside[:3]] == ["50%", "80%", "95%"]


def test_no_neighbour_has_the_colour_of_the_chunk_itself(latent_map):
    own = {RECORDED["color"], DECODED["color"]}
    assert own.isdisjoint({*ROBOTS.values(), *SPARE}) and len(own) == 2
    figure = viz.chunk_view(latent_map, 170)
    drawn = {trace.name: trace.line.color for trace in figure.data if trace.type == "scatter"}
    assert (drawn["recorded"], drawn["decoded from its latent"]) == (RECORDED["color"], DECODED["color"])
    others = {trace.marker.color for trace in figure.data if trace.type == "bar"}
    assert others and others.isdisjoint(own)


def test_adaptation_is_drawn_on_top_and_many_points_by_webgl(latent_map, monkeypatch):
    planes = viz.projected(latent_map, "pca", 0, None)
    for most, kind in ((600, "scatter"), (599, "scattergl")):
        monkeypatch.setattr("ate.viz.figures.latent_map.SVG_POINTS", most)
        dots = [trace for trace in viz.latent_maps(latent_map, planes, "PCA", "").data if trace.type != "contour"]
        assert {trace.type for trace in dots} == {kind}
        assert ["adaptation" in trace.name for trace in dots] == [False, False, True] * 2


@pytest.mark.slow
def test_the_pictures_of_an_alignment_come_with_their_numbers(latent_map):
    alignment = latent_map.alignment
    score = ate.align.scorecard(alignment, latent_map.pretrain, latent_map.adapt)
    (pca,) = viz.latent_map_pictures(latent_map, score, umap=False)
    assert any(f"{score.value('precision'):.2f}" in note.text for note in pca.figure.layout.annotations)
    errors = viz.reconstruction_by_split(alignment, latent_map.adapt)
    held_out = [i for i, item in enumerate(latent_map.adapt) if item.name in alignment.held_out["adapt"]]
    expected = reconstruction_error(alignment, latent_map.adapt.select(held_out))
    assert errors["held-out episodes"] == expected and errors["training episodes"] != expected
    activity = viz.activity_picture(alignment, latent_map.pretrain, latent_map.adapt)
    variance = np.sort(alignment.encode(latent_map.adapt).mean.var(0))[::-1]
    np.testing.assert_allclose(activity.figure.data[3].y, np.maximum(variance, 1e-6))
    pictures = [pca, *viz.chunk_pictures(latent_map), viz.walk_picture(latent_map), activity,
                viz.reconstruction_picture(errors, "new")]  # fmt: skip
    names = [picture.name for picture in pictures]
    assert len(set(names)) == len(names) == 7
    assert all(picture.title and picture.caption for picture in pictures)


@pytest.mark.slow
def test_a_click_shows_the_chunk_a_lasso_the_summary_and_errors_are_seen(latent_map, monkeypatch):
    shown = []
    monkeypatch.setattr("ate.viz.widgets.explorer.draw", lambda figure: shown.append(figure))
    explorer = Explorer(latent_map, "precision 0.50", 0, None, umap=False)
    traces = enumerate(explorer.figure.figure.data)
    place, trace = next((i, t) for i, t in traces if t.type != "contour" and "adaptation" in t.name)
    explorer.figure._receive(None, {"event": "click", "points": [{"trace": place, "index": 4, "x": 0, "y": 0}]}, [])
    assert explorer.clicked[-1] == trace.customdata[4]
    bars = [bar for bar in shown[-1].data if bar.type == "bar"]
    assert len(bars) == 5 and shown[-1].data[0].y == pytest.approx(latent_map.chunk(explorer.clicked[-1])[:, 0])
    explorer.share.value = 0.5
    assert {line.name for line in shown[-1].data} == {"0", "0.5", "1"}
    tables = []
    monkeypatch.setattr("ate.viz.widgets.explorer.show_table", tables.append)
    points = [{"trace": place, "index": index, "x": 0, "y": 0} for index in range(3)]
    explorer.figure._receive(None, {"event": "select", "points": points[:1]}, [])
    explorer.figure._receive(None, {"event": "select", "points": points}, [])
    assert [[row["points"] for row in table] for table in tables] == [[3]]
    rows = selection_rows(latent_map, range(140, 170))
    assert [(row["side"], row["points"]) for row in rows] == [("pre-training", 10), ("adaptation", 20)]
    assert set(viz.representatives(latent_map)) == {"deepest inside", "median", "outermost"}
    depth = latent_map.depth()
    deepest, _, outermost = viz.representatives(latent_map).values()
    assert depth[deepest] == depth[150:].max() and depth[outermost] == depth[150:].min()


def test_a_umap_is_kept_by_the_content_it_depends_on(latent_map, tmp_path, monkeypatch):
    made = []

    class Fake:
        def __init__(self, **options):
            made.append(options["random_state"])

        def fit_transform(self, points):
            return points[:, :2].astype(np.float32)

    # Importing the real one compiles for many seconds.
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Fake))
    points = latent_map.adapt_after.mean
    first = plane(points, "umap", 1, tmp_path)
    np.testing.assert_array_equal(plane(points, "umap", 1, tmp_path), first)
    assert made == [1]
    plane(points, "umap", 2, tmp_path)
    plane(points + 1e-6, "umap", 1, tmp_path)
    assert made == [1, 2, 1] and len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_a_umap_is_offered_when_it_is_computed_and_its_failure_is_shown(latent_map, monkeypatch):
    computed = []

    def project(shown, method, seed, cache):
        if method == "umap":
            computed.append(threading.current_thread())
            if len(computed) == 2:
                raise ImportError("umap-learn is not installed")
        return viz.projected(shown, "pca", seed, cache)

    monkeypatch.setattr("ate.viz.widgets.explorer.projected", project)
    monkeypatch.setattr("ate.viz.widgets.explorer.draw", lambda figure: None)
    for offered, message in ((2, "UMAP is ready"), (1, "umap-learn is not installed")):
        explorer = Explorer(latent_map, "precision 0.50", 0, None, umap=True)
        end = time.monotonic() + 20
        while message not in explorer.status.value and time.monotonic() < end:
            time.sleep(0.01)
        assert message in explorer.status.value and len(explorer.map.options) == offered
    assert threading.main_thread() not in computed
