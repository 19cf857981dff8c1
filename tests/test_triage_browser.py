"""A person who excludes an episode: a real JupyterLab, a click on the episode, a click on the switch, a second run."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from ate.data import excludes
from ate.experiments.settings import SHIPPED
from tests.browser import PAINTED, open_page
from tests.lab import DONE, at_smoke, restart, run_all, serve, show_every_cell

pytestmark = [pytest.mark.browser, pytest.mark.kernel, pytest.mark.slow]

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_inspect_data.ipynb"
ODD = "episode_0003"
SHOWN = "viz.show_triage([adapt_report]"
# The first grid is that of the adaptation set.
GRID = ".ate-triage-set"


def small(folder: Path) -> dict[str, str]:
    """Six episodes of the shipped UR5e, one of them with a long stop, beside four of each of two shipped robots."""
    lift = SHIPPED / "lift"
    for source, count in (("adapt/ur5e", 6), ("pretrain/panda", 4), ("pretrain/sawyer", 4)):
        (folder / source).mkdir(parents=True)
        for file in sorted((lift / source).glob("*.hdf5"))[:count]:
            shutil.copy(file, folder / source)
    with h5py.File(folder / "adapt" / "ur5e" / f"{ODD}.hdf5", "a") as handle:
        for name in list(handle):
            rows = handle[name][()]
            del handle[name]
            handle[name] = np.concatenate([rows[:10], np.repeat(rows[10:11], 90, axis=0), rows[10:]])
    return {"adapt": str(folder / "adapt" / "ur5e"), "pretrain": str(folder / "pretrain")}


def adapted(run: Path) -> dict[str, object]:
    """The row of the adaptation set in the headline of the last run, and what was left out."""
    headline = json.loads((run / "headlines" / "01.json").read_text())
    row = dict(zip(headline["sets"]["columns"], headline["sets"]["rows"][-1], strict=True))
    return {"episodes": row["episodes"], "longest": row["longest"], "left_out": headline["left_out"]}


def drawn_again(page):
    """Run the open notebook from the top; its first triage grid."""
    run_all(page, DONE)
    show_every_cell(page)
    place = next(
        i for i, cell in enumerate(json.loads(NOTEBOOK.read_text())["cells"]) if SHOWN in "".join(cell["source"])
    )
    page.evaluate("i => window.jupyterapp.shell.currentWidget.content.scrollToItem(i)", place)
    grid = page.locator(GRID).first
    grid.locator("button", has_text="episode_0000").wait_for(timeout=30_000)
    return grid


def test_a_person_clicks_an_odd_episode_and_excludes_it(tmp_path):
    run = tmp_path / "run"
    copy = at_smoke(NOTEBOOK, tmp_path / NOTEBOOK.name, run, **small(tmp_path / "data"))
    with (
        serve(tmp_path / "lab", [copy]) as lab,
        open_page(tmp_path / "profile", local=True, width=1300, height=1000) as page,
    ):
        lab.open(page, copy.name)
        grid = drawn_again(page)
        assert adapted(run) == {"episodes": 6, "longest": adapted(run)["longest"], "left_out": "none"}
        assert adapted(run)["longest"] > 100
        buttons = grid.locator(".ate-triage button")
        assert buttons.count() == 6 and buttons.first.text_content().startswith(f"{ODD} · ")
        plot = grid.locator(".ate-episode .js-plotly-plot")
        assert plot.count() == 0

        # A row of the heat map is a click on its button.
        grid.locator(".lm-TabBar-tab", has_text="Measures").click()
        rows = grid.locator(".js-plotly-plot:has(.heatmaplayer image)")
        rows.locator(".heatmaplayer image").wait_for(timeout=30_000)
        area = rows.locator(".heatmaplayer image").bounding_box()
        page.mouse.click(area["x"] + area["width"] / 2, area["y"] + area["height"] * 1.5 / 6)
        grid.locator("text=nothing odd about it").wait_for(timeout=30_000)
        plot.locator(".infolayer text", has_text="limits −3.14 to 3.14").wait_for(timeout=30_000)
        assert ODD not in grid.locator(".ate-episode").inner_text()
        grid.locator(".lm-TabBar-tab", has_text="Episodes").click()

        buttons.first.click()
        grid.locator(".ate-episode", has_text=ODD).wait_for(timeout=30_000)
        plot.locator(".infolayer text", has_text="limits −3.14 to 3.14").wait_for(timeout=30_000)
        assert plot.evaluate(PAINTED) >= 7 * 3  # of each joint the band, its median and the episode
        # Beside its button, and nothing has to be scrolled for it.
        button, shown = buttons.first.bounding_box(), plot.bounding_box()
        assert shown["x"] > button["x"] + button["width"] and abs(shown["y"] - button["y"]) < 200
        assert not (run / "exclude_adapt.txt").exists()

        grid.locator(".widget-toggle-button", has_text="Exclude this episode").click()
        grid.locator("text=when the cells above run again").wait_for(timeout=20_000)
        assert list(excludes.read(run / "exclude_adapt.txt")) == [ODD]
        assert "left out" in buttons.first.text_content()

        restart(page)
        grid = drawn_again(page)
        assert adapted(run)["episodes"] == 5 and adapted(run)["longest"] < 50
        assert adapted(run)["left_out"] == ODD
        figure = json.loads((run / "figures" / "01_02_triage_grid.json").read_text())["figure"]
        assert ODD not in figure and "episode_0004" in figure
        last = grid.locator(".ate-triage button").last
        assert ODD in last.text_content() and "left out" in last.text_content()
        assert "line-through" in last.evaluate("element => getComputedStyle(element).textDecoration")

        last.click()
        grid.locator(".widget-toggle-button", has_text="take it back").click()
        grid.locator("text=taken out of").wait_for(timeout=20_000)
        assert excludes.read(run / "exclude_adapt.txt") == {}
        assert page.problems == []
