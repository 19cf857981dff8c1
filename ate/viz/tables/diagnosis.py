"""The ladder on a page: one row a rung, where to look marked."""

from html import escape

from IPython.display import HTML, display

from ate.diagnose.report import Ladder
from ate.viz.tables.findings import LOOK

# Of a rung that could not be climbed, and shares of the width of the page.
INK, GROUND = "#555555", "#eeeeee"
WIDTHS = (4, 9, 17, 42, 28)


def show_rungs(ladder: Ladder) -> None:
    """Display the rungs in order, the first that fails marked, with what was found and what to try next."""
    worst = ladder.level
    ink, ground = LOOK[worst]
    columns = "".join(f"<col style='width:{width}%'>" for width in WIDTHS)
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("", "verdict", "rung", "found", "next"))
    display(
        HTML(
            f"<div style='background:{ground};color:{ink};padding:6px 12px;margin:4px 0;border-left:5px solid {ink}'>"
            f"<b>{worst}</b> &nbsp; {escape(ladder.sentence)}</div>"
            f"<table style='table-layout:fixed;width:100%;margin:0.5em 0'><colgroup>{columns}</colgroup>"
            f"<thead><tr>{head}</tr></thead><tbody>{_rows(ladder)}</tbody></table>"
        )
    )


def _rows(ladder: Ladder) -> str:
    cell = "text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere;padding:0.3em"
    rows = []
    for number, rung in enumerate(ladder.rungs, 1):
        ink, ground = LOOK.get(rung.level, (INK, GROUND))
        here = ladder.first is rung
        label = f"<b>{rung.level}</b>" + ("<br>look here" if here else "")
        texts = (rung.check, rung.found, rung.fix)
        cells = "".join(f"<td style='{cell}'>{escape(value)}</td>" for value in texts)
        rows.append(
            f"<tr><td style='{cell}'>{number}</td>"
            f"<td style='{cell};overflow-wrap:normal;background:{ground};color:{ink}'>{label}</td>{cells}</tr>"
        )
    return "".join(rows)
