"""The diagnosis of a policy on a page: one row a check."""

from IPython.display import HTML, display
from markupsafe import Markup

from ate.diagnose.report import Diagnosis
from ate.viz.tables.html import banner_html, level_html, table_html
from ate.viz.tables.rows import table

# Shares of the width of the page.
WIDTHS = (4, 9, 17, 42, 28)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Display the checks in order, the first that fails marked, with its result and what to try next."""
    rows = [
        {
            "": str(number),
            "verdict": level_html(check.level) + (Markup("<br>look here") if diagnosis.first is check else ""),
            "check": check.check,
            "result": check.got,
            "next": check.fix,
        }
        for number, check in enumerate(diagnosis.checks, 1)
    ]
    display(HTML(banner_html(diagnosis.level, diagnosis.sentence) + table_html(table(rows), WIDTHS)))
