"""`ate lerobot`: runs of lerobot's trainer with guidance, compared: success, intervals, verdict."""

from pathlib import Path

import click


@click.command("lerobot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def lerobot(runs: tuple[Path, ...]) -> None:
    """Compare runs of lerobot-train with the plug-in against those without guidance, paired by training seed."""
    from ate.experiments.lerobot_runs import BASELINE, read
    from ate.experiments.stats.comparisons import differences, summarise, verdict
    from ate.runs.tables import table_text
    from ate.steer.meter import meter_verdict

    results = [read(run) for run in runs]
    acting = {result.method: meter_verdict([dict(row) for row in result.meter]) for result in results if result.meter}
    rows = [
        {
            "method": row.method, "succeed": f"{row.successes} of {row.trials}",
            "95 %": f"{100 * row.low:.0f} to {100 * row.high:.0f} %", "seeds": len(row.by_seed),
            "guidance": acting.get(row.method, ""),
        }
        for row in summarise(results)
    ]  # fmt: skip
    click.echo(table_text(rows))
    if any(result.method == BASELINE for result in results):
        for difference in differences(results, BASELINE):
            click.echo(verdict(difference))
    else:
        click.echo("no run without guidance, so nothing to compare with: train one with --policy.alignment left out")
