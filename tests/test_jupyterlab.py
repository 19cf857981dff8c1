from pathlib import Path

import pytest

from tests.browser import MARKS, PAINTED, open_page, variance
from tests.lab import DONE, at_smoke, run_all, serve, show_every_cell, streams

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
INSPECT, ALIGN = "01_inspect_data.ipynb", "02_align_latents.ipynb"
# plotly numbers the axes of panels: xtitle, x2title, …
TITLE = ".infolayer text[class^='x'][class$='title']"
# The figure below a slider or a drop-down.
SLID = ".widget-vbox:has(.widget-slider) .js-plotly-plot"
CHOSEN = ".widget-vbox:has(.widget-dropdown) .js-plotly-plot"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A JupyterLab with the notebooks that have controls, and a page that looks at it."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    copies = [at_smoke(NOTEBOOKS / name, folder / name, folder / "run") for name in (INSPECT, ALIGN)]
    with (
        serve(folder / "lab", copies) as lab,
        open_page(folder / "profile", local=True, width=1300, height=1000) as page,
    ):
        yield lab, page


def wait_for_other_marks(page, plot, before):
    """The marks of a plot once they are no longer `before`."""
    for _ in range(100):
        after = plot.evaluate(MARKS)
        if after and after != before:
            return after
        page.wait_for_timeout(100)
    raise AssertionError("the plot was not drawn anew")


@pytest.mark.browser
@pytest.mark.slow
def test_the_first_notebook_draws_and_its_slider_draws_another_episode(opened):
    lab, page = opened
    lab.open(page, INSPECT)
    run_all(page, DONE)
    plots = page.locator(".jp-OutputArea .js-plotly-plot")
    seen = set()
    show_every_cell(page)
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
    count = plots.count()
    plot = page.locator(SLID)
    before = plot.evaluate(MARKS)
    assert page.locator(".widget-readout").inner_text() == "1"
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".widget-readout", has_text="2").wait_for(timeout=20_000)
    assert len(wait_for_other_marks(page, plot, before)) >= 7  # one curve a joint
    assert plots.count() == count >= 5
    assert page.problems == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_second_notebook_is_calm_and_its_drop_down_colours_the_map(opened):
    lab, page = opened
    lab.open(page, ALIGN)
    run_all(page, DONE)
    # The bars of both trainings are gone, and nothing else was said.
    assert streams(page) == [f"stdout: {DONE}\n"]
    show_every_cell(page)
    choice = page.locator(".widget-dropdown select")
    choice.scroll_into_view_if_needed()
    plot = page.locator(CHOSEN)
    plot.locator(TITLE).first.wait_for(timeout=30_000)
    by_row = plot.evaluate(MARKS)
    choice.select_option("robot")
    by_robot = wait_for_other_marks(page, plot, by_row)
    colours = [
        {mark.split("rgb(")[1].split(")")[0] for mark in marks if "rgb(" in mark} for marks in (by_row, by_robot)
    ]
    # Six robots, and more first rows than that; the points stay where they are.
    assert len(colours[1]) <= 8 < len(colours[0])
    assert len(by_robot) == len(by_row) > 300
    assert variance(plot.screenshot()) > 50
    assert page.problems == []
