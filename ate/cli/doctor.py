"""`ate doctor`: the report as a table, the ledger, and the verdict; exit code 0, 1 where something fails, 2 for bad
input."""

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ate.data.doctor.finding import FAIL, PASS, WARN
from ate.data.doctor.report import Report, merged
from ate.runs.tables import table_text, terminal_width

if TYPE_CHECKING:
    from ate.data.loading import DataSet

VERDICTS = {
    PASS: "no problem found",
    WARN: "inspect the warnings before training on it",
    FAIL: "do not train on this as it is",
}


@click.command("doctor")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--robot", default="", help="Robot's profile: a built-in name or a .toml file.")
@click.option(
    "--against", type=click.Path(path_type=Path), help="Pre-training set, or folder of sets, to compare with."
)
@click.option("--source", default="qpos", show_default=True, help="What chunks are cut from: qpos or action.")
@click.option("--layout", default="", help="Layout of the files [default: recognised].")
@click.option("--rate", default=0.0, help="Steps a second, believed where the files say nothing.")
@click.option("--joints", default="", help="Columns that are the robot, names or patterns, by commas: right_*.")
@click.option("--horizon", default=16, show_default=True, help="Chunk length in steps.")
@click.option("--exclude", default="", help="Exclude list, or names separated by commas.")
@click.option("--exclude-out", type=click.Path(path_type=Path), help="Write the episodes to leave out to this list.")
@click.option("--json", "json_out", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option("--download", is_flag=True, help="Fetch a data set's id, user/repo, that has no copy on this machine.")
@click.option("--statistics", type=click.Path(path_type=Path), help="Checkpoint or its statistics, held against DATA.")
@click.option("--all", "everything", is_flag=True, help="Show what passed too.")
def doctor(
    path: Path,
    robot: str,
    against: Path | None,
    source: str,
    layout: str,
    rate: float,
    joints: str,
    horizon: int,
    exclude: str,
    exclude_out: Path | None,
    json_out: Path | None,
    download: bool,
    statistics: Path | None,
    everything: bool,
) -> None:
    """Examine demonstrations: what is wrong, in which joint or file, and how to fix it.

    PATH is a file, a folder, or the id of a data set, user/repo, of which a copy is on this machine.
    """
    from ate.data import excludes
    from ate.data.doctor.examination import examine_sets
    from ate.data.hub import located
    from ate.data.loading import DataSet

    folder = located(path.as_posix(), download)
    data = DataSet(folder, source, excludes.names(exclude), layout, robot, excludes.names(joints), rate)
    others = None if against is None else DataSet(located(against.as_posix(), download), source)
    reports = examine_sets(data, robot=robot, against=others, horizon=horizon)
    for report in reports:
        _show(report, everything)
    _write(reports, exclude_out, json_out)
    levels = [report.level for report in reports]
    if statistics is not None:
        levels.append(_hold_against(statistics, data, horizon, everything))
    if FAIL in levels:
        sys.exit(1)


def _hold_against(file: Path, data: "DataSet", horizon: int, everything: bool) -> str:
    """Show how a checkpoint's statistics fit the recordings, and return the level."""
    from ate.data.statistics import Statistics
    from ate.diagnose.checkpoint_statistics import check_statistics

    statistics = Statistics.read(file)
    fit = check_statistics(statistics, data.load(), horizon)
    click.echo(f"statistics of {statistics.file}")
    rows = [finding.row() for finding in fit.findings if everything or finding.level != PASS]
    if rows:
        click.echo(findings_text(rows, terminal_width()))
    click.echo(f"\n{fit.level}: {fit.advice}.")
    return fit.level


def _write(reports: Sequence[Report], exclude_out: Path | None, json_out: Path | None) -> None:
    if exclude_out is not None:
        from ate.data import excludes

        names = {
            f"{Path(report.path).name}/{name}" if len(reports) > 1 else name: reason
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
    triage = [{**vars(t), "oddness": t.oddness if t.oddness < float("inf") else None} for t in report.triage]
    return {
        **{field.name: getattr(report, field.name) for field in fields(report)},
        "level": report.level,
        "counts": report.counts(),
        "rows": report.rows(passed=True),
        "findings": [{**vars(finding), "check": finding.check} for finding in report.findings],
        "triage": triage,
        "exclude": report.exclude,
        "ledger": report.ledger.lines(),
    }


def _show(report: Report, everything: bool) -> None:
    profile = report.notes.get("profile")
    known = f"profile {profile}" if profile else "no profile"
    against = f", against {report.against}" if report.against else ""
    columns = f"{len(report.joint_names)} columns of {report.source}"
    click.echo(f"{report.path}: {report.robot} ({known}), {columns}{against}")
    for line in report.ledger.lines(reasons=False):
        click.echo(textwrap.fill(line, terminal_width(), subsequent_indent="  "))
    rows = report.rows(everything)
    if rows:
        click.echo(f"\n{findings_text(rows, terminal_width())}")
    counts = report.counts()
    verdict = f"{counts[FAIL]} FAIL, {counts[WARN]} WARN, {counts[PASS]} PASS; {VERDICTS[report.level]}"
    click.echo(f"\n{report.level}: {verdict}.\n")


def findings_text(rows: Sequence[Mapping[str, str]], width: int) -> str:
    """Findings in aligned columns, wrapped to `width` characters.

    Args:
        rows: as `Finding.row`; rows that differ in their subject alone become one.
        width: characters in a line.
    """
    table = []
    for row in merged(rows):
        lines = [row["got"]]
        if row["expected"] and row["level"] != PASS:
            lines.append(f"expected: {row['expected']}")
        if row["fix"]:
            lines.append(f"→ {row['fix']}")
        table.append({**{name: row[name] for name in ("level", "check", "subject")}, "got → fix": "\n".join(lines)})
    return table_text(table, width)
