import pytest

from ate.runs.directory import RunDirectory
from ate.viz.report.section import CONFIRMED, keep_section
from ate.viz.report.write import write_report
from tests.viz.samples import cells, results

CARD = {"command": "ate sweep --run here", "config": {"seed": 0}, "seeds": {}, "hashes": {}, "versions": {}}


def kept(run):
    return [figure["name"].split("_", 2)[2] for figure in run.figures()]


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "run")


def test_a_comparison_keeps_its_figures_and_without_rollouts_those_that_need_none(run):
    told = {"title": "Compare: 25 demonstrations", "verdict": ["helps"]}
    keep_section(run, "compare-25x80", results(), told, CARD)
    assert kept(run) == ["success", "paired_differences", "open_loop_error", "loss_curves", "guidance_anatomy"]
    keep_section(run, "compare-25x80", results(simulator=False), told, CARD)
    assert kept(run) == ["open_loop_error", "loss_curves", "guidance_anatomy"]


def test_a_sweep_shows_its_grid_and_its_confirmation(run):
    searched = [one for one in cells() if one.parameterization == "sample"]
    winner = [one for one in searched if one.method in ("direct", "λ 0.5, clamp 0.02")]
    told = {"title": "Sweep: sample", "verdict": ["cannot tell"]}
    keep_section(run, "sweep-sample-25x80", searched, told, CARD, winner)
    assert kept(run) == [
        "grid", "response_curves", "meter_grid", "cost", "parallel_coordinates", "paired_differences"
    ]  # fmt: skip
    html = write_report(run).read_text(encoding="utf-8")
    assert CONFIRMED in html and "ate sweep --run here" in html and html.count("data-figure=") == 6
    # One cell is no grid: it is compared.
    keep_section(run, "sweep-sample-25x80", winner, told, CARD)
    assert kept(run)[:2] == ["success", "paired_differences"] and "grid" not in kept(run)
