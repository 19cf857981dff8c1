import base64
import gzip
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ate.cli.report import report
from ate.errors import InputError
from ate.experiments.answer import ANSWER, BLIND, WEAK_BASE, answer_of
from ate.experiments.summary import method_rows
from ate.runs.directory import RunDirectory
from ate.runs.failure import NotebookFailure
from ate.runs.files import write_json
from ate.runs.origin import USED, Origin
from ate.viz.figures.comparison import success
from ate.viz.report.alert import alerts
from ate.viz.report.fact import facts
from ate.viz.report.write import packed, write_report
from ate.viz.tables.rows import table
from tests.browser import PAINTED, open_page, variance
from tests.viz.samples import figures, results, sets

HOSTILE = "<script>document.title='taken'</script><b>&\"'"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "made-up")
    for name, figure in figures().items():
        run.save_figure(name, figure, title=f"Figure {name}", caption=f"What {name} shows. {HOSTILE}")
    rates = {"columns": ["method", "rate"], "rows": [["direct", 0.66], [HOSTILE, 0.38]]}
    run.save_headline("01", {"verdict": ["All sets are whole."], "episodes": 550, "table": rates})
    run.save_headline("03", {"verdict": [f"ATE hurts {HOSTILE}"], "success": {"direct": 0.661234, "ate": 0.38}})
    run.save_card("01", {"command": "papermill 01", "config": {"profile": HOSTILE}, "seeds": {}, "hashes": {}})
    return run


@pytest.fixture
def sweep(tmp_path) -> RunDirectory:
    """What a λ × clamp sweep leaves: cells, one of them failed, a verdict, a validation, a card."""
    run = RunDirectory(tmp_path / "sweep")
    cells = {"columns": ["method", "success", "difference"], "rows": [["direct", 0.6, 0.0], ["λ=2, c=0.1", 0.7, 10.0]]}
    said = "The search said +10.0; on 8 held-out seeds +4.0 (−2.0 to +10.0): cannot tell."
    run.save_headline("04", {"verdict": ["ur5e, 25 demonstrations.", "helps", said], "table": cells})
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
    return write_report(run).read_text(encoding="utf-8").split("<body")[1].split('id="plotly"')[0]


@pytest.mark.slow
def test_a_sweep_is_shown_with_its_confirmation_its_failed_cells_and_its_command(sweep):
    html = body(sweep)
    assert "held-out seeds +4.0" in html
    assert (
        "1 of 4 cells of sweeps have no result" in html and "Lost: was killed" in html and "ate run --only 04<" in html
    )
    assert "<b>" not in html and "&lt;b&gt;" in html
    command = html.index('<pre class="command">ate run --only 04 -p lams=0.5,2</pre>')
    for words in ("episode_0001, episode_0007", "/data/with/a/long/path", "0, 1", "ab12", "2.13.0"):
        assert words in html[command:]
    (sweep.path / "results" / "failed" / "9.json").unlink()
    html = body(sweep)
    assert "Trained: 3 cells" in html and "no result" not in html


@pytest.mark.slow
def test_a_failure_comes_first_in_the_report_and_a_run_of_failures_has_one(tmp_path, run):
    failed = RunDirectory(tmp_path / "failed")
    failure = NotebookFailure(
        "02", "Align the latents", "Training", 5, "ValueError", HOSTILE, "mend it", "ate run --only 02",
        "/r/notebooks/02.ipynb", ("03",),
    )  # fmt: skip
    failed.save_failure(failure)
    html = body(RunDirectory.existing(failed.path))
    assert html.index(failure.html()) < html.index("data-answer") and "<b>&" not in html
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
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
        shown = page.eval_on_selector_all("[data-figure]", "all => all.map(one => one.dataset.figure)")
        assert sorted(shown) == sorted(figures())
        page.wait_for_function(f"document.querySelectorAll('.plot .main-svg').length >= {len(shown)}", timeout=60_000)
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
    assert missing in html and html.lower().count("not run") == 1
    assert html.count("<h2") == html.count("data-headline") == 1


