from pathlib import Path

import pytest

from tests.browser import MARKS, PAINTED, open_page, variance
from tests.lab import DONE, at_smoke, run_all, serve, show_every_cell, streams

pytestmark = [pytest.mark.browser, pytest.mark.kernel, pytest.mark.slow]

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
INSPECT, ALIGN = "01_inspect_data.ipynb", "02_align_latents.ipynb"
# plotly numbers the axes of panels: xtitle, x2title, …
TITLE = ".infolayer text[class^='x'][class$='title']"
# The figure below a slider or a drop-down.
SLID = ".widget-vbox:has(.widget-slider) .js-plotly-plot"


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
    page.locator(".widget-readout", has_text="1").wait_for(timeout=20_000)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".widget-readout", has_text="2").wait_for(timeout=20_000)
    assert len(wait_for_other_marks(page, plot, before)) >= 7  # one curve a joint
    assert plots.count() == count >= 5
    assert page.problems == []


# Where on the page a point of a trace is, by its place in that trace.
PLACE = """(plot, [name, panel, row]) => {
  const trace = plot._fullData.filter(one => one.name === name)[panel];
  const [x, y] = [plot._fullLayout[panel ? 'xaxis2' : 'xaxis'], plot._fullLayout[panel ? 'yaxis2' : 'yaxis']];
  const box = plot.getBoundingClientRect();
  return [box.x + x._offset + x.l2p(trace.x[row]), box.y + y._offset + y.l2p(trace.y[row])];
}"""
NEW = "ur5e (adaptation)"


def said(page, words):
    """The heading of the chunk that is shown, once it holds these words."""
    heading = page.locator(".ate-explorer h4", has_text=words)
    heading.wait_for(timeout=30_000)
    return heading.inner_text()


def test_the_second_notebook_is_calm_and_shows_the_chunk_and_neighbours_of_a_point_that_is_clicked(opened):
    lab, page = opened
    lab.open(page, ALIGN)
    run_all(page, DONE)
    # The bars of both trainings are gone, and nothing else was said.
    assert streams(page) == [f"stdout: {DONE}\n"]
    show_every_cell(page)
    explorer = page.locator(".ate-explorer")
    explorer.scroll_into_view_if_needed()
    plot = explorer.locator(".js-plotly-plot").first
    plot.locator(TITLE).first.wait_for(timeout=30_000)
    first = said(page, "ur5e, episode_")

    # The lowest diamond: what lies beside it is not drawn on top of it.
    row = plot.evaluate(f"""gd => {{
      const trace = gd._fullData.filter(one => one.name === '{NEW}')[1];
      return [...trace.y].indexOf(Math.min(...trace.y));
    }}""")
    words = plot.evaluate(f"gd => gd._fullData.filter(one => one.name === '{NEW}')[1].text[{row}]")
    plot.scroll_into_view_if_needed()
    page.mouse.click(*plot.evaluate(PLACE, [NEW, 1, row]))
    episode, start = words.split("<br>")[0].split(" · ")[1], words.split("from row ")[1].split(",")[0]
    clicked = said(page, f"{episode}, rows {start} to {int(start) + 15}")
    assert clicked != first and "mean reconstruction error" in clicked
    chunk = explorer.locator(".js-plotly-plot").nth(1)
    chunk.locator(".infolayer text", has_text="where in its episode").wait_for(timeout=30_000)
    assert chunk.locator(".barlayer .point").count() == 5  # the nearest five
    assert chunk.evaluate(PAINTED) >= 2 * 7 + 3 * 6 + 5  # joints twice, tools of six, bars

    by_robot = plot.evaluate(MARKS)
    plot.locator(".updatemenu-header").click()
    plot.locator(".updatemenu-dropdown-button", has_text="time in episode").click()
    by_time = wait_for_other_marks(page, plot, by_robot)
    colours = [
        {mark.split("rgb(")[1].split(")")[0] for mark in marks if "rgb(" in mark} for marks in (by_robot, by_time)
    ]
    assert len(colours[0]) <= 9 < len(colours[1]) and len(by_robot) == len(by_time) > 600

    lasso(page, plot)
    table = explorer.locator("table")
    table.wait_for(timeout=30_000)
    assert {"adaptation", "pre-training"} <= set(table.inner_text().split())

    handle = explorer.locator(".widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed()
    before = explorer.locator(".js-plotly-plot").count()
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("n => document.querySelectorAll('.ate-explorer .js-plotly-plot').length > n", arg=before)
    walked = explorer.locator(".js-plotly-plot").nth(before)
    walked.locator(TITLE).first.wait_for(timeout=30_000)
    assert walked.evaluate(PAINTED) >= 2 * 7  # the mean and the step, seven joints
    assert variance(plot.screenshot()) > 50
    assert page.problems == []


def lasso(page, plot):
    """Draw around the left half of the second panel."""
    plot.scroll_into_view_if_needed()
    box = plot.evaluate(
        "gd => { const [x, y, b] = [gd._fullLayout.xaxis2, gd._fullLayout.yaxis2, gd.getBoundingClientRect()];"
        " return [b.x + x._offset, b.y + y._offset, x._length, y._length]; }"
    )
    left, top, width, height = box
    corners = [(0.02, 0.02), (0.6, 0.02), (0.6, 0.98), (0.02, 0.98), (0.02, 0.05)]
    page.mouse.move(left + corners[0][0] * width, top + corners[0][1] * height)
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(left + x * width, top + y * height, steps=8)
    page.mouse.up()
