import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ate.viz.controls import BATCH


def run(monkeypatch, *sources: str) -> nbformat.NotebookNode:
    for name in BATCH:
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


def test_an_error_below_progress_stops_the_notebook(monkeypatch):
    with pytest.raises(CellExecutionError, match="planted"):
        run(monkeypatch, "from ate import viz", "with viz.progress():\n    raise ValueError('planted')")


def test_progress_leaves_nothing_and_what_follows_stays(monkeypatch):
    work = "import sys\nwith viz.progress():\n    print('60/60', file=sys.stderr)\nprint('after')"
    (cell,) = run(monkeypatch, "from ate import viz", work).cells[1:]
    assert [(one.name, one.text) for one in cell.outputs] == [("stdout", "after\n")]


def test_tables_align_words_and_numbers_and_escape(monkeypatch):
    shown = run(monkeypatch, "from ate import viz", "viz.show_table([{'arm_name': '<b>', 'rate': 0.5}, {'rate': 2}])")
    html = shown.cells[1].outputs[0].data["text/html"]
    assert "arm name" in html and "&lt;b&gt;" in html and "<b>" not in html
    assert html.count("text-align:left") == html.count("text-align:right") == 3
