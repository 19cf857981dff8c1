"""The four notebooks at profile `smoke`, as batch runs them, and their report, as a reviewer opens it."""

import nbformat
import pytest
from click.testing import CliRunner

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.cli.compare import compare
from ate.data import load, load_sets
from ate.experiments import comparison, summarise
from ate.experiments.settings import PROFILES
from ate.experiments.store import load_results
from ate.policies.noise import in_words
from ate.runs.directory import RunDirectory
from ate.viz.report.write import write_report
from tests.browser import PAINTED, open_page, variance

KINDS = ("diffusion", "flow")
pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All four notebooks executed once."""
    return RunDirectory(
        execute(list(NOTEBOOKS), {"profile": "smoke", "run": str(tmp_path_factory.mktemp("run"))}).directory
    )


def test_every_notebook_ends_with_headlines_and_a_card(run):
    assert list(run.headlines()) == list(NOTEBOOKS) == list(run.cards())
    for number, numbers in run.headlines().items():
        assert numbers["verdict"] and all(isinstance(line, str) and line for line in numbers["verdict"])
        card = run.cards()[number]
        assert card["config"]["profile"] == "smoke" and card["hashes"] and card["versions"]["torch"] and card["command"]


def test_counts_of_01_equal_the_data(run):
    smoke = PROFILES["smoke"]
    sets = [*load_sets(smoke.pretrain), load(smoke.adapt)]
    headline = run.headlines()["01"]
    assert headline["episodes"] == sum(len(s) for s in sets) == 550
    assert headline["steps"] == sum(int(s.lengths.sum()) for s in sets)
    expected = sum(max(n - smoke.horizon + 1, 0) for s in sets[:-1] for n in s.lengths.tolist())
    assert headline["pretrain_chunks"] == expected


def test_rates_of_03_equal_the_kept_results(run):
    results = load_results(run.path / "results")
    assert results
    table = run.headlines()["03"]["table"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert [row["method"] for row in rows] == 2 * [method.name for method in comparison()]
    assert {row["policy"] for row in rows} == {"diffusion", "flow"}
    for row in rows:
        if row["method"] == "direct":
            continue  # 04 keeps a direct method as well
        mine = [r for r in results if r.method == row["method"] and in_words(r.parameterization) == row["policy"]]
        (one,) = summarise(mine)
        assert row["success"] == f"{one.successes} of {one.trials}" and one.trials == 2 * 10


def test_direct_of_03_and_lambda_zero_of_04_are_one(run):
    """One cell serves both notebooks; the held-out seeds of 04 have cells of their own."""
    direct = [r for r in load_results(run.path / "results") if (r.method, r.parameterization) == ("direct", "sample")]
    assert [r.seed for r in direct] == [0, 1, 2, 3]
    said = []
    for number in ("03", "04"):
        table = run.headlines()[number]["table"]
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        said += [row["success"] for row in rows if (row["method"], row["policy"]) == ("direct", "diffusion")]
    successes = sum(sum(r.success) for r in direct if r.seed < 2)
    assert said == [f"{successes} of 20"] * 2


def test_grid_of_04_holds_every_cell(run):
    methods = [row[1] for row in run.headlines()["04"]["table"]["rows"]]
    lams = PROFILES["smoke"].lams
    assert methods == ["direct", *(f"λ={lam:g}, c=∞, at pretraining observations" for lam in lams)]


def test_03_says_first_whether_the_base_policies_can_do_the_task(run):
    headline = run.headlines()["03"]
    bases = headline["base_policies"]["rows"]
    assert [row[0] for row in bases] == [f"{kind}, in {place}" for place in ("joints", "tool space") for kind in KINDS]
    # At this size none of them can.
    assert headline["bottom_line"].startswith("Cannot judge") and headline["verdict"][0].startswith("Cannot judge")
    kept = {row[0]: row[2] for row in headline["retargeted"]["rows"]}
    assert kept == dict.fromkeys(("iiwa14", "panda", "sawyer", "xarm6", "xarm7"), 100)


def test_executed_notebooks_have_no_errors_and_keep_their_parameters(run):
    for name in NOTEBOOKS.values():
        notebook = nbformat.read(run.path / "notebooks" / name, as_version=4)
        outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
        assert outputs and not [o for o in outputs if o.output_type == "error"]
        assert notebook.metadata.papermill.parameters["profile"] == "smoke"


@pytest.mark.browser
def test_report_shows_every_figure_offline(run, tmp_path):
    report = write_report(run, tmp_path / "report.html")
    declared = [figure["name"] for figure in run.figures()]
    assert len(declared) >= 16
    with open_page(tmp_path / "profile") as page:
        page.goto(report.as_uri())
        page.wait_for_selector("body[data-drawn]", timeout=60_000)
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
        page.wait_for_function(f"document.querySelectorAll('.js-plotly-plot .main-svg').length >= {len(declared)}")
        for name in declared:
            element = page.locator(f"[data-figure='{name}']")
            assert element.count() == 1
            element.scroll_into_view_if_needed()
            assert element.evaluate(PAINTED) > 0, f"{name} paints nothing"
            assert variance(element.screenshot()) > 50, f"{name} is blank"
        text = page.inner_text("body")
        assert not page.refused and not page.problems
    for numbers in run.headlines().values():
        for line in numbers["verdict"]:
            assert " ".join(line.split()) in " ".join(text.split())


def test_a_second_run_reads_back_and_says_the_same(run):
    before = run.headlines()["03"]
    execute(["03"], {"profile": "smoke", "run": str(run.path)})
    assert run.headlines()["03"] == before


def test_compare_says_what_03_says(run):
    """The command line over the same run directory reads the same results and writes its own headline."""
    done = CliRunner().invoke(compare, ["--profile", "smoke", "--run", str(run.path)])
    assert done.exit_code == 0, done.output
    headline = run.headlines()["03"]
    assert headline["bottom_line"] in done.output
    assert run.headlines()["compare-5x20"]["table"]["rows"] == headline["table"]["rows"]
    assert run.cards()["compare-5x20"]["hashes"] == run.cards()["03"]["hashes"]
    write_report(run.begin("compare-5x20"))  # the other tests look at the notebooks alone
