"""Commands of this room."""

from pathlib import Path

import click


@click.command()
@click.argument("run", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default RUN/report.html.")
def report(run: tuple[Path, ...], out: Path | None) -> None:
    """Write the offline HTML report of one or more run directories."""
    from ate.runs.directory import RunDirectory
    from ate.viz.report import write_report

    click.echo(write_report([RunDirectory.existing(path) for path in run], out))
