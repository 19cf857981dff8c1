"""The diagnosis on a page: one row a check, where to look marked."""

from html import escape

from IPython.display import HTML, display

from ate.diagnose.report import Diagnosis
from ate.viz.tables.findings import LOOK

# Of a check that could not be climbed, and shares of the width of the page.
INK, GROUND = "#555555", "#eeeeee"
WIDTHS = (4, 9, 17, 42, 28)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Display the checks in order, the first that fails marked, with what was found and what to try next."""
    worst = diagnosis.level
    ink, ground = LOOK[worst]
    columns = "".join(f"<col style='width:{width}%'>" for width in WIDTHS)
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("", "verdict", "check", "found", "next"))
    display(
        HTML(
            f"<div style='background:{ground};color:{ink};padding:6px 12px;margin:4px 0;border-left:5px solid {ink}'>"
            f"<b>{worst}</b> &nbsp; {escape(diagnosis.sentence)}</div>"
            f"<table style='table-layout:fixed;width:100%;margin:0.5em 0'><colgroup>{columns}</colgroup>"
            f"<thead><tr>{head}</tr></thead><tbody>{_rows(diagnosis)}</tbody></table>"
        )
    )


def _rows(diagnosis: Diagnosis) -> str:
    cell = "text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere;padding:0.3em"
    rows = []
    for number, check in enumerate(diagnosis.checks, 1):
        ink, ground = LOOK.get(check.level, (INK, GROUND))
        here = diagnosis.first is check
        label = f"<b>{check.level}</b>" + ("<br>look here" if here else "")
        texts = (check.check, check.got, check.fix)
        cells = "".join(f"<td style='{cell}'>{escape(value)}</td>" for value in texts)
        rows.append(
            f"<tr><td style='{cell}'>{number}</td>"
            f"<td style='{cell};overflow-wrap:normal;background:{ground};color:{ink}'>{label}</td>{cells}</tr>"
        )
    return "".join(rows)
