"""The doctor's verdict as a table, the worst findings first."""

from collections.abc import Sequence
from typing import Any

from IPython.display import HTML, display
from markupsafe import Markup

from ate.data.doctor.dataset_report import DatasetReport
from ate.data.doctor.finding import FAIL, LEVELS, PASS, WARN, Finding
from ate.data.doctor.report import merged
from ate.viz.tables.html import banner_html, level_html, table_html
from ate.viz.tables.rows import table

ADVICE = {
    FAIL: "Do not train on it as it is.",
    WARN: "Inspect what is named before training on it.",
    PASS: "Nothing to mend.",
}
# Shares of the width of the page.
WIDTHS = (7, 11, 17, 27, 16, 22)
# Rows that are shown; further ones are folded.
MOST_ROWS = 40


def show_verdict(sets: Sequence[DatasetReport]) -> None:
    """Display the doctor's findings: a line for each set, then FAIL and WARN rows; passed checks are folded."""
    for examined in sets:
        report, counts = examined.report, examined.report.counts()
        summary = ", ".join(f"{counts[level]} {level}" for level in (FAIL, WARN, PASS))
        against = f", against {report.against}" if report.against else ""
        line = Markup("{}: {}. {}<br><span style='font-size:90%'>{}{}</span>")
        message = line.format(examined.label, summary, ADVICE[report.level], report.path, against)
        display(HTML(banner_html(report.level, message)))
    label = [examined.label if len(sets) > 1 else "" for examined in sets]
    findings = [(name, f) for name, examined in zip(label, sets, strict=True) for f in examined.report.grouped]
    passed = [pair for pair in findings if pair[1].level == PASS]
    # Sorting is stable: within a level the doctor's own order stays.
    troubled = sorted((p for p in findings if p[1].level != PASS), key=lambda pair: -LEVELS.index(pair[1].level))
    shown = _table(troubled[:MOST_ROWS]) if troubled else Markup("")
    rest = troubled[MOST_ROWS:]
    display(HTML(shown + _folded(f"{len(rest)} more", rest) + _folded(f"{len(passed)} passed", passed)))


def finding_rows(sets: Sequence[DatasetReport]) -> list[dict[str, Any]]:
    """A row for each finding below PASS, of all sets, the worst first; a single PASS row if there is none."""
    rows = [{"level": row["level"], "set": item.label, **row} for item in sets for row in item.report.rows()]
    rows.sort(key=lambda row: -LEVELS.index(row["level"]))
    return rows or [{"level": PASS, "set": "all", "got": "nothing to mend"}]


def _table(findings: Sequence[tuple[str, Finding]]) -> Markup:
    rows = [
        {
            "level": level_html(row["level"]),
            "check": row["check"],
            "subject": f"{row['set']}: {row['subject']}" if row["set"] else row["subject"],
            **{name: row[name] for name in ("got", "expected", "fix")},
        }
        for row in merged([{"set": label, **finding.row()} for label, finding in findings])
    ]
    return table_html(table(rows), WIDTHS)


def _folded(title: str, rows: Sequence[tuple[str, Finding]]) -> Markup:
    folded = Markup("<details><summary>{}</summary>{}</details>")
    return folded.format(title, _table(rows)) if rows else Markup("")
