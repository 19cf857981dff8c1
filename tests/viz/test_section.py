from dataclasses import replace

import pytest

from ate import viz
from ate.experiments.settings import settings
from ate.viz.report.captions import FIGURES, Picture
from ate.viz.report.section import COMPARED, SWEPT, Section, keep_section
from ate.viz.report.write import write_report
from tests.viz.samples import cells, results, sets

CARD = {"command": "ate sweep --run here", "config": {"seed": 0}, "seeds": {}, "hashes": {}, "versions": {}}


def kept(section):
    return [figure["name"].split("_", 2)[2] for figure in section.run.figures()]


@pytest.fixture
def begin(tmp_path):
    def one(key="compare-25x80", **options):
        section = Section.begin(settings({"profile": "smoke", "run": str(tmp_path / "run")}), key, **options)
        section.about(replace(sets()[1], task="lift"))
        return section

    return one


@pytest.mark.slow
def test_a_comparison_keeps_its_figures_and_without_rollouts_those_that_need_none(begin):
    headline = {"title": "Compare: 25 demonstrations", "verdict": ["helps"]}
    section = begin(displayed=False)
    keep_section(section, results(), headline, CARD)
    assert kept(section) == ["success", "paired_differences", "open_loop_error", "loss_curves", "guidance_anatomy"]
    section = begin(displayed=False)
    keep_section(section, results(simulator=False), headline, CARD)
    assert kept(section) == ["open_loop_error", "loss_curves", "guidance_anatomy"]


@pytest.mark.slow
def test_a_sweep_shows_its_grid_and_its_validation(begin):
    searched = [result for result in cells() if result.parameterization == "sample"]
    winner = [result for result in searched if result.method in ("direct", "λ 0.5, clamp 0.02")]
    headline = {"title": "Sweep: sample", "verdict": ["cannot tell"]}
    section = begin("sweep-sample-25x80", displayed=False)
    keep_section(section, searched, headline, CARD, winner)
    assert kept(section) == ["grid", "response_curves", "meter_grid", "cost", "parallel_coordinates", "validated"]
    html = write_report(section.run).read_text(encoding="utf-8")
    title = FIGURES["validated"].title.format(seeds=3)
    assert title in html and "ate sweep --run here" in html and html.count("data-figure=") == 6
    # One cell is no grid: it is compared.
    section = begin("sweep-sample-25x80", displayed=False)
    keep_section(section, winner, headline, CARD)
    assert kept(section)[:2] == ["success", "paired_differences"] and "grid" not in kept(section)


@pytest.mark.slow
def test_titles_name_robot_task_budget_and_guidance(begin):
    section = begin()
    section.figure(viz.success, results())
    section.figure(viz.guidance_anatomy, results())
    section.figure(viz.guidance_anatomy, cells())
    first, one, several = (figure["title"] for figure in section.run.figures())
    for word in ("ur5e", "lift", "25 demonstrations", "4 training seeds", "100 rollouts"):
        assert word in first
    assert results()[-1].spec.guidance.label() in one and "by method" in several


@pytest.mark.slow
def test_figures_keep_the_order_of_the_calls_beyond_nine(begin):
    section = begin("04")
    for number in range(12):
        section.show(Picture(f"p{number}", viz.success(results()), "title", "caption"))
    assert kept(section) == [f"p{number}" for number in range(12)]


def test_finish_keeps_verdict_card_and_rows_as_tables(begin):
    section = begin("03")
    section.finish(CARD, ["helps"], bottom_line="Yes.", table=[{"method": "ATE"}], cells=3, doctor={"level": "PASS"})
    assert section.run.headlines()["03"] == {
        "bottom_line": "Yes.", "verdict": ["helps"], "table": {"columns": ["method"], "rows": [["ATE"]]}, "cells": 3,
        "doctor": {"level": "PASS"},
    }  # fmt: skip
    assert section.run.cards()["03"] == CARD
    assert begin("03").run.headlines() == {}


def test_a_section_that_is_not_displayed_shows_nothing(begin, monkeypatch):
    shown = []
    monkeypatch.setattr("ate.viz.display.display", shown.append)
    section = begin(displayed=False)
    section.table([{"a": 1}])
    section.lines(["b"])
    section.figure(viz.success, results())
    assert not shown
    begin().lines(["b"])
    assert shown


@pytest.mark.parametrize("draw", [*COMPARED, *SWEPT])
def test_every_figure_of_results_has_words_that_results_fill_in(begin, draw):
    section = begin()
    section.figure(draw, results() if draw in COMPARED else cells())
    (figure,) = section.run.figures()
    assert figure["title"] and figure["caption"] and "{" not in figure["title"] + figure["caption"]


def test_option_rows_show_value_default_and_meaning():
    guidance = settings({"lam": 2.0, "guidance": "paper"}).guidance
    rows = {row["option"]: row for row in viz.option_rows(guidance)}
    assert rows["lam"]["value"] == "2" and rows["lam"]["default"] == "1" and rows["lam"]["meaning"]
    assert [row["option"] for row in viz.option_rows(guidance, changed=True)] == ["lam", "energy_at"]
