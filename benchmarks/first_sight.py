"""How long people wait for the first figure: of notebook 01 in JupyterLab after Run All, and of a report.

python -m benchmarks.first_sight runs/demo/report.html

The report is opened without a network. Other work on the cores makes all of it slower, so the load is printed too.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ate.experiments.settings import ROOT
from tests.browser import open_page
from tests.lab import at_smoke, serve, start_all

NOTEBOOK = "01_inspect_data.ipynb"
MILLISECONDS = 300_000
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def of_notebook() -> float:
    """Seconds from Run All to the first figure of notebook 01, at profile smoke on the shipped data."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        copy = at_smoke(ROOT / "notebooks" / NOTEBOOK, folder / NOTEBOOK, folder / "run")
        with serve(folder / "lab", [copy]) as lab, open_page(folder / "profile", local=True, width=1280) as page:
            lab.open(page, NOTEBOOK)
            began = time.monotonic()
            start_all(page)
            page.wait_for_selector(".js-plotly-plot .infolayer text", timeout=MILLISECONDS)
            return time.monotonic() - began


def of_report(file: Path) -> tuple[float, float]:
    """Seconds to the first paint of a report, and to its first figure."""
    with TemporaryDirectory() as name, open_page(Path(name), width=1280) as page:
        began = time.monotonic()
        page.goto(file.resolve().as_uri(), wait_until="commit")
        page.wait_for_selector("[data-answer] .plot .infolayer text", timeout=MILLISECONDS)
        return float(page.evaluate(PAINT)) / 1000, time.monotonic() - began


if __name__ == "__main__":
    report = Path(sys.argv[1])
    print(f"notebook 01: first figure after {of_notebook():.1f} s, load {os.getloadavg()[0]:.1f}")
    paint, figure = of_report(report)
    print(
        f"report of {report.stat().st_size / 1e6:.1f} MB: first paint after {paint:.2f} s, first figure {figure:.1f} s"
    )
