"""The explorer of cells and what it shows of one, with a made-up study and made-up rollouts."""

import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ate import viz
from ate.errors import InputError
from ate.experiments.methods import guided
from ate.experiments.replay import Replay, telling
from ate.experiments.settings import settings
from ate.experiments.stats.comparisons import differences
from ate.experiments.study import sweep_of
from ate.runs.options import pairs
from ate.viz.tables.cell_card import card_rows, command, seed_rows
from ate.viz.widgets.cell import CellExplorer
from tests.methods import other
from tests.viz.samples import cells, rolled_out, sets


def one_kind(seeds=3):
    return [
        replace(r, steps=20, cell=f"{i:064x}") for i, r in enumerate(cells(seeds)) if r.parameterization == "sample"
    ]


@pytest.fixture
def study(tmp_path):
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "ablation_seeds": 3, "observations": "demonstrations"})
    policies = {"sample": tmp_path / "policies" / "sample-abc" / "policy.safetensors"}
    return SimpleNamespace(settings=chosen, policies=policies, folder=Path("align/def"), adapt=sets()[1])


@pytest.fixture
def played(monkeypatch):
    """What is rolled out again, and what is drawn; nothing is trained."""
    seen = SimpleNamespace(trained=[], drawn=[], tables=[], html=[])

    def again(study, result):
        seen.trained.append((result.lam, result.clamp, result.seed))
        if result.seed == 2:
            raise InputError("nothing", where="here", expected="something", fix="look")
        return Replay(result, rolled_out(), kept=result.lam == 2.0, faithful=result.seed == 0)

    monkeypatch.setattr("ate.viz.widgets.cell.replay_in", again)
    monkeypatch.setattr("ate.viz.widgets.cell.draw", seen.drawn.append)
    monkeypatch.setattr("ate.viz.report.contrast.draw", seen.drawn.append)
    monkeypatch.setattr("ate.viz.widgets.cell.show_table", seen.tables.append)
    monkeypatch.setattr("ate.viz.report.section.show_table", seen.tables.append)
    monkeypatch.setattr("ate.viz.report.section.show_picture", lambda picture: None)
    monkeypatch.setattr("ate.viz.widgets.cell.display", lambda shown: seen.html.append(getattr(shown, "data", "")))
    return seen


def click(explorer, lam, clamp):
    trace = next(i for i, t in enumerate(explorer.figure.figure.data) if t.type == "heatmap")
    explorer.figure._receive(None, {"event": "click", "points": [point(trace, lam, clamp)]}, [])


def point(trace, lam, clamp):
    return {"trace": trace, "index": [0, 0], "x": lam, "y": clamp}


@pytest.mark.slow
def test_a_click_shows_card_curves_and_film_of_that_cell(study, played):
    explorer = CellExplorer(study, one_kind())
    assert explorer.seed.disabled and not played.trained
    click(explorer, "2", "0.1")
    assert played.trained == [(2.0, 0.1, 0)]
    assert "Run card of λ 2, clamp 0.1" in "".join(played.html)
    assert [row["training seed"] for row in played.tables[0]] == [0, 1, 2]
    loss, meter, film = played.drawn
    assert {t.name for t in loss.data if t.name} == {"direct", "λ 2, clamp 0.1"}
    assert {t.name for t in meter.data if t.name} == {"λ 2, clamp 0.1"}
    assert any("rollout seed" in note.text for note in film.layout.annotations)
    assert "rolled out again, the same" in explorer.status.value
    frames = [shape for shape in explorer.figure.figure.layout.shapes if shape.name == "chosen"]
    assert len(frames) == 1 and (frames[0].x0 + frames[0].x1, frames[0].y0 + frames[0].y1) == (2, 2)


@pytest.mark.slow
def test_another_seed_is_trained_once_and_what_differs_is_said(study, played):
    explorer = CellExplorer(study, one_kind())
    click(explorer, "2", "0.1")
    explorer.seed.value = 1
    assert played.trained[-1] == (2.0, 0.1, 1) and "NOT what was kept" in explorer.status.value
    explorer.seed.value = 0
    click(explorer, "0.5", "0.1")
    click(explorer, "2", "0.1")
    assert played.trained == [(2.0, 0.1, 0), (2.0, 0.1, 1), (0.5, 0.1, 0)]
    assert sum(shape.name == "chosen" for shape in explorer.figure.figure.layout.shapes) == 1


def test_a_seed_that_has_not_run_is_named(study, played):
    runs = [r for r in one_kind() if (r.lam, r.clamp, r.seed) != (2.0, 0.1, 0)]
    explorer = CellExplorer(study, runs)
    click(explorer, "2", "0.1")
    assert not played.trained and "Seed 0 of this cell has not run; there are 1, 2" in explorer.status.value


@pytest.mark.slow
def test_what_goes_wrong_is_shown_and_not_swallowed(study, played):
    """Outside a kernel an Output lets errors through; inside it shows them."""
    explorer = CellExplorer(study, one_kind())
    click(explorer, "2", "0.1")
    with pytest.raises(InputError, match="here: got nothing"):
        explorer._guarded(lambda: (setattr(explorer.seed, "value", 2), explorer._roll()))()


