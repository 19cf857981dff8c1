"""A headless Chromium for tests, with the network cut unless a test opens it to the machine itself."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, Route, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
# What anywidget throws where a widget's code takes two seconds to load. It goes on, and our figures need nothing that
# it gives up then (`ate.viz.widgets.figure`).
IMPATIENT = "[anywidget] Failed to initialize model."


def executable() -> str:
    """Path of a Chromium; without one the test fails and says what to install, it does not skip."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise FileNotFoundError(
            f"no browser: none of {', '.join(NAMES)} is installed, and tests look at figures in a real one. "
            "Fix: apt-get install chromium (as `make test` does)."
        )
    return found


@contextmanager
def open_page(profile: Path, *, local: bool = False, width: int = 1000, height: int = 900) -> Iterator[Page]:
    """A page in a fresh browser profile.

    Args:
        profile: folder for the profile, made by the test.
        local: allow 127.0.0.1; otherwise every request but `file:`, `data:` and `blob:` is refused.
        width: of the window, pixels.
        height: of the window, pixels.

    Yields:
        The page; `page.refused` lists the addresses that were refused, `page.problems` the errors of its scripts.
    """
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=executable(), headless=True, args=list(FLAGS),
            viewport={"width": width, "height": height},
        )  # fmt: skip
        try:
            page = context.pages[0] if context.pages else context.new_page()
            refused: list[str] = []
            problems: list[str] = []
            page.refused, page.problems = refused, problems

            def route(request: Route) -> None:
                address = request.request.url
                if address.startswith(("file:", "data:", "blob:")) or (local and "//127.0.0.1:" in address):
                    request.continue_()
                else:
                    refused.append(address)
                    request.abort()

            context.route("**/*", route)
            if not local:
                context.set_offline(True)
            page.on("pageerror", lambda error: IMPATIENT in str(error) or problems.append(str(error)))
            yield page
        finally:
            context.close()


def variance(png: bytes) -> float:
    """Variance of the grey values of a screenshot, 0 for a blank one."""
    return float(np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=np.float64).var())


# What plotly paints into a plot: lines, marks, bars, boxes, cells, and WebGL points.
PAINTED = """element => {
  const layers = ['scatterlayer', 'barlayer', 'boxlayer', 'violinlayer'].map(layer => `.${layer} path`);
  return element.querySelectorAll([...layers, '.heatmaplayer image', '.gl-canvas'].join(', ')).length;
}"""

# What the marks of a plot look like: shape, place and colour of each.
MARKS = """element => [...element.querySelectorAll('.scatterlayer path')].map(
  path => [path.getAttribute('d'), path.getAttribute('transform'), path.style.fill, path.style.stroke].join(' '))"""
