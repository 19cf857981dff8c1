"""The figure at the top of the README, from the kept figures of a run: latents before and after alignment, and success.

python -m benchmarks.overview runs/demo docs/overview.png
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from plotly.io import from_json

from ate.runs.files import read_json
from tests.browser import open_page

# Name of a figure in the run, and its height here in pixels.
PARTS = (("02_04_map_umap", 480), ("03_01_success", 430))
WIDTH, COLORS = 1000, 128


def part(run: Path, name: str, height: int) -> str:
    """One kept figure as HTML, without its controls."""
    figure = from_json(read_json(run / "figures" / f"{name}.json")["figure"])
    figure.layout.updatemenus = None
    figure.update_layout(width=WIDTH, height=height, margin={"t": 80, "b": 50})
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"staticPlot": True})


def draw(run: Path, file: Path) -> None:
    """Write the PNG, with few colours because it is part of the repository."""
    from plotly.offline import get_plotlyjs

    with TemporaryDirectory() as folder:
        page_file, shot = Path(folder, "overview.html"), Path(folder, "overview.png")
        parts = "".join(part(run, name, height) for name, height in PARTS)
        page_file.write_text(f"<body style='margin:0'><script>{get_plotlyjs()}</script>{parts}</body>", "utf-8")
        with open_page(Path(folder, "profile"), width=WIDTH, height=sum(height for _, height in PARTS)) as page:
            page.goto(page_file.as_uri())
            page.wait_for_function(f"document.querySelectorAll('.main-svg').length >= {2 * len(PARTS)}")
            page.wait_for_timeout(1000)  # WebGL points come after the axes
            page.screenshot(path=shot, full_page=True)
        Image.open(shot).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
