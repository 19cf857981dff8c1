"""A click in a figure, and what the kernel then changes in it, in a JupyterLab that is slow or busy."""

import json

import pytest

from tests.browser import open_page
from tests.lab import DONE, run_all, serve

FIGURE = """
import time
import ipywidgets
import plotly.graph_objects as go
from IPython.display import display
from ate.viz.widgets.figure import FigureWidget

figure = FigureWidget(go.Figure(go.Heatmap(z=[[1, 2], [3, 4]], x=["a", "b"], y=["c", "d"]), {"height": 300}))
clicks, label = [], ipywidgets.HTML()

def clicked(points):
    clicks.append(f"{points[0].x}{points[0].y}{points[0].index}")
    label.value = " ".join(clicks)
    figure.figure.update_layout(shapes=[{"type": "line", "x0": 0, "x1": 1, "y0": 0, "y1": 1}] * len(clicks))
    figure.refresh(layout=["shapes"])

figure.on_click(clicked)
display(ipywidgets.VBox([figure, label]))
"""
# anywidget gives up on a widget whose code takes longer than this to load.
HASTE = "const timeout = AbortSignal.timeout.bind(AbortSignal); AbortSignal.timeout = () => timeout(0);"
BUSY = "time.sleep(4)"
# Where the middle of a cell is on the page, by column and row.
MIDDLE = """(plot, [column, row]) => {
  const [x, y] = [plot._fullLayout.xaxis, plot._fullLayout.yaxis];
  const box = plot.getBoundingClientRect();
  return [box.x + x._offset + x.l2p(column), box.y + y._offset + y.l2p(row)];
}"""


def notebook(path, *sources):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "id": f"cell{i}", "source": source} for i, source in enumerate(sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The figure, opened in a browser in which every patience is at its end at once, as if it were very slow."""
    folder = tmp_path_factory.mktemp("figure")
    source = notebook(folder / "figure.ipynb", FIGURE, f"print({DONE!r})")
    with (
        serve(folder / "lab", [source]) as lab,
        open_page(folder / "profile", local=True, width=1000, height=900) as page,
    ):
        page.add_init_script(HASTE)
        lab.open(page, source.name)
        run_all(page, DONE)
        page.locator(".js-plotly-plot .heatmaplayer image").wait_for(timeout=60_000)
        yield page


@pytest.mark.browser
@pytest.mark.slow
def test_the_kernel_changes_a_figure_that_took_long_to_load(page):
    plot = page.locator(".js-plotly-plot")
    page.mouse.click(*plot.evaluate(MIDDLE, [1, 0]))
    page.get_by_text("bc[0, 1]", exact=True).wait_for(timeout=30_000)
    plot.locator(".shapelayer path").wait_for(timeout=10_000)


@pytest.mark.browser
@pytest.mark.slow
def test_hovering_does_not_erase_clicks_that_a_busy_kernel_has_not_read(page):
    plot = page.locator(".js-plotly-plot")
    page.evaluate(
        """code => {
          window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code });
        }""",
        BUSY,
    )
    for cell in ([0, 1], [1, 1]):
        page.mouse.click(*plot.evaluate(MIDDLE, cell))
        for other in ([0, 0], [1, 0], [1, 1]):
            page.mouse.move(*plot.evaluate(MIDDLE, other))
            page.wait_for_timeout(100)
    page.get_by_text("bc[0, 1] ad[1, 0] bd[1, 1]", exact=True).wait_for(timeout=30_000)
    page.wait_for_function("() => document.querySelectorAll('.shapelayer path').length === 3", timeout=10_000)
    assert page.problems == []


# The pointer passes one cell and clicks another at once, as events come to a browser that was busy meanwhile.
HASTY_CLICK = """(plot, [from, to]) => {
  const layer = plot.querySelector(".nsewdrag");
  const send = (target, kind, [x, y]) =>
    target.dispatchEvent(new MouseEvent(kind, { bubbles: true, clientX: x, clientY: y, view: window }));
  send(layer, "mousemove", from);
  send(layer, "mousemove", to);
  send(layer, "mousedown", to);
  send(document, "mouseup", to);
}"""


@pytest.mark.browser
@pytest.mark.slow
def test_a_click_is_that_of_its_own_point_however_soon_it_comes(page):
    plot = page.locator(".js-plotly-plot")
    clicks = page.evaluate("() => [...document.querySelectorAll('.widget-html-content')].at(-1).innerText")
    for start, end in (([1, 1], [0, 0]), ([0, 0], [1, 1]), ([0, 1], [1, 0]), ([1, 0], [0, 1])):
        plot.evaluate(HASTY_CLICK, [plot.evaluate(MIDDLE, start), plot.evaluate(MIDDLE, end)])
        column, row = end
        clicks = f"{clicks} {'ab'[column]}{'cd'[row]}[{row}, {column}]".strip()
        page.get_by_text(clicks, exact=True).wait_for(timeout=30_000)
