"""The gate: what the doctor calls FAIL does not train, unless its code is accepted by name."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from ate.data.doctor.examination import examine_study
from ate.data.doctor.finding import FAIL, Finding
from ate.data.doctor.report import Report, merged
from ate.data.loading import DataSet
from ate.errors import InputError

# Findings that a refusal names; `ate doctor` shows the rest.
MOST_NAMED = 6
# Letters of what is named of one finding.
LONGEST = 300
Row = dict[str, Any]


def failures(pretrain: Sequence[DataSet], adapt: Sequence[DataSet], horizon: int) -> tuple[Row, ...]:
    """What the doctor calls FAIL in these sets, each adaptation set compared with the pre-training sets.

    Args:
        pretrain: the pre-training robots' sets, or folders of them.
        adapt: the adaptation robots' sets.
        horizon: chunk length in steps.

    Returns:
        One row a cause (`ate.data.doctor.grouping`): `set` (the path), `code`, `subject`, `got`, `expected`,
        `fix`.
    """
    reports = examine_study(pretrain, adapt, horizon)
    return tuple(row for report in reports for row in _rows(report))


def admit(failed: Sequence[Row], accept: Sequence[str]) -> tuple[Row, ...]:
    """The failures that are accepted by their codes, for reports and cards.

    Args:
        failed: as `failures` gives them.
        accept: codes such as `units.limits`.

    Raises:
        InputError: one of them is not accepted; it names findings, fixes and the codes that would accept them.
    """
    left = [row for row in failed if row["code"] not in accept]
    if not left:
        return tuple(failed)
    more = len(left) - MOST_NAMED
    named = "; ".join(_short(f"{row['code']} of {row['subject']}: {row['got']}") for row in left[:MOST_NAMED])
    fixes = dict.fromkeys(_short(f"{row['code']}: {row['fix']}") for row in left[:MOST_NAMED])
    codes = ",".join(dict.fromkeys(row["code"] for row in failed))
    paths = list(dict.fromkeys(row["set"] for row in left))
    raise InputError(
        f"data that the doctor calls FAIL ({named}{f'; and {more} more' if more > 0 else ''})",
        where=", ".join(paths),
        expected="data without a FAIL",
        fix=f"{'; '.join(fixes)}; ate doctor {paths[0]} shows all of it. To train on it all the same, accept it by "
        f"code: accept={codes} (--accept {codes})",
    )


def _short(text: str) -> str:
    return shorten(text, LONGEST, placeholder=" …")


def _rows(report: Report) -> list[Row]:
    rows = [_row(finding) for finding in report.grouped if finding.level == FAIL]
    return [{"set": report.path, **row} for row in merged(rows)]


def _row(finding: Finding) -> dict[str, str]:
    return {name: getattr(finding, name) for name in ("code", "subject", "got", "expected", "fix")}
