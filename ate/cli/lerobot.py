"""`ate lerobot`: runs of lerobot's trainer compared; `ate sweep` of such runs: trained, evaluated, compared."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ate.experiments.results import RunResult

# Options of `ate sweep` that a sweep of lerobot's trainer takes; the others stand in its file.
TAKEN = ("folder", "lams", "seeds", "executor", "workers")


@click.command("lerobot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def lerobot(runs: tuple[Path, ...]) -> None:
    """Compare runs of lerobot-train with the plug-in against those without guidance, paired by training seed."""
    from ate.experiments.lerobot_runs import read

    results = [read(run) for run in runs]
    rows, lines = _compared(results)
    _show(rows, lines)


def sweep_lerobot(file: Path, command: str, folder: str, executor: str | None, workers: int | None,
                  **given: Any) -> None:  # fmt: skip
    """Train λ × seed with lerobot's trainer, evaluate, and compare; what is done is not done again.

    Args:
        file: of the sweep (`ate.experiments.lerobot_sweep`).
        command: the command line that asks for the same again.
        folder: for the runs; empty for `runs/NAME` of the file's name.
        executor: where runs are trained; None for this process.
        workers: runs at once; None for one.
        given: `lams` and `seeds`, which win over the file; None for what the file says.

    Raises:
        InputError: the file, the environment or a folder does not fit.
    """
    from tqdm import tqdm

    from ate.experiments.executors import Executor
    from ate.experiments.lerobot_job import check_environment
    from ate.experiments.lerobot_runs import read
    from ate.experiments.lerobot_sweep import LeRobotSweep
    from ate.runs.lock import lock

    sweep = LeRobotSweep.read(file, **{name: value for name, value in given.items() if value is not None})
    where = Executor.parse(executor or ("processes" if (workers or 1) > 1 else "here"), workers or 1)
    out = Path(folder or Path("runs") / file.stem)
    with lock(out, "sweeping runs of lerobot", wait=False):
        jobs = sweep.jobs(out)
        waiting = [job for job in jobs if not job.done]
        click.echo(f"{len(jobs)} runs of lerobot, {len(waiting)} to do, in {out}")
        if waiting:
            check_environment(sweep.lerobot, str(sweep.train["policy.type"]))
        running = where.run(waiting, out / "jobs")
        ended = tqdm(running, total=len(waiting), desc="runs", mininterval=2.0, disable=not waiting)
        reasons = {waiting[index].name: failure for index, failure in ended if failure is not None}
    read_back = [read(Path(job.folder)) for job in jobs if job.done]
    # Differences are within a training seed: one that lacks a run is not compared.
    each = Counter(result.seed for result in read_back)
    results = [result for result in read_back if each[result.seed] == len(jobs) // sweep.seeds]
    if results:
        rows, lines = _compared(results)
        _show(rows, lines)
        click.echo(f"report: {_kept(results, rows, lines, out, command)}")
    failed = [job for job in jobs if not job.done]
    for job in failed:
        reason = reasons.get(job.name)
        click.echo(f"failed: {job.name}: {reason.message if reason else 'left no result'}", err=True)
    if failed:
        click.echo(f"{len(failed)} runs have no result; to try them again: {command}", err=True)
        sys.exit(1)


def refuse_options(options: Mapping[str, Any]) -> None:
    """Refuse options of `ate sweep` that mean nothing to lerobot's trainer.

    Raises:
        InputError: one was given.
    """
    from ate.errors import InputError

    strange = [name for name, value in options.items() if name not in TAKEN and value not in (None, (), False, "")]
    if strange:
        fix = "write what lerobot is to know into the file, under train or evaluate"
        expected = "--run, --lams, --seeds, --executor, --workers"
        got = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        raise InputError(got, where="sweep of lerobot's trainer", expected=expected, fix=fix)


def _compared(results: Sequence["RunResult"]) -> tuple[list[dict[str, Any]], list[str]]:
    """One row a λ, and a sentence for each against no guidance."""
    from ate.experiments.lerobot_runs import BASELINE
    from ate.experiments.stats.comparisons import differences, summarise, verdict
    from ate.steer.meter import meter_verdict

    acting = {result.method: meter_verdict([dict(row) for row in result.meter]) for result in results if result.meter}
    rows = [
        {
            "method": row.method, "succeed": f"{row.successes} of {row.trials}",
            "95 %": f"{100 * row.low:.0f} to {100 * row.high:.0f} %", "seeds": len(row.by_seed),
            "guidance": acting.get(row.method, ""),
        }
        for row in summarise(results)
    ]  # fmt: skip
    if not any(result.method == BASELINE for result in results):
        alone = "no run without guidance, so nothing to compare with: train one with --policy.alignment left out"
        return rows, [alone]
    return rows, [verdict(difference) for difference in differences(results, BASELINE)]


def _show(rows: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> None:
    from ate.runs.tables import table_text

    click.echo("\n".join([table_text(rows), *lines]))


def _kept(results: Sequence["RunResult"], rows: Sequence[Mapping[str, Any]], lines: Sequence[str], out: Path,
          command: str) -> Path:  # fmt: skip
    """Write table and report of a sweep; returns the report."""
    from ate.experiments.export import tidy, write
    from ate.runs.card import card
    from ate.runs.directory import RunDirectory
    from ate.viz.figures.comparison import paired_differences, success
    from ate.viz.report.write import write_report

    write(tidy(results), out)
    directory = RunDirectory(out).begin("lerobot")
    seeds = sorted({result.seed for result in results})
    caption = f"{len(seeds)} training seeds of lerobot's trainer. Diamond: all rollouts with the 95 % Wilson interval."
    directory.save_figure("lerobot_01_success", success(results), title="Success of each λ", caption=caption)
    if len(rows) > 1:
        caption = "Points of success above the runs without guidance, paired by training seed, with 95 % intervals."
        figure = paired_differences(results)
        directory.save_figure("lerobot_02_differences", figure, title="What guidance changed", caption=caption)
    directory.save_headline("lerobot", {"title": "Runs of lerobot's trainer", "verdict": list(lines), "table": rows})
    directory.save_card("lerobot", card({}, seeds={"training": seeds}, hashes={}, command=command))
    return write_report(directory)
