import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ate.errors import InputError
from ate.runs.directory import RunDirectory
from ate.viz.commands import report
from ate.viz.report import safe_json, write_report
from tests.browser import PAINTED, open_page, variance
from tests.viz.samples import figures

HOSTILE = "<script>document.title='taken'</script><b>&\"'"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "made-up")
    for name, figure in figures().items():
        run.save_figure(name, figure, title=f"Figure {name}", caption=f"What {name} shows. {HOSTILE}")
    table = {"columns": ["arm", "rate"], "rows": [["direct", 0.66], [HOSTILE, 0.38]]}
    run.save_headline("01", {"verdict": ["All sets are whole."], "episodes": 550, "table": table})
    run.save_headline("03", {"verdict": [f"ATE hurts {HOSTILE}"], "success": {"direct": 0.661234, "ate": 0.38}})
    run.save_card("01", {"command": "papermill 01", "config": {"profile": HOSTILE}, "seeds": {}, "hashes": {}})
    return run


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
            box = plot.locator(".cartesianlayer .bg, .bglayer .bg, rect.nsewdrag").first
            assert variance(plot.screenshot()) > 50, f"{name} is blank"
            assert box.count() == 1, f"{name} has no axes"
        assert page.refused == []
        assert page.problems == []
        assert page.title() == "Align-Then-stEer: made-up"
        assert page.locator("b", has_text="&").count() == 0
        assert page.get_by_text("not run").count() == 0


@pytest.mark.browser
def test_a_notebook_without_results_says_not_run(tmp_path):
    run = RunDirectory(tmp_path / "half")
    run.save_headline("01", {"verdict": "Fine."})
    with open_page(tmp_path / "profile") as page:
        page.goto(write_report(run).as_uri())
        page.wait_for_selector("body[data-drawn]", timeout=30_000)
        for missing in ("02", "03", "04"):
            assert "not run" in page.locator(f'[data-headline="{missing}"]').inner_text()
        assert "not run" not in page.locator('[data-headline="01"]').inner_text()
        assert "Fine." in page.locator('[data-headline="01"]').inner_text()


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