@pytest.mark.slow
def test_a_table_of_many_rows_is_folded(tmp_path):
    run = RunDirectory(tmp_path / "many")
    for rows, folded in ((15, 0), (16, 1)):
        run.save_headline("04", {"verdict": "Fine.", "table": {"columns": ["method"], "rows": [["direct"]] * rows}})
        html = body(run)
        assert html.count(": 16 rows</summary>") == folded and html.count(">direct</td>") == rows
        assert html.count("</table></div></details>") == folded and html.count("</table></div></div>") == 1 - folded
        assert html.count('class="read"') == 1


def test_a_run_without_notebooks_misses_none(tmp_path):
    run = RunDirectory(tmp_path / "swept")
    run.save_headline("sweep-sample-25x80", {"title": "Sweep: sample, 25 demonstrations", "verdict": ["cannot tell"]})
    html = body(run)
    assert html.count("Sweep: sample, 25 demonstrations") == 2  # link and section
    assert "sweep-sample-25x80 ·" not in html and "ot run" not in html


@pytest.mark.slow
def test_no_text_of_a_run_becomes_markup(run, tmp_path):
    html = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>document" not in html
    assert "&lt;script&gt;document" in html


def test_settings_that_are_empty_are_left_out_and_nested_ones_are_a_group(tmp_path):
    run = RunDirectory(tmp_path / "carded")
    run.save_headline("02", {"verdict": ["Inside."]})
    run.save_card("02", {"config": {"layout": "", "seeds": [0, 1], "alignment": {"chunk": 16}}, "command": "ate run"})
    html = body(run)
    assert "<dt>layout" not in html and "<dd>0, 1" in html
    assert "Settings: alignment" in html and "<dt>chunk</dt><dd>16" in html


def test_what_is_packed_cannot_end_its_script_element_and_means_the_same():
    source = '{"text": "</script><!--&\u2028"}'
    text = packed(source)
    assert not set(text) & set("<>&") and gzip.decompress(base64.b64decode(text)).decode("utf-8") == source


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> RunDirectory:
    """A comparison with its answer, its figure and, from the other notebooks, what the facts take."""
    run = RunDirectory(tmp_path_factory.mktemp("answered") / "compared")
    methods = ("direct", "retarget", "tool space", "published shift")
    compared = [result for result in results() if result.method in methods]
    run.save_figure("03_01_residuals", success(compared), title="Residuals", caption="Not the answer.")
    run.save_figure("03_04_success", success(compared), title="Success", caption="How to read it.")
    said = answer_of(compared, replace(sets()[1], task="lift")).to_tree()
    rows = table(method_rows(compared))
    run.save_headline("03", {"verdict": ["helps"] * 9, ANSWER: said, "table": rows, "winner": "long text " * 20})
    findings = {"columns": ["level", "set"], "rows": [["WARN", "a"], ["PASS", "b"]]}
    run.save_headline("01", {"verdict": [], "findings": findings, "episodes": 9})
    judged = {"columns": ["alignment", "latents"], "rows": [["demo", "partly outside"]]}
    run.save_headline("02", {"verdict": [], "judgements": judged})
    run.save_card("03", {"config": {"profile": "smoke"}, "seeds": {}, "hashes": {}})
    return run


@pytest.mark.browser
def test_the_first_screen_holds_sentence_light_figure_and_facts_in_light_and_dark(answered, tmp_path):
    file = write_report(answered, tmp_path / "report.html")
    assert file.stat().st_size < 5e6
    with open_page(tmp_path / "profile", width=1280, height=900) as page:
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        for selector in (
            "[data-sentence]",
            "[data-light=helps]",
            "[data-answer] [data-figure='03_04_success']",
            "[data-fact=method]",
        ):
            box = page.locator(selector).first.bounding_box()
            assert box is not None and box["y"] + box["height"] <= 900, selector
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
        wide = "all => all.filter(one => one.scrollWidth > one.parentElement.clientWidth + 1).length"
        assert page.eval_on_selector_all("table", wide) == 0
        # The text stays legible on what is behind it.
        colors = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            ink, ground = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in page.evaluate(colors))
            assert (ink > ground) == (scheme == "dark") and abs(ink - ground) > 380
        assert page.problems == []


@pytest.mark.browser
def test_on_a_phone_the_panels_of_the_answer_stand_below_each_other_and_nothing_is_cut_off(answered, tmp_path):
    file = write_report(answered, tmp_path / "report.html")
    with open_page(tmp_path / "profile", width=390, height=900) as page:
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        plot = page.locator("[data-answer] .plot")
        titles = plot.locator(".infolayer text[class^='x'][class$='title']")
        boxes = [titles.nth(place).bounding_box() for place in range(titles.count())]
        assert len(boxes) == 2 and boxes[1]["y"] > boxes[0]["y"] + 200
        assert plot.bounding_box()["width"] < 390
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.problems == []


