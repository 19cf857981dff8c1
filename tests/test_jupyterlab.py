import json
from pathlib import Path

import pytest

from tests.browser import PAINTED, open_page, variance
from tests.lab import run_all, serve

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
DONE = "everything has run"
# plotly numbers the axes of panels: xtitle, x2title, …
TITLE = ".infolayer text[class^='x'][class$='title']"


def at_smoke(source: Path, target: Path, run: Path) -> Path:
    """A copy of a notebook with the smoke profile in its parameters and a last cell that says so."""
    notebook = json.loads(source.read_text(encoding="utf-8"))
    parameters = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    text = "".join(parameters["source"]).replace('"demo"', '"smoke"', 1)
    parameters["source"] = text.replace('run: str = ""', f"run: str = {str(run)!r}")
    last = {"cell_type": "code", "id": "done", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"].append({**last, "source": f"print({DONE[:10]!r} + {DONE[10:]!r})"})
    target.write_text(json.dumps(notebook), encoding="utf-8")
    return target


@pytest.mark.browser
@pytest.mark.slow
def test_the_first_notebook_runs_in_jupyterlab_and_draws(tmp_path):
    notebook = at_smoke(NOTEBOOKS / "01_inspect_data.ipynb", tmp_path / "01_inspect_data.ipynb", tmp_path / "run")
    with (
        serve(tmp_path / "lab", [notebook]) as lab,
        open_page(tmp_path / "profile", local=True, width=1300, height=1000) as page,
    ):
        lab.open(page, notebook.name)
        run_all(page, DONE)
        # Each plot is scrolled to, because JupyterLab draws only what is near the view.
        plots = page.locator(".jp-OutputArea .js-plotly-plot")
        cells = page.locator(".jp-CodeCell")
        seen = set()
        for index in range(cells.count()):
            page.evaluate("i => window.jupyterapp.shell.currentWidget.content.scrollToItem(i)", index)
        page.wait_for_selector(f".js-plotly-plot {TITLE}", timeout=60_000)
        for index in range(plots.count()):
            plot = plots.nth(index)
            plot.scroll_into_view_if_needed()
            plot.locator(TITLE).first.wait_for(timeout=30_000)
            assert plot.evaluate(PAINTED) > 0
            assert variance(plot.screenshot()) > 50
            seen.update(plot.locator(TITLE).all_text_contents())
        assert {"Episode length (steps)", "Time (s)"} <= seen
        slider = page.locator(".widget-slider .noUi-handle")
        slider.scroll_into_view_if_needed()
        before = plots.count()
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.locator(".widget-readout", has_text="1").wait_for(timeout=20_000)
        assert plots.count() == before >= 5
        assert page.problems == []
        page.screenshot(path=str(tmp_path / "lab.png"))
