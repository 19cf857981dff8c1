"""The HTML of tables and of the words that say how good something is, for notebooks and the report."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

from ate.data.doctor.report import FAIL, PASS, WARN
from ate.viz.tables.rows import text

# Text colour and background of each level, and of any other.
COLORS = {FAIL: ("#8a1c00", "#f9d5c9"), WARN: ("#7a5200", "#fbebcb"), PASS: ("#00593f", "#d5ede4")}
OTHER = ("#555555", "#eeeeee")
WRAPPED = "vertical-align:top;white-space:normal;overflow-wrap:anywhere;padding:0.3em"


def table_html(content: Mapping[str, Any], widths: Sequence[int] = ()) -> Markup:
    """A table: numbers with at most four significant digits, to the right, words to the left.

    Args:
        content: `{"columns": […], "rows": [[…]]}`, see `ate.viz.tables.rows.table`. `Markup` is taken as HTML, all
            else as text.
        widths: of the columns, percent of the page; long sentences then wrap. Without, a table that is wider than
            the page scrolls.
    """
    values = list(zip(*content["rows"], strict=True)) or [()] * len(content["columns"])
    sides = ["left" if any(isinstance(v, str) and v for v in column) else "right" for column in values]
    styles = [f"text-align:{side};{WRAPPED if widths else 'padding:0.3em;white-space:nowrap'}" for side in sides]
    names = [str(name).replace("_", " ") for name in content["columns"]]
    columns = "".join(f"<col style='width:{width}%'>" for width in widths)
    head = "".join(f"<th style='{style}'>{escape(name)}</th>" for name, style in zip(names, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell(value, style) for value, style in zip(row, styles, strict=True))}</tr>"
        for row in content["rows"]
    )
    layout = "table-layout:fixed;width:100%;" if widths else ""
    return Markup(
        f"<div style='overflow-x:auto'><table style='{layout}margin:0.5em 0'><colgroup>{columns}</colgroup>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any, style: str) -> str:
    return f"<td style='{style}'>{value if isinstance(value, Markup) else escape(text(value))}</td>"


def level_html(level: str) -> Markup:
    """A level in its colours."""
    ink, ground = COLORS.get(level, OTHER)
    style = f"background:{ground};color:{ink};padding:2px 6px;overflow-wrap:normal"
    return Markup("<span style='{}'><b>{}</b></span>").format(style, level)


def banner_html(level: str, message: str) -> Markup:
    """A coloured line: a level and what it means; `message` may be `Markup`."""
    ink, ground = COLORS[level]
    style = f"background:{ground};color:{ink};padding:6px 12px;margin:4px 0;border-left:5px solid {ink}"
    return Markup("<div style='{}'><b>{}</b> &nbsp; {}</div>").format(style, level, message)
