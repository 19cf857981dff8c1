"""The doctor's verdict as a table for a person: what fails on top, in colour and in words."""

from collections.abc import Sequence
from html import escape
from typing import Any

from IPython.display import HTML, display

from ate.data.doctor.dataset_report import DatasetReport
from ate.data.doctor.report import FAIL, LEVELS, PASS, WARN, Finding, merged

# Text colour and background of each level.
LOOK = {FAIL: ("#8a1c00", "#f9d5c9"), WARN: ("#7a5200", "#fbebcb"), PASS: ("#00593f", "#d5ede4")}
WORDS = {
    FAIL: "Do not train on it as it is.",
    WARN: "Look at what is named before training on it.",
    PASS: "Nothing to mend.",
}
COLUMNS = ("level", "check", "subject", "got", "expected", "fix")
# Shares of the width of the page.
WIDTHS = (7, 11, 17, 27, 16, 22)
# Rows that are shown at once; the rest is folded away.
MOST_ROWS = 40


def show_verdict(sets: Sequence[DatasetReport]) -> None:
    """Display the doctor's findings on these sets: a line a set, then FAIL and WARN rows, what passed folded away."""
    for one in sets:
        _head(one)
    troubled = [(one.label, f) for one in sets for f in one.report.findings if f.level != PASS]
    passed = [(one.label, f) for one in sets for f in one.report.findings if f.level == PASS]
    # Sorting is stable: within a level the doctor's own order stays.
    troubled.sort(key=lambda pair: -LEVELS.index(pair[1].level))
    several = len(sets) > 1
    shown = _table(troubled[:MOST_ROWS], several) if troubled else ""
    rest = troubled[MOST_ROWS:]
    display(
        HTML(shown + _folded(f"{len(rest)} more", rest, several) + _folded(f"{len(passed)} passed", passed, several))
    )


def finding_rows(sets: Sequence[DatasetReport]) -> list[dict[str, Any]]:
    """One row a finding below PASS, of all sets, the worst first; one row that says so where there is none."""
    rows = [{"level": row["level"], "set": one.label, **row} for one in sets for row in one.report.rows()]
    rows.sort(key=lambda row: -LEVELS.index(row["level"]))
    return rows or [{"level": PASS, "set": "all", "got": "nothing to mend"}]


def _head(one: DatasetReport) -> None:
    counts = one.report.counts()
    ink, ground = LOOK[one.report.level]
    said = ", ".join(f"{counts[level]} {level}" for level in (FAIL, WARN, PASS))
    against = f", against {escape(one.report.against)}" if one.report.against else ""
    display(
        HTML(
            f"<div style='background:{ground};color:{ink};padding:6px 12px;margin:4px 0;border-left:5px solid {ink}'>"
            f"<b>{one.report.level}</b> &nbsp; {escape(one.label)}: {said}. {WORDS[one.report.level]}"
            f"<br><span style='font-size:90%'>{escape(one.report.path)}{against}</span></div>"
        )
    )


def _table(rows: Sequence[tuple[str, Finding]], several: bool) -> str:
    # Fixed shares of the page: long sentences wrap instead of pushing the fix out of view.
    columns = "".join(f"<col style='width:{width}%'>" for width in WIDTHS)
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in COLUMNS)
    body = "".join(map(_row, merged([{"set": label if several else "", **finding.row()} for label, finding in rows])))
    return (
        f"<table style='table-layout:fixed;width:100%;margin:0.5em 0'><colgroup>{columns}</colgroup>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(row: dict[str, str]) -> str:
    ink, ground = LOOK[row["level"]]
    subject = f"{row['set']}: {row['subject']}" if row["set"] else row["subject"]
    rest = (row["check"], subject, row["got"], row["expected"], row["fix"])
    cell = "text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere;padding:0.3em"
    cells = "".join(f"<td style='{cell}'>{escape(value)}</td>" for value in rest)
    level = f"{cell};overflow-wrap:normal;background:{ground};color:{ink}"
    return f"<tr><td style='{level}'><b>{row['level']}</b></td>{cells}</tr>"


def _folded(title: str, rows: Sequence[tuple[str, Finding]], several: bool) -> str:
    return f"<details><summary>{title}</summary>{_table(rows, several)}</details>" if rows else ""
