"""Films show the rollouts they say and play from the page itself; where nothing can be drawn there are film strips."""

import io
from base64 import b64decode
from dataclasses import replace
from types import SimpleNamespace

import av
import numpy as np
import pytest

from ate import viz
from ate.errors import InputError
from ate.experiments.replay import Replay
from ate.experiments.settings import settings
from ate.sim import opengl
from ate.sim.expert import Expert
from ate.sim.rollout import rollout
from ate.viz.figures.footage import episode_pictures, rollout_pictures, side_by_side
from ate.viz.report.contrast import Part, contrast, show_parts
from ate.viz.report.motion import motion_html, walk_html
from ate.viz.report.section import Section
from ate.viz.video import mp4
from tests.browser import open_page
from tests.viz.samples import rolled_out, run


def decoded(film):
    with av.open(io.BytesIO(film)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def pushed():
    """Two recorded rollouts of a few steps."""
    expert = Expert("ur5e", "push", range(2))
    return rollout(lambda qpos, state: expert.act(qpos, state)[0][:, None], "ur5e", "push", range(2), execute=1,
                   horizon_steps=6, record=True)  # fmt: skip


@pytest.fixture
def section(tmp_path):
    return Section.begin(settings({"profile": "smoke", "run": str(tmp_path)}), "03", displayed=False)


def no_driver(monkeypatch):
    def refuse():
        raise InputError("no driver", where="here", expected="EGL", fix="apt-get install libegl1")

    monkeypatch.setattr(opengl, "backend", refuse)


def test_an_mp4_holds_the_pictures():
    shades = np.linspace(20, 235, 12).astype(np.uint8)
    pictures = np.broadcast_to(shades[:, None, None, None], (12, 33, 50, 3)).copy()
    film = mp4(pictures, 20)
    seen = decoded(film)
    assert seen.shape == (12, 32, 50, 3) and np.abs(seen.mean((1, 2, 3)) - shades).max() < 4
    assert mp4(pictures, 20) == film


@pytest.mark.slow
def test_a_film_of_two_rollouts_holds_the_shorter_one(pushed):
    first, second = (rollout_pictures(pushed, i, side=64) for i in range(2))
    assert first.shape == (7, 64, 64, 3) and (first[0] != second[0]).any() and (first[0] != first[-1]).any()
    seen = decoded(side_by_side([first, second[:3]]))
    assert seen.shape == (7 + 12, 64, 64 + 4 + 64, 3)
    right = seen[:, :, 68:].astype(int)
    assert np.abs(right[3:] - right[2]).mean() < 3 < np.abs(seen[:, :, :64].astype(int)[-1] - right[-1]).mean()


def runs(*successes):
    """Direct and another method: (method, seed, successes)."""
    plain, guided = (0.0, 0.1, "none"), (2.0, 0.1, "aligned")
    return [
        replace(run(method, seed, "sample", 0.5, *(plain if method == "direct" else guided)),
                success=tuple(map(bool, success)))
        for method, seed, success in successes
    ]  # fmt: skip


def test_the_start_is_one_where_direct_fails_and_the_best_succeeds():
    given = runs(("direct", 0, (1, 1, 0)), ("direct", 1, (1, 0, 1)), ("weak", 0, (0, 0, 0)), ("weak", 1, (0, 0, 1)),
                 ("good", 0, (1, 1, 0)), ("good", 1, (1, 1, 1)))  # fmt: skip
    found = contrast(given)
    assert (found.direct.method, found.best.method, found.best.seed, found.index) == ("direct", "good", 1, 1)
    assert found.direct.seed == 1
    fails = contrast(runs(("direct", 0, (1, 1)), ("good", 0, (1, 0))))
    assert fails.index == 1
    assert contrast(runs(("direct", 0, (1, 1)), ("good", 0, (1, 1)))).index == 0
    assert contrast(runs(("direct", 0, (1, 1)))) is None
    assert contrast([replace(run, success=(), closest=()) for run in given]) is None


def test_both_are_rolled_out_again_and_shown_from_that_start(section, pushed, monkeypatch):
    again = []

    def replay(study, run):
        again.append(run.method)
        return Replay(run, pushed, kept=True, faithful=True)

    monkeypatch.setattr("ate.viz.report.contrast.replay_in", replay)
    monkeypatch.setattr("ate.viz.report.contrast.in_parallel", lambda _, jobs: [f(*a, **k) for f, a, k in jobs])
    monkeypatch.setattr(
        "ate.viz.report.contrast.rollout_pictures", lambda rollouts, i: rollout_pictures(rollouts, i, 32)
    )
    given = runs(("direct", 0, (1, 0)), ("good", 0, (1, 1)))
    viz.show_contrast(SimpleNamespace(settings=section.settings), given, section)
    assert again == ["direct", "good"]
    (film,) = section.run.films()
    assert film["name"] == "03_01_contrast" and [label.split(":")[0] for label in film["labels"]] == ["direct", "good"]
    assert "start 1" in film["caption"] and decoded(b64decode(film["film"])).shape[2] == 68


@pytest.mark.slow
def test_the_report_plays_films_in_the_order_of_figures(section, pushed):
    section.words |= {"robot": "ur5e", "task": "push"}
    show_parts(section, [Part(pushed, 0, "direct")], "contrast", "One start", "What is seen.")
    section.finish({"written": "now"}, ["A sentence."])
    page = viz.write_report(section.run).read_text()
    assert 'data-film="03_01_contrast"' in page and "data:video/mp4;base64," in page and "One start" in page
    video = page[page.index("<video") :].split(">")[0]
    assert {"controls", "muted", "loop"} <= set(video.split())
    section.run.begin("03")
    assert not section.run.films()


@pytest.mark.slow
def test_without_a_driver_there_are_film_strips_and_a_line(section, pushed, monkeypatch):
    no_driver(monkeypatch)
    lines = []
    monkeypatch.setattr(Section, "lines", lambda self, text, lead="": lines.extend(text))
    other = rolled_out("push")
    show_parts(section, [Part(pushed, 0, "direct"), Part(other, 1, "good")], "contrast", "One start", "What is seen.")
    names = [figure["name"] for figure in section.run.figures()]
    assert names == ["03_01_contrast", "03_02_contrast"] and not section.run.films()
    assert len(lines) == 1 and "apt-get install libegl1" in lines[0]


def test_episodes_move_where_the_kinematics_are_known(make_set, monkeypatch):
    known = make_set("panda", joints=7, episodes=1, steps=4, state=False)
    pictures = episode_pictures(known, 0, side=32)
    assert pictures.shape == (4, 32, 32, 3) and (pictures[0] != pictures[-1]).any()
    with pytest.raises(InputError):
        episode_pictures(make_set("nobody", joints=5, episodes=1, steps=4), 0)
    assert "URDF" in motion_html(make_set("nobody", joints=5, episodes=1, steps=4), 0)
    assert "<video" in motion_html(known, 0)
    no_driver(monkeypatch)
    assert "libegl1" in motion_html(known, 0)


def test_chunks_of_a_walk_move_next_to_each_other(make_set):
    known = make_set("panda", joints=7, episodes=1, steps=4)
    rows = known.series(0)
    page = walk_html(SimpleNamespace(adapt=known), np.stack([rows[:3], rows[1:]]), ["0 σ", "1 σ"])
    film = decoded(b64decode(page.split("base64,")[1].split('"')[0])).astype(int)
    assert film.shape == (3 + 12, 288, 288 + 4 + 288, 3) and "1 σ" in page
    left, right = film[:, :, :288], film[:, :, 292:]
    # The second begins a row later.
    assert np.abs(left[1] - right[0]).mean() < 1.5 < np.abs(left[0] - right[0]).mean()


@pytest.mark.browser
def test_a_film_plays_in_the_report_without_a_network(section, pushed, tmp_path):
    show_parts(section, [Part(pushed, 0, "direct"), Part(pushed, 1, "good")], "contrast", "One start", "What is seen.")
    section.finish({"written": "now"}, ["A sentence."])
    report = viz.write_report(section.run)
    with open_page(tmp_path / "profile") as page:
        page.goto(report.as_uri())
        film = page.locator("[data-film='03_01_contrast'] video")
        film.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('video').currentTime > 0.1", timeout=60_000)
        assert film.evaluate("video => video.videoWidth") == 2 * 288 + 4
        assert film.evaluate("video => video.muted && video.loop && video.controls")
        labels = page.locator("[data-film] .film > div > span").all_inner_texts()
        assert [label.split(":")[0] for label in labels] == ["direct", "good"]
        assert not page.refused and not page.problems
        page.screenshot(path=str(tmp_path / "report.png"))
