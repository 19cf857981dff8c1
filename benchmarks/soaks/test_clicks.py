"""20 rounds of clicks in notebook 04: two cells of the grid and another training seed, each shown and none lost."""

from playwright.sync_api import Page

from tests.test_jupyterlab_ablate import FRAMED, click_cell, page, show_every_cell

__all__ = ["page"]
ROUNDS = 20
CELLS = ((1, 0, "λ=2, c=0.1"), (0, 1, "λ=0.5, c=0.5"))


def test_every_click_is_heard(page: Page) -> None:
    show_every_cell(page)
    cells = page.locator(".ate-cells")
    cells.scroll_into_view_if_needed()
    cells.locator(".js-plotly-plot").first.locator(".heatmaplayer image").wait_for(timeout=60_000)
    for turn in range(ROUNDS):
        # The seed that was chosen stays chosen when another cell is clicked.
        seed = turn % 2
        for column, row, name in CELLS:
            click_cell(page, column, row)
            cells.locator("h4", has_text=f"Run card of {name}").wait_for(timeout=60_000)
            cells.get_by_text(f"{name}, seed {seed}: trained again bit for bit").wait_for(timeout=240_000)
        page.wait_for_function(FRAMED, timeout=20_000)
        cells.locator(".widget-dropdown select").select_option(str(1 - seed))
        cells.get_by_text(f"{name}, seed {1 - seed}: trained again bit for bit").wait_for(timeout=240_000)
        assert cells.locator("h4").count() == 1
    assert page.problems == []
