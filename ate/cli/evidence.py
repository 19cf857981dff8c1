"""`ate evidence`: the tables of docs/evidence.md from the runs of `make evidence`."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--first-seed", type=int, default=0, show_default=True, help="Leave out training seeds below this one.")
@click.option("--each", is_flag=True, help="Compare the methods of each run by itself, whatever they are; no pooling.")
@click.option(
    "--kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Numbers that --json wrote earlier: studies that are not among the runs are taken from there.",
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the numbers there too."
)
def evidence(runs: tuple[Path, ...], first_seed: int, each: bool, kept: Path | None, json_file: Path | None) -> None:
    """Pool runs of `ate compare --methods evidence` and print the result as Markdown tables.

    Controls that lack training seeds, and studies whose own methods lack some, are left out and named.

    `--json docs/evidence.json` keeps the numbers that README and docs quote, and `--kept docs/evidence.json` adds the
    studies of runs that are gone. With `--each --first-seed N` a comparison
    or sweep is judged on training seeds that a first look did not have.
    """
    from ate.errors import InputError
    from ate.experiments.evidence import complete, heading, measured, pooled_table, studies_of, study_table
    from ate.experiments.kept_studies import joined
    from ate.runs.files import write_json

    if each:
        _each(runs, first_seed)
        return
    groups, regimes = studies_of(runs, first_seed), list[dict[str, Any]]()
    for (demonstrations, steps), studies in groups.items():
        pooled = {}
        for name, results in studies.items():
            usable, lacking = complete(results)
            if usable:
                pooled[name] = usable
            if lacking:
                what = f"left out {'' if usable else 'as a whole, '}for the training seeds that are missing"
                counts = ", ".join(f"{method!r} {count}" for method, count in lacking.items())
                click.echo(f"{name}, {demonstrations} demonstrations, {steps} steps: {what}: {counts}", err=True)
        if pooled:
            regimes.append(measured(pooled))
    if not regimes:
        got = "no study with all of its methods and seeds" if groups else "no result of an evidence method"
        where, expected = ", ".join(map(str, runs)), "run directories of a comparison of the evidence methods"
        raise InputError(got, where=where, expected=expected, fix="ate compare --methods evidence --run RUN")
    if kept is not None:
        regimes = joined(_kept_regimes(kept), regimes)
    for regime in regimes:
        click.echo(f"\n## {heading(regime)}\n\n{study_table(regime)}\n\n{pooled_table(regime)}")
    if json_file is not None:
        write_json(json_file, regimes)


def _kept_regimes(file: Path) -> list[dict[str, Any]]:
    """Numbers of earlier runs, as --json wrote them.

    Raises:
        InputError: the file holds something else.
    """
    from ate.errors import InputError
    from ate.runs.files import read_json

    wanted = {"demonstrations", "steps", "seeds", "studies", "pooled"}
    try:
        regimes = read_json(file)
    except ValueError as error:
        regimes = str(error)
    if not isinstance(regimes, list) or not all(
        isinstance(regime, dict) and wanted <= set(regime) for regime in regimes
    ):
        expected = "what ate evidence --json FILE wrote"
        raise InputError("no such numbers", where=str(file), expected=expected, fix="give that file")
    return regimes


def _each(runs: tuple[Path, ...], first_seed: int) -> None:
    from ate.errors import InputError
    from ate.experiments.evidence import run_differences
    from ate.experiments.stats.comparisons import summarise, verdict
    from ate.experiments.store import load_results

    for run in runs:
        results = [result for result in load_results(run / "results") if result.seed >= first_seed]
        if not results:
            got = f"no result with a training seed of {first_seed} or above"
            expected = "a run directory of ate compare or ate sweep"
            fix = "lower --first-seed, or train more seeds with ate sweep --seeds"
            raise InputError(got, where=str(run), expected=expected, fix=fix)
        click.echo(f"{run.name}:")
        for row in summarise(results):
            click.echo(f"{row.method}: {row.successes} of {row.trials}, {100 * row.rate:.1f} %")
        for difference in run_differences(run, first_seed):
            click.echo(verdict(difference))
