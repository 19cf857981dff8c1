"""A picture of a Markdown page as GitHub shows it: the first screen, 1280 pixels wide, or the whole page.

python -m benchmarks.rendered README.md build/readme.png
python -m benchmarks.rendered docs/checks.md build/checks.png --whole
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mistune

from tests.browser import open_page

WIDTH, HEIGHT = 1280, 1000
STYLE = """
body {font: 16px/1.5 -apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif; color: #1f2328; margin: 0}
main {width: 946px; margin: 24px auto; padding: 32px; border: 1px solid #d1d9e0; border-radius: 6px}
h1, h2 {border-bottom: 1px solid #d1d9e0b3; padding-bottom: .3em; margin: 24px 0 16px} h1 {margin-top: 0}
p, ul, table, pre {margin: 0 0 16px} img {max-width: 100%} a {color: #0969da; text-decoration: none}
code {font: 85% ui-monospace, monospace; background: #818b981f; padding: .2em .4em; border-radius: 6px}
pre {background: #f6f8fa; padding: 16px; border-radius: 6px; overflow: auto} pre code {background: none; padding: 0}
table {border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto}
td, th {border: 1px solid #d1d9e0; padding: 6px 13px} tr:nth-child(2n) td {background: #f6f8fa}
"""


def draw(page: Path, file: Path, whole: bool) -> None:
    """Write the PNG; pictures of the page are found by their paths from its folder."""
    body = mistune.create_markdown(plugins=["table"], escape=False)(page.read_text(encoding="utf-8"))
    base = page.resolve().parent.as_uri()
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, open_page(Path(folder, "profile"), width=WIDTH, height=HEIGHT) as opened:
        html = Path(folder, "page.html")
        head = f"<!doctype html><meta charset='utf-8'><base href='{base}/'><style>{STYLE}</style>"
        html.write_text(f"{head}<main>{body}</main>", encoding="utf-8")
        opened.goto(html.as_uri())
        opened.wait_for_load_state("networkidle")
        opened.screenshot(path=file, full_page=whole)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), "--whole" in sys.argv)
