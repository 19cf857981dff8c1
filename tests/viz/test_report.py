import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ate.cli.report import report
from ate.errors import InputError
from ate.runs.directory import RunDirectory
from ate.runs.failure import NotebookFailure
from ate.runs.files import write_json
from ate.viz.report.write import safe_json, write_report
from tests.browser import PAINTED, open_page, variance
from tests.viz.samples import figures

HOSTILE = "<script>document.title='taken'</script><b>&\"'"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "made-up")
    for name, figure in figures().items():
        run.save_figure(name, figure, title=f"Figure {name}", caption=f"What {name} shows. {HOSTILE}")
    table = {"columns": ["method", "rate"], "rows": [["direct", 0.66], [HOSTILE, 0.38]]}
    run.save_headline("01", {"verdict": ["All sets are whole."], "episodes": 550, "table": table})
    run.save_headline("03", {"verdict": [f"ATE hurts {HOSTILE}"], "success": {"direct": 0.661234, "ate": 0.38}})
    run.save_card("01", {"command": "papermill 01", "config": {"profile": HOSTILE}, "seeds": {}, "hashes": {}})
    return run


@pytest.fixture
def sweep(tmp_path) -> RunDirectory:
    """What a λ × clamp sweep leaves: cells, one of them failed, a verdict, a validation, a card."""
    run = RunDirectory(tmp_path / "sweep")
    table = {"columns": ["method", "success", "difference"], "rows": [["direct", 0.6, 0.0], ["λ=2, c=0.1", 0.7, 10.0]]}
    said = "The search said +10.0; on 8 held-out seeds +4.0 (−2.0 to +10.0): cannot tell."
    run.save_headline("04", {"verdict": ["ur5e, 25 demonstrations.", "helps", said], "table": table})
    config = {"lams": "0.5,2", "pretrain": "/data/with/a/long/path", "left_out": ["episode_0001", "episode_0007"]}
    run.save_card("04", {"command": "ate run --only 04 -p lams=0.5,2", "config": config, "seeds": {"training": [0, 1]},
                         "hashes": {"ur5e": "ab12"}, "versions": {"torch": "2.13.0"}, "written": "now"})  # fmt: skip
    for i in range(3):
        write_json(run.path / "results" / "cells" / f"{i}.json", {"cell": str(i)})
    failed = {"cell": "9", "method": f"λ=0.5 {HOSTILE}", "seed": 3, "type": "Lost", "message": "was killed",
              "trace": "", "command": "ate run --only 04"}  # fmt: skip
    write_json(run.path / "results" / "failed" / "9.json", failed)
    return run


def body(run: RunDirectory) -> str:
    """What a reader sees of a report, plotly's library left out."""
    return write_report(run).read_text(encoding="utf-8").split("<body")[1].split("<script>")[0]


def test_a_sweep_is_shown_with_its_confirmation_its_failed_cells_and_its_command(sweep):
    html = body(sweep)
    assert html.index("held-out seeds +4.0") < html.index("<h2")
    assert (
        "1 of 4 cells of sweeps have no result" in html and "Lost: was killed" in html and "ate run --only 04<" in html
    )
    assert "<b>" not in html and "&lt;b&gt;" in html
    command = html.index('<pre class="command">ate run --only 04 -p lams=0.5,2</pre>')
    assert command < html.index("<details>"), "the command is hidden"
    for words in ("episode_0001, episode_0007", "/data/with/a/long/path", "0, 1", "ab12", "2.13.0"):
        assert words in html[html.index("<details>") :]
    (sweep.path / "results" / "failed" / "9.json").unlink()
    html = body(sweep)
    assert "3 cells of sweeps, each with its result" in html and "no result" not in html


def test_a_failure_comes_first_in_the_report_and_a_run_of_failures_has_one(tmp_path, run):
    failed = RunDirectory(tmp_path / "failed")
    failure = NotebookFailure(
        "02", "Align the latents", "Training", 5, "ValueError", HOSTILE, "mend it", "ate run --only 02",
        "/r/notebooks/02.ipynb", ("03",),
    )  # fmt: skip
    failed.save_failure(failure)
    html = body(RunDirectory.existing(failed.path))
    assert html.index(failure.html()) < html.index("What the notebooks found") and "<b>&" not in html
    assert "failed, see the card" in html
    assert "Not run: 01 Inspect the data, 03 Steer the policy, 04 Ablate λ and clamp." in html
    # Of several runs the failures of all come first.
    both = write_report([run, failed], tmp_path / "both.html").read_text(encoding="utf-8")
    assert both.index(failure.html()) < both.index("data-headline=")


