"""The HTML of tables and of the words that say how good something is, for notebooks and the report."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

from ate.data.doctor.finding import FAIL, PASS, WARN
from ate.viz.tables.rows import text

# Text colour and background of each level, and of any other.
COLORS = {FAIL: ("#8a1c00", "#f9d5c9"), WARN: ("#7a5200", "#fbebcb"), PASS: ("#00593f", "#d5ede4")}
OTHER = ("#555555", "#eeeeee")
# Column names of results files, in words.
NAMES = {
    "null": "reference", "null_low": "reference, from", "null_high": "reference, to", "in_verdict": "in the verdict",
    "p_chance": "p, chance", "same_time": "same time elsewhere", "p_same_time": "p, same time",
    "same_episode": "same episode", "p_same_episode": "p, same episode", "pretrain": "pre-training",
    "pretrain_low": "pre-training, from", "pretrain_high": "pre-training, to", "oracle": "best possible",
    "got": "found", "P(improvement)": "chance that a seed is better",
}  # fmt: skip
# What a cell without anything to say holds.
NOTHING = (None, "", "none")
# Characters of a cell that stay in one line.
LINE = 24
WRAPPED = "vertical-align:top;white-space:normal;overflow-wrap:anywhere;padding:0.3em"


def table_html(content: Mapping[str, Any], widths: Sequence[int] = ()) -> Markup:
    """A table: numbers with at most four significant digits, to the right, words to the left.

    Args:
        content: `{"columns": […], "rows": [[…]]}`, see `ate.viz.tables.rows.table`. `Markup` is taken as HTML, all
            else as text. Columns in which no row says anything are left out.
        widths: of the columns, percent of the page; long sentences then wrap. Without, numbers and
            short words stay in one line and longer ones wrap.
    """
    values = list(zip(*content["rows"], strict=True)) or [()] * len(content["columns"])
    kept = [
        place for place, column in enumerate(values) if widths or not column or any(v not in NOTHING for v in column)
    ]
    values = [values[place] for place in kept]
    sides = ["left" if any(isinstance(v, str) and v for v in column) else "right" for column in values]
    styles = [
        f"text-align:{side};{WRAPPED if widths else _space(column)}" for side, column in zip(sides, values, strict=True)
    ]
    names = [NAMES.get(name, str(name).replace("_", " ")) for name in (content["columns"][place] for place in kept)]
    columns = "".join(f"<col style='width:{width}%'>" for width in widths)
    head = "".join(
        f"<th style='{style};white-space:normal'>{escape(name)}</th>" for name, style in zip(names, styles, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(row[place], style) for place, style in zip(kept, styles, strict=True))}</tr>"
        for row in content["rows"]
    )
    layout = "table-layout:fixed;width:100%;" if widths else ""
    return Markup(
        f"<div style='overflow-x:auto'><table style='{layout}margin:0.5em 0'><colgroup>{columns}</colgroup>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _space(column: Sequence[Any]) -> str:
    """How a column is laid out: longer words wrap at a readable width, all else stays in one line."""
    longest = max((len(text(value)) for value in column if not isinstance(value, Markup)), default=0)
    wraps = longest > LINE or any(isinstance(value, Markup) for value in column)
    return "padding:0.3em;" + ("white-space:normal;min-width:10em" if wraps else "white-space:nowrap")


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