def test_clicks_beside_a_cell_do_nothing(study, played):
    runs = [r for r in one_kind() if (r.lam, r.clamp) != (2.0, 0.1)]
    explorer = CellExplorer(study, runs)
    click(explorer, "2", "0.1")
    explorer.figure._receive(None, {"event": "click", "points": []}, [])
    assert explorer.chosen is None and not played.trained


def test_the_card_says_what_it_takes_to_repeat_the_cell(study):
    runs = [r for r in one_kind() if (r.lam, r.clamp) == (2.0, 0.1)]
    card = card_rows(study, runs)
    assert all(text in card["guidance"] for text in ("aligned", *runs[0].spec.guidance.labels().values()))
    assert "5" not in card["seeds"].split("rollouts")[0] and "training 0, 1, 2" in card["seeds"]
    assert all(text in card["hashes"] for text in ("sample-abc", "def", runs[0].cell[:16]))
    words = shlex.split(command(study, runs[0]))
    given = pairs([item for word, item in pairwise(words) if word == "-p"], "-p")
    again = settings({"profile": "smoke", "run": str(study.settings.directory), **given})
    assert (again.lams, again.clamps, again.ablation_seeds) == ((2.0,), (0.1,), 3)
    assert again.guidance == study.settings.guidance
    assert "clamps=inf" in command(study, other(runs[0], clamp=np.inf))


def test_a_cell_of_tool_motion_guidance_is_repeated_with_its_share(study):
    usual = settings({"profile": "smoke", "run": str(study.settings.directory)})
    study.settings, spec = usual, guided("g", usual.guidance, "motion")
    one = replace(one_kind()[1], spec=spec)
    assert command(study, one).startswith("ate run") and "lams=1" in command(study, one)
    less = shlex.split(command(study, replace(one, spec=replace(spec, share=0.25))))
    assert less[:2] == ["ate", "run"] and {"lams=1", "shares=0.25"} <= set(less)
    reversed_sign = replace(spec, share=0.25, guidance=replace(spec.guidance, sign=-1))
    other_form = shlex.split(command(study, replace(one, spec=reversed_sign)))
    assert other_form[:2] == ["ate", "sweep"] and {"sign=-1", "share=0.25"} <= set(other_form)


def test_a_cell_of_a_sweep_is_repeated_by_a_sweep(study):
    one = other(one_kind()[1], encoder="mixture", sign=-1, energy_at="x_t")
    words = shlex.split(command(study, one))
    assert words[:2] == ["ate", "sweep"] and {"sign=-1", "encoder=mixture", "steps=20"} <= set(words)
    axes = pairs([item for word, item in pairwise(words) if word == "--axis"], "--axis")
    swept = sweep_of(study.settings).with_options(axes, "options")
    assert swept.guidance == {"energy_at": ("x_t",), "sign": (-1,)} and swept.encoder == ("mixture",)
    assert (swept.steps, swept.demonstrations, swept.cells) == ((20,), (25,), 1 * 7 * 3)


def test_seeds_one_by_one_are_rows_of_the_tidy_table():
    runs = one_kind()
    rows = seed_rows(runs, "λ 2, clamp 0.5")
    gaps = next(d for d in differences(runs) if d.method == "λ 2, clamp 0.5").by_seed
    assert [row["to λ = 0, points"] for row in rows] == [round(100 * gap, 1) for gap in gaps]
    bare = [replace(r, success=(), closest=()) for r in runs]
    assert seed_rows(bare, "λ 2, clamp 0.5")[0]["success"] == ""


@pytest.mark.slow
def test_the_highest_and_the_lowest_cell_are_shown_in_batch(study, played, monkeypatch):
    monkeypatch.setenv("ATE_BATCH", "1")
    runs = one_kind()
    found = viz.extremes(runs)
    mean = {d.method: d.mean for d in differences(runs)}
    assert found["highest"].method == max(mean, key=mean.get) and found["lowest"].method == min(mean, key=mean.get)
    section = viz.Section.begin(study.settings, "04")
    for which, done in viz.replayed(study, found).items():
        viz.show_cell(study, runs, done, section, which)
    names = [figure["name"] for figure in section.run.figures()]
    assert names == ["04_01_highest_loss", "04_02_highest_film", "04_03_lowest_loss", "04_04_lowest_film"]
    assert "bit for bit" in section.run.figures()[1]["caption"]
    viz.show_cells(study, runs)  # nothing in batch
    assert len(viz.extremes([r for r in runs if r.lam == 0 or (r.lam, r.clamp) == (2.0, 0.1)])) == 1


def test_rollouts_that_tell_something():
    assert telling((True, False, True)) == [0, 1] and telling((False, False, True)) == [0, 2]
    assert telling((True, True)) == [0] and telling(()) == []
