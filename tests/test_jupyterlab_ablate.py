"""Notebook 04 as a person opens it: run all, click a cell of the grid, see how it was run and what its policy does."""

from pathlib import Path

import pytest

from tests.browser import PAINTED, open_page, variance
from tests.lab import DONE, at_smoke, run_all, serve, show_every_cell, streams

pytestmark = [pytest.mark.browser, pytest.mark.kernel, pytest.mark.slow]

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ABLATE = "04_ablate_lambda_clamp.ipynb"
# Two λ, two clamps: a grid of guidance at the demonstrations.
GRID = {"guidance": "auxiliary", "lams": "0.5,2", "clamps": "0.1,0.5"}
# The middle of a cell of the heat map, by column and row.
MIDDLE = """(plot, [column, row]) => {
  const [x, y] = [plot._fullLayout.xaxis, plot._fullLayout.yaxis];
  const box = plot.getBoundingClientRect();
  return [box.x + x._offset + x.l2p(column), box.y + y._offset + y.l2p(row)];
}"""

# Whether there is a frame around the chosen cell; no hatching is as wide.
FRAMED = """() => [...document.querySelectorAll('.ate-cells .shapelayer path')]
  .filter(path => getComputedStyle(path).strokeWidth === '3px').length === 1"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Notebook 04 at smoke with fewer rollouts, run in a JupyterLab."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    copy = at_smoke(NOTEBOOKS / ABLATE, folder / ABLATE, folder / "run", parameterizations="sample", **GRID)
    with (
        serve(folder / "lab", [copy]) as lab,
        open_page(folder / "profile", local=True, width=1300, height=1000) as page,
    ):
        lab.open(page, ABLATE)
        run_all(page, DONE, timeout_seconds=480)
        yield page


def click_cell(page, column, row):
    """Click the middle of a cell, beside its text."""
    plot = page.locator(".ate-cells .js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(MIDDLE, [column, row])
    page.mouse.click(x, y)


def test_a_cell_that_is_clicked_shows_its_card_its_curves_and_its_film(page):
    assert streams(page) == [f"stdout: {DONE}\n"]
    show_every_cell(page)
    cells = page.locator(".ate-cells")
    cells.scroll_into_view_if_needed()
    plot = cells.locator(".js-plotly-plot").first
    plot.locator(".heatmaplayer image").wait_for(timeout=60_000)
    # λ 0.5 and 2, clamps 0.1 and 0.5: hatched where two seeds tell nothing, with a number on every cell.
    assert plot.locator(".annotation-text").count() == 1 + 4
    assert plot.locator(".shapelayer path").count() >= 3
    click_cell(page, 1, 0)
    cells.locator("h4", has_text="Run card of λ=2, c=0.1").wait_for(timeout=60_000)
    card = cells.locator("table").first.inner_text()
    assert all(word in card for word in ("λ=2, c=0.1", "training 0, 1", "hashes", "-p lams=2 -p clamps=0.1"))
    cells.get_by_text("λ=2, c=0.1, seed 0: rolled out again, the same").wait_for(timeout=240_000)
    films = cells.locator("video")
    films.first.wait_for(timeout=60_000)
    assert cells.locator(".js-plotly-plot").count() == 3  # grid, loss, meter
    for index in range(3):
        one = cells.locator(".js-plotly-plot").nth(index)
        one.scroll_into_view_if_needed()
        assert one.evaluate(PAINTED) > 0 and variance(one.screenshot()) > 50
    # The film is there, moves, and shows more than one colour.
    assert films.count() == 1
    films.first.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.ate-cells video').currentTime > 0.2", timeout=20_000)
    assert variance(films.first.screenshot()) > 50


def test_another_cell_and_another_seed_take_its_place(page):
    click_cell(page, 0, 1)
    cells = page.locator(".ate-cells")
    cells.locator("h4", has_text="Run card of λ=0.5, c=0.5").wait_for(timeout=60_000)
    cells.get_by_text("λ=0.5, c=0.5, seed 0: rolled out again, the same").wait_for(timeout=240_000)
    page.wait_for_function(FRAMED, timeout=20_000)
    cells.locator(".widget-dropdown select").select_option("1")
    cells.get_by_text("λ=0.5, c=0.5, seed 1: rolled out again, the same").wait_for(timeout=240_000)
    assert cells.locator("h4").count() == 1
    assert page.problems == []