@pytest.mark.slow
def test_sections_come_from_the_answer_to_the_data(answered):
    html = body(answered)
    places = [html.index(f'data-headline="{key}"') for key in ("03", "02", "01")]
    assert html.index("data-answer") < html.index("<nav") < places[0] and places == sorted(places)
    assert [code for code in ("data", "inside", "method") if f'data-fact="{code}"' not in html] == []
    # A long text is a sentence, not a tile.
    assert "<dt>winner" not in html and "Winner: long text" in html


def test_facts_take_the_worst_level_and_the_best_alignment(answered):
    found = {fact.code: fact for fact in facts(answered.headlines(), answered.headlines()["03"][ANSWER])}
    assert found["data"].level == "WARN" and found["inside"].level == "WARN" and found["method"].level == "PASS"
    assert {fact.level for fact in facts({}, None)} == {""}


def test_without_notebook_01_the_gate_says_whether_the_data_are_sound():
    sound = Origin("about", "data", "now", examined="stamp")
    unsound = replace(sound, failed=[{"code": "units.degrees", "subject": "j", "set": "s", "got": "g"}])
    levels = [facts({}, None, origin)[0].level for origin in (sound, unsound, replace(sound, examined=""))]
    assert levels == ["PASS", "FAIL", ""] and "units.degrees" in facts({}, None, unsound)[0].more


@pytest.mark.parametrize(("light", "level"), [("helps", "PASS"), ("hurts", "FAIL"), ("cannot tell", "WARN")])
def test_a_method_is_named_as_the_one_to_take_only_where_it_helps(light, level):
    fact = facts({}, {"light": light, "method": "retarget", "settle": "next"})[-1]
    assert fact.level == level and (fact.value == "retarget") == (light == "helps")
    assert (fact.value == "direct") == (light == "hurts")
    weak = facts({}, {"light": "cannot tell", "method": "retarget", "settle": "next", "doubts": [WEAK_BASE]})[-1]
    assert "retarget" not in weak.value + weak.more and weak.level == "WARN"


@pytest.mark.slow
def test_who_accepted_a_fail_mends_the_data_first(tmp_path):
    run = RunDirectory(tmp_path / "accepted")
    compared = [result for result in results() if result.method in ("direct", "retarget")]
    run.save_headline("03", {"verdict": [], ANSWER: answer_of(compared, replace(sets()[1], task="lift")).to_tree()})
    run.save_figure("03_01_success", success(compared), title="Success", caption="How to read it.")
    assert "Mend the data first" not in body(run)
    run.bind(
        Origin("about", "data", "now", accepted=[{"code": "units.degrees", "subject": "j", "set": "s", "got": "g"}])
    )
    assert "Mend the data first" in body(run)


def test_doubts_are_alerts_by_code_and_level(tmp_path):
    run = RunDirectory(tmp_path / "doubtful")
    run.save_headline("03", {"verdict": [], ANSWER: {"doubts": [BLIND, WEAK_BASE]}})
    run.bind(
        Origin("about", "data", "now", accepted=[{"code": "units.degrees", "subject": "j", "set": "s", "got": "g"}])
    )
    for key, episodes, profile in (("02", "then", "demo"), ("03", "now", "smoke"), ("04", "now", "demo")):
        write_json(run.path / "cards" / f"{key}.json", {"config": {"profile": profile}, "command": key,
                                                        "made_from": {USED: episodes}})  # fmt: skip
    run.bind(
        replace(run.origin, accepted=[{"code": "units.degrees", "subject": j, "set": "s", "got": "g"} for j in "abc"])
    )
    assert alerts(run)[0].details == ("units.degrees of a and 2 more, s: g",)
    codes = {alert.code: alert.level for alert in alerts(run)}
    amber = dict.fromkeys(("blind", "stale", "mixed", "smoke"), "WARN")
    assert codes == {"accepted": "FAIL", "base": "FAIL", **amber}
    assert alerts(RunDirectory(tmp_path / "fresh")) == []
