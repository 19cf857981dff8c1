"""`ate report`: the offline report of runs; `ate curve`: learning curves of a sweep."""

from pathlib import Path

import click


@click.command()
@click.argument("run", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default RUN/report.html.")
def report(run: tuple[Path, ...], out: Path | None) -> None:
    """Write the offline HTML report of one or more run directories."""
    from ate.runs.directory import RunDirectory
    from ate.viz.report.write import write_report

    click.echo(write_report([RunDirectory.existing(path) for path in run], out))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def curve(run: Path) -> None:
    """Draw learning curves of a run that swept demonstrations or steps, into its report."""
    from ate.errors import InputError
    from ate.experiments.stats.comparisons import curve as points_of
    from ate.experiments.stats.comparisons import verdict
    from ate.experiments.store import load_results
    from ate.runs.directory import RunDirectory
    from ate.viz.figures.curve import learning_curve
    from ate.viz.report.write import write_report

    directory, lines = RunDirectory(run), []
    results = [result for result in load_results(run / "results") if result.success]
    directory.begin("curve")
    for over, fixed in (("demonstrations", "steps"), ("steps", "demonstrations")):
        for at in sorted({getattr(r, fixed) for r in results}):
            shown = [r for r in results if getattr(r, fixed) == at]
            if len({getattr(r, over) for r in shown}) < 2:
                continue
            seeds = len({r.seed for r in shown})
            title = f"Success against {over}, at {at} {fixed}"
            caption = (
                f"Mean over {seeds} training seeds with its 95 % interval over training and rollout seeds. Filled: "
                "differs from direct fine-tuning at that number, corrected for all points of the curve."
            )
            directory.save_figure(f"curve_{over}_{at}", learning_curve(shown, over), title=title, caption=caption)
            for kind in dict.fromkeys(r.parameterization for r in shown):
                for point in points_of([r for r in shown if r.parameterization == kind], over):
                    line = f"{kind}, {point.method}, {point.at} {over}: {100 * point.rate:.1f} % "
                    line += f"({100 * point.low:.1f} to {100 * point.high:.1f})"
                    lines.append(line + (f"; {verdict(point.difference)}" if point.difference else ""))
    if not lines:
        got = f"{len(results)} results of one number of demonstrations and steps"
        expected = "rollouts at two or more numbers of demonstrations, or of steps"
        fix = "ate sweep --axis demonstrations=5,10,25,50 --axis controls=scratch --run RUN"
        raise InputError(got, where=str(run), expected=expected, fix=fix)
    directory.save_headline("curve", {"title": "Learning curves", "verdict": lines})
    click.echo("\n".join([*lines, f"report: {write_report(directory)}"]))
