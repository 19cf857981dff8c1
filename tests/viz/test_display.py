import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ate.viz.display import BATCH, READING

pytestmark = pytest.mark.kernel


def run(monkeypatch, history: str, *sources: str) -> nbformat.NotebookNode:
    """Executed by nbclient; with a history on disk a kernel is like one of JupyterLab."""
    monkeypatch.delenv(BATCH, raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=120, kernel_name="python3", ipython_hist_file=history).execute()
    return notebook


@pytest.fixture
def disk(tmp_path) -> str:
    return str(tmp_path / "history.sqlite")


def test_papermill_and_nbconvert_are_batch_and_a_kernel_of_jupyterlab_is_not(monkeypatch, disk):
    controls = "viz.pick_figure({'a': 1, 'b': 2}, lambda n: None, 'pick')\nprint(viz.display.in_batch())"
    for history, batch in ((":memory:", True), (disk, False)):
        (cell,) = run(monkeypatch, history, "from ate import viz\nimport ate.viz.display\n"
                      "viz.display.draw = lambda figure: None\n" + controls).cells  # fmt: skip
        widgets = [one for one in cell.outputs if "application/vnd.jupyter.widget-view+json" in one.get("data", {})]
        said = "".join(one.text for one in cell.outputs if one.output_type == "stream")
        assert said.strip() == str(batch) and bool(widgets) != batch


def test_an_error_below_progress_stops_the_notebook(monkeypatch, disk):
    with pytest.raises(CellExecutionError, match="planted"):
        run(monkeypatch, disk, "from ate import viz", "with viz.progress():\n    raise ValueError('planted')")


def test_progress_leaves_nothing_and_what_stands_around_it_stays(monkeypatch, disk):
    work = "import sys\nprint('before')\nwith viz.progress():\n    print('60/60', file=sys.stderr)\nprint('after')"
    (cell,) = run(monkeypatch, disk, "from ate import viz", work).cells[1:]
    before, pane, after = cell.outputs
    assert (before.text, after.text) == ("before\n", "after\n") and pane.data == {"text/plain": ""}


def test_a_cell_that_shows_the_library_waits_for_its_reader_and_no_other_does(monkeypatch):
    drawing = (
        "import itertools, types\nimport ate.viz.display as controls\nimport plotly.graph_objects as go\n"
        "slept, ticks = [], itertools.count(0, 10)\n"
        "controls.time = types.SimpleNamespace(monotonic=lambda: next(ticks), sleep=slept.append)\n"
        "controls.draw(go.Figure())\ncontrols.draw(go.Figure())\nprint(slept)"
    )
    (cell,) = run(monkeypatch, ":memory:", drawing).cells
    assert [one.text for one in cell.outputs if one.output_type == "stream"] == [f"[{READING * 10}]\n"]


def test_tables_align_words_and_numbers_and_escape(monkeypatch):
    shown = run(
        monkeypatch,
        ":memory:",
        "from ate import viz",
        "viz.show_table([{'method_name': '<b>', 'rate': 0.5}, {'rate': 2}])",
    )
    html = shown.cells[1].outputs[0].data["text/html"]
    assert "method name" in html and "&lt;b&gt;" in html and "<b>" not in html
    assert html.count("text-align:left") == html.count("text-align:right") == 3