@pytest.mark.browser
def test_every_figure_is_painted_with_the_network_cut(run, tmp_path):
    html = write_report(run, tmp_path / "report.html")
    with open_page(tmp_path / "profile") as page:
        page.goto(html.as_uri())
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        shown = page.eval_on_selector_all("[data-figure]", "all => all.map(one => one.dataset.figure)")
        assert shown == sorted(figures())
        for name in shown:
            plot = page.locator(f'[data-figure="{name}"]')
            assert plot.evaluate(PAINTED) > 0, f"{name} has no painted element"
            box = plot.locator(".cartesianlayer .bg, .bglayer .bg, rect.nsewdrag, .parcoords .axis").first
            assert variance(plot.screenshot()) > 50, f"{name} is blank"
            assert box.count() == 1, f"{name} has no axes"
        assert page.refused == []
        assert page.problems == []
        assert page.title() == "Align-Then-stEer: made-up"
        assert page.locator("b", has_text="&").count() == 0
        assert page.get_by_text("not run").count() == 0


def test_what_has_not_run_is_said_once_after_what_has(tmp_path):
    run = RunDirectory(tmp_path / "half")
    run.save_headline("04", {"verdict": "Fine."})
    html = body(run)
    missing = "Not run: 01 Inspect the data, 02 Align the latents, 03 Steer the policy."
    assert html.index("Fine.") < html.index(missing) and html.lower().count("not run") == 1
    assert html.count("<h2") == html.count("data-headline") == 1


def test_a_table_of_many_rows_is_folded(tmp_path):
    run = RunDirectory(tmp_path / "many")
    for rows, folded in ((15, 0), (16, 1)):
        run.save_headline("04", {"verdict": "Fine.", "table": {"columns": ["method"], "rows": [["direct"]] * rows}})
        html = body(run)
        assert html.count("<summary>Table: 16 rows</summary>") == folded and html.count(">direct</td>") == rows
        assert html.count("</table></div></details>") == folded and html.count("</table></div></div>") == 1 - folded


def test_a_run_without_notebooks_misses_none(tmp_path):
    run = RunDirectory(tmp_path / "swept")
    run.save_headline("sweep-sample-25x80", {"title": "Sweep: sample, 25 demonstrations", "verdict": ["cannot tell"]})
    html = body(run)
    assert html.count("Sweep: sample, 25 demonstrations") == 3  # link, headline, section
    assert "sweep-sample-25x80 ·" not in html and "ot run" not in html


def test_no_text_of_a_run_becomes_markup(run, tmp_path):
    html = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>document" not in html
    assert "&lt;script&gt;document" in html


def test_json_in_a_script_element_cannot_end_it_and_means_the_same():
    source = json.dumps({"text": "</script><!--&\u2028"}, ensure_ascii=False)
    safe = safe_json(source)
    assert "<" not in safe and "&" not in safe
    assert json.loads(safe) == json.loads(source)


def test_a_report_of_two_runs_holds_plotly_once(run, tmp_path):
    one = write_report(run, tmp_path / "one.html").stat().st_size
    two = write_report([run, run], tmp_path / "two.html").stat().st_size
    figures_only = sum(len(figure["figure"]) for figure in run.figures())
    assert one < two < one + 2 * figures_only
    with pytest.raises(InputError, match="at least one run"):
        write_report([])


def test_the_command_names_the_file_and_refuses_a_folder_without_a_run(run, tmp_path):
    out = tmp_path / "here.html"
    done = CliRunner().invoke(report, [str(run.path), "--out", str(out)])
    assert done.exit_code == 0 and done.output.strip() == str(out) and out.exists()
    refused = CliRunner().invoke(report, [str(tmp_path / "nowhere"), "--out", str(tmp_path / "none.html")])
    assert isinstance(refused.exception, InputError) and "make run" in str(refused.exception)
    assert list(Path(tmp_path).glob("none*")) == []
