"""`ate doctor`: the report as a table, the ledger, and the verdict; exit code 0, 1 where something fails, 2 for bad
input."""

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ate.data.doctor.report import FAIL, PASS, WARN, Report

# Below this, columns of words become a column of syllables.
NARROWEST = 80
VERDICTS = {
    PASS: "nothing wrong was found",
    WARN: "can be trained on; look at the warnings first",
    FAIL: "do not train on this as it is",
}


@click.command("doctor")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--robot", default="", help="Robot's profile: a built-in name or a .toml file.")
@click.option(
    "--against", type=click.Path(path_type=Path), help="Pre-training set, or folder of sets, to compare with."
)
@click.option("--source", default="qpos", show_default=True, help="What chunks are cut from: qpos or action.")
@click.option("--layout", default="", help="Layout of the files [default: told from the files].")
@click.option("--horizon", default=16, show_default=True, help="Chunk length in steps.")
@click.option("--exclude", default="", help="Exclude list, or names separated by commas.")
@click.option("--exclude-out", type=click.Path(path_type=Path), help="Write the episodes to leave out to this list.")
@click.option("--json", "json_out", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option("--all", "everything", is_flag=True, help="Show what passed too.")
def doctor(
    path: Path,
    robot: str,
    against: Path | None,
    source: str,
    layout: str,
    horizon: int,
    exclude: str,
    exclude_out: Path | None,
    json_out: Path | None,
    everything: bool,
) -> None:
    """Examine demonstrations: what is wrong, which joint or file, and what to do about it."""
    from ate.data.doctor.examination import examine_sets
    from ate.data.loading import DataSet

    left_out = _excluded(exclude)
    data = DataSet(str(path), source, left_out, layout, robot)
    others = None if against is None else DataSet(str(against), source)
    reports = examine_sets(data, robot=robot, against=others, horizon=horizon)
    for report in reports:
        _show(report, everything)
    _write(reports, exclude_out, json_out)
    if any(report.level == FAIL for report in reports):
        sys.exit(1)


def _excluded(given: str) -> tuple[str, ...]:
    if not given:
        return ()
    if Path(given).is_file():
        from ate.data import excludes

        return tuple(excludes.read(given))
    return tuple(name.strip() for name in given.split(",") if name.strip())


def _write(reports: Sequence[Report], exclude_out: Path | None, json_out: Path | None) -> None:
    if exclude_out is not None:
        from ate.data import excludes

        several = len(reports) > 1
        names = {
            f"{Path(report.path).name}/{name}" if several else name: reason
            for report in reports
            for name, reason in report.exclude.items()
        }
        excludes.write(exclude_out, names)
        click.echo(f"{len(names)} episodes to leave out, in {exclude_out}")
    if json_out is not None:
        from ate.runs.files import write_text

        trees = [tree(report) for report in reports]
        write_text(json_out, json.dumps(trees[0] if len(trees) == 1 else trees, indent=1) + "\n")
        click.echo(f"report written to {json_out}")


def tree(report: Report) -> dict[str, Any]:
    """A report in plain values, for JSON; infinite oddness becomes null."""
    return {
        "path": report.path,
        "robot": report.robot,
        "source": report.source,
        "against": report.against,
        "level": report.level,
        "counts": report.counts(),
        "joint_names": list(report.joint_names),
        "findings": [{**vars(finding), "episodes": list(finding.episodes)} for finding in report.findings],
        "triage": [
            {**vars(row), "oddness": row.oddness if row.oddness < float("inf") else None,
             "measures": dict(row.measures), "reasons": list(row.reasons)}
            for row in report.triage
        ],
        "exclude": report.exclude,
        "ledger": report.ledger.lines(),
        "notes": dict(report.notes),
    }  # fmt: skip


def _show(report: Report, everything: bool) -> None:
    profile = report.notes.get("profile")
    said = f"profile {profile}" if profile else "no profile"
    against = f", against {report.against}" if report.against else ""
    click.echo(f"{report.path}: {report.robot} ({said}), {len(report.joint_names)} columns of {report.source}{against}")
    for line in report.ledger.lines():
        click.echo(textwrap.fill(line, _width(), subsequent_indent="  "))
    rows = report.rows(everything)
    if rows:
        click.echo("")
        click.echo("\n".join(table(rows, _width())))
    counts = report.counts()
    click.echo("")
    click.echo(
        f"{report.level}: {counts[FAIL]} FAIL, {counts[WARN]} WARN, {counts[PASS]} PASS; {VERDICTS[report.level]}."
    )
    click.echo("")


def _width() -> int:
    return max(shutil.get_terminal_size((120, 40)).columns, NARROWEST)


def table(rows: Sequence[dict[str, Any]], width: int) -> list[str]:
    """Findings in aligned columns (level, check, subject, found and fix), wrapped to `width` characters."""
    names = ("level", "check", "subject")
    rows = _merged(rows)
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    widths[2] = min(widths[2], width // 4)
    rest = width - sum(widths) - 2 * len(widths)
    lines = ["  ".join([*(n.ljust(w) for n, w in zip(names, widths, strict=True)), "found → fix"])]
    for row in rows:
        cells = [[str(row["level"])], [str(row["check"])], textwrap.wrap(str(row["subject"]), widths[2])]
        last = textwrap.wrap(str(row["found"]), rest)
        if row["expected"] and row["level"] != PASS:
            last += textwrap.wrap(f"expected: {row['expected']}", rest, subsequent_indent="  ")
        if row["fix"]:
            last += textwrap.wrap(f"→ {row['fix']}", rest, subsequent_indent="  ")
        for i in range(max(len(cell) for cell in (*cells, last))):
            parts = [(cell[i] if i < len(cell) else "").ljust(w) for cell, w in zip(cells, widths, strict=True)]
            lines.append("  ".join([*parts, last[i] if i < len(last) else ""]).rstrip())
    return lines


def _merged(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that differ in their subject only, as one: eighteen padded joints are one line."""
    merged: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(str(row[name]) for name in ("level", "check", "found", "expected", "fix"))
        if key in merged:
            merged[key] = {**merged[key], "subject": f"{merged[key]['subject']}, {row['subject']}"}
        else:
            merged[key] = dict(row)
    return list(merged.values())
