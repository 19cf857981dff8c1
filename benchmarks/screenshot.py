"""The picture at the top of the README: notebook 02 in JupyterLab, with its map of latents, from a run that is there.

python -m benchmarks.screenshot runs/demo docs/explorer.png
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page

from ate.experiments.settings import ROOT
from tests.browser import open_page
from tests.lab import run_all, serve

NOTEBOOK = "02_align_latents.ipynb"
# So large that the map and the chunk of the clicked point are in view.
WIDTH, HEIGHT, COLORS = 1500, 1230, 256
LAST, DONE = "viz.show_explorer", "the explorer is there"
SECONDS = 500


def until_explorer(run: Path, target: Path) -> Path:
    """A copy of notebook 02 at profile demo on `run`, which ends with the explorer."""
    notebook = json.loads((ROOT / "notebooks" / NOTEBOOK).read_text(encoding="utf-8"))
    cells = notebook["cells"]
    last = next(i for i, cell in enumerate(cells) if "".join(cell["source"]).startswith(LAST))
    for cell in cells:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = "".join(cell["source"]) + f"\nrun = {str(run)!r}"
    # The result of a print stands in the last cell, below the explorer.
    end = {"cell_type": "code", "id": "end", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"] = [*cells[: last + 1], {**end, "source": f"print({DONE[:5]!r} + {DONE[5:]!r})"}]
    target.write_text(json.dumps(notebook), encoding="utf-8")
    return target


def show(page: Page) -> None:
    """Leave the notebook alone in the window, with the map and what belongs to the point that is clicked in view."""
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    explorer = page.locator(".ate-explorer")
    count = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    page.evaluate("i => window.jupyterapp.shell.currentWidget.content.scrollToItem(i)", count - 2)
    explorer.wait_for(timeout=60_000)
    plots = explorer.locator(".js-plotly-plot")
    plots.nth(1).locator(".infolayer text").first.wait_for(timeout=60_000)
    chosen = explorer.locator("select").first
    chosen.locator("option", has_text="UMAP").wait_for(state="attached", timeout=120_000)
    chosen.select_option(label="UMAP, joint fit")
    page.wait_for_timeout(3000)  # WebGL points come after the axes
    explorer.evaluate("element => element.closest('.jp-Cell').scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1500)


def draw(run: Path, file: Path) -> None:
    """Write the PNG, with few colours because it is part of the repository."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        for part in ("align", "maps"):
            shutil.copytree(run / part, work / "run" / part)
        shutil.copy(run / "run.json", work / "run")
        notebook = until_explorer(work / "run", work / NOTEBOOK)
        with (
            serve(work / "lab", [notebook]) as lab,
            open_page(work / "profile", local=True, width=WIDTH, height=HEIGHT) as page,
        ):
            lab.open(page, NOTEBOOK)
            run_all(page, DONE, SECONDS)
            show(page)
            page.screenshot(path=work / "shot.png")
        # The median cut would give robots whose points are few the colour of another.
        picture = Image.open(work / "shot.png").convert("RGB")
        few = picture.quantize(COLORS, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
        few.save(file, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
