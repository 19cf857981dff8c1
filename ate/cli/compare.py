"""`ate compare`, `ate sweep`: methods in one regime, and grids of them in several, without notebooks."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ate.cli.accept_option import accept_option
from ate.cli.guidance_options import guidance_options
from ate.cli.lerobot import refuse_options, sweep_lerobot
from ate.cli.name_type import Name
from ate.experiments.lerobot_sweep import is_lerobot
from ate.experiments.methods import COMPARISON, DIRECT, EVERY_CONTROL, METHOD_SETS, controls
from ate.experiments.settings import settings
from ate.runs.options import pairs
from ate.runs.tables import table_text
from ate.steer.guidance_config import OPTIONS

if TYPE_CHECKING:
    from ate.experiments.results import Regime, RunResult
    from ate.experiments.study import Study
    from ate.experiments.sweep import Sweep

NAMES = tuple(method.name for method in controls())


@click.command()
@click.option("--profile", default="demo", show_default=True, help="Settings to start from.")
@click.option("--run", "folder", default="", help="Folder for results [default: runs/<profile>].")
@click.option("--pretrain", default=None, help="Folder of the pre-training robots.")
@click.option("--adapt", default=None, help="Folder of the adaptation robot's episodes.")
@click.option("--robot", default=None, help="Profile of the adaptation robot; converts what it declares.")
@click.option("--robot-pretrain", default=None, help="The same of the pre-training robots.")
@accept_option
@click.option("--demonstrations", type=int, default=None, help="Episodes drawn for each training seed.")
@click.option("--steps", type=int, default=None, help="Fine-tuning steps.")
@click.option("--seeds", type=int, default=None, help="Training seeds.")
@click.option("--rollouts", type=int, default=None, help="Fixed rollout seeds a trained policy.")
@click.option("--task", default=None, help="Simulated task to roll out [default: that of the demonstrations].")
@click.option("--simulator", default=None, help="Roll out in this gymnasium environment: gym:ID,qpos=KEY,…")
@click.option("--pretrain-steps", type=int, default=None, help="Optimisation steps of pre-training.")
@click.option("--workers", type=int, default=None, help="Processes of this machine.")
@click.option("--methods", type=Name(METHOD_SETS), default=COMPARISON, show_default=True, help="Which methods.")
@click.option(
    "--only", type=Name(NAMES), multiple=True, help="This method and direct alone, of whatever set; again for more."
)
@guidance_options
def compare(profile: str, folder: str, methods: str, only: tuple[str, ...], **given: Any) -> None:
    """Methods in one regime: success with intervals, paired by training seed.

    `comparison` is direct, retargeting, tool-motion guidance, a policy in tool space, the published shift and the
    control, an untrained encoder; `evidence` adds the closest controls, `controls` all of them.
    """
    from ate.experiments.answer import answer_of
    from ate.experiments.kept_policies import policy_lines
    from ate.experiments.study import prepare
    from ate.experiments.summary import bottom_line, comparison_sentences, control_sentences, method_rows
    from ate.viz.report.section import Section, keep_section
    from ate.viz.report.write import write_report
    from ate.viz.tables.rows import joint_error_rows

    study = prepare(settings({"profile": profile, "run": folder, **given}))
    chosen = study.settings
    bases = study.bases()
    named = [m for m in study.methods(EVERY_CONTROL) if m.name in (DIRECT, *only)] if only else study.methods(methods)
    results = _whole(lambda: study.compare(named))
    click.echo(
        f"{study.about}: {results[0].demonstrations} demonstrations, {chosen.steps} steps, {chosen.seeds} training "
        f"seeds x {chosen.rollouts} rollouts; guidance: {chosen.guidance.label()}"
    )
    rows = method_rows(results)
    click.echo(table_text(rows))
    lines = [*comparison_sentences(results), *control_sentences(results)]
    all_forms = bottom_line(results, study.adapt.robot, bases, study.blind)
    answer = answer_of(results, study.adapt, bases, study.blind)
    lines = [*(base.sentence for base in bases), *lines]
    click.echo("\n".join([*lines, all_forms, answer.sentence, answer.settle, *policy_lines(study, results)]))
    kind = "methods" if only else "compare" if methods == COMPARISON else methods
    title = f"{kind.capitalize()}: {results[0].demonstrations} demonstrations, {chosen.steps} steps"
    headline = {"title": title, "answer": answer.to_tree(), "bottom_line": all_forms, "verdict": lines, "table": rows}
    headline["joint_errors"] = joint_error_rows(results)
    section = Section.begin(chosen, f"{kind}-{results[0].demonstrations}x{chosen.steps}", displayed=False)
    section.about(study.adapt)
    keep_section(section, results, headline, study.card(_command(), chosen.seeds))
    click.echo(f"report: {write_report(section.run)}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--profile", default="demo", show_default=True, help="Settings to start from.")
@click.option("--run", "folder", default="", help="Folder for results [default: runs/<profile>].")
@click.option("--pretrain", default=None, help="Folder of the pre-training robots.")
@click.option("--adapt", default=None, help="Folder of the adaptation robot's episodes.")
@click.option("--robot", default=None, help="Profile of the adaptation robot; converts what it declares.")
@click.option("--robot-pretrain", default=None, help="The same of the pre-training robots.")
@accept_option
@click.option("--lams", default=None, help="λ axis, separated by commas; λ = 0 always joins.")
@click.option("--clamps", default=None, help="Clamp axis; inf for none.")
@click.option("--seeds", default=None, help="Training seeds of the search.")
@click.option("--validate", default=None, help="Training seeds after those, for the winner and λ = 0.")
@click.option("--axis", "axes", multiple=True, metavar="NAME=VALUES",
              help="Any other field of a sweep: encoder, share, demonstrations, steps, parameterization, controls, "
              f"control_lams, control_clamps, {', '.join(OPTIONS[2:])}.")  # fmt: skip
@click.option("--simulator", default=None, help="Roll out in this gymnasium environment: gym:ID,qpos=KEY,…")
@click.option("--rollouts", type=int, default=None, help="Fixed rollout seeds a trained policy.")
@click.option("--executor", default=None, help="here, processes, submitit-local, or slurm:partition=NAME,time=MINUTES.")
@click.option("--workers", type=int, default=None, help="Processes of this machine.")
@click.option("--stacked", is_flag=True, help="Train the methods of a search seed as one batched model, for a GPU.")
@click.option(
    "--notebooks", is_flag=True, help="Also execute notebook 03 for every λ × clamp, and keep it and its HTML."
)
def sweep(file: Path | None, profile: str, folder: str, lams: str, clamps: str, seeds: str, validate: str,
          axes: tuple[str, ...], stacked: bool, notebooks: bool, **given: Any) -> None:  # fmt: skip
    """λ × clamp × anything × seeds, with λ = 0 on the same seeds; what is done is never done again.

    FILE is a YAML file of fields and their values (`lams: [0.5, 2]`); options win over it. One with `lerobot:` trains
    with lerobot's own trainer (docs/policy.md). Exit code 1 when a cell has no result: the others are kept, and the
    same command tries these again.
    """
    if file is not None and is_lerobot(file):
        others = {
            **given,
            "clamps": clamps,
            "validate": validate,
            "axis": axes,
            "stacked": stacked,
            "notebooks": notebooks,
        }
        refuse_options({**others, "profile": None if profile == "demo" else profile})
        running = {name: given[name] for name in ("executor", "workers")}
        sweep_lerobot(file, _command(), folder, **running, lams=lams, seeds=seeds)
        return
    from ate.batch.sweep_notebooks import execute_sweep
    from ate.experiments.export import tidy, write
    from ate.experiments.study import prepare, sweep_of
    from ate.runs.directory import RunDirectory
    from ate.viz.report.write import write_report

    given |= {"profile": profile, "run": folder}
    chosen = settings(given)
    described = sweep_of(chosen) if file is None else sweep_of(chosen).read(file)
    options = {"lams": lams, "clamps": clamps, "seeds": seeds, "validate": validate, **pairs(axes, "--axis")}
    described = described.with_options({name: value for name, value in options.items() if value is not None}, "options")
    study = prepare(settings({**given, "parameterizations": described.parameterization}))
    if study.settings.guidance != chosen.guidance:
        own = study.settings.guidance
        described = described.with_options({"observations": own.observations, "reduction": own.reduction}, "settings")
    command = _command()
    click.echo(f"{study.about}: {described.cells} cells, {chosen.rollouts} rollouts each")
    swept = study.sweep(described, command, stacked)
    results = _whole(swept.paired)
    validated = study.validate_sweep(described, results, command)
    held_out = _whole(validated.paired)
    for regime in study.regimes_of(described):
        _report(study, described, regime, results, held_out)
    if results:
        parquet, _ = write(tidy(results), study.settings.directory)
        click.echo(f"table: {parquet}\nreport: {write_report(RunDirectory(study.settings.directory))}")
    failed = [str(cell) for cell in (*swept.failed, *validated.failed)]
    for page, failure in execute_sweep(study, described) if notebooks else ():
        click.echo(f"notebook: {page}" if failure is None else f"no notebook: {page}")
        failed += [] if failure is None else [f"{page.parents[1].name}: {failure.type}: {failure.message}"]
    for cell in failed:
        click.echo(f"failed: {cell}", err=True)
    if failed:
        click.echo(f"{len(failed)} cells have no result; to try them again: {command}", err=True)
        sys.exit(1)


def _whole(ask: Callable[[], "list[RunResult]"]) -> "list[RunResult]":
    """Results, or exit code 1 with the cells that have none."""
    from ate.experiments.dispatch import CellsFailed

    try:
        return ask()
    except CellsFailed as error:
        raise click.ClickException(str(error)) from error


def _report(study: "Study", described: "Sweep", regime: "Regime", results: Sequence["RunResult"],
            held_out: Sequence["RunResult"]) -> None:  # fmt: skip
    """Table and sentences of one regime, printed; the same with figures, card and winner kept for the report."""
    from ate.experiments.results import of_regime
    from ate.experiments.stats.selection import searched
    from ate.experiments.summary import grid_sentences, method_rows, rolled_out
    from ate.experiments.winner import save_winner
    from ate.viz.report.section import Section, keep_section

    search, validated = of_regime(results, regime), of_regime(held_out, regime)
    if not search:
        return
    shared = f"{regime.parameterization}, {regime.demonstrations} demonstrations, {regime.steps} steps"
    click.echo(f"\n{shared}, {described.seeds} training seeds")
    rows, lines = method_rows(search), grid_sentences(search, validated)
    click.echo("\n".join([table_text(rows), *lines]))
    kind = regime.parameterization.replace("_", "-")
    key = f"sweep-{kind}-{regime.demonstrations}x{regime.steps}"
    headline: dict[str, Any] = {"title": f"Sweep: {shared}", "verdict": lines, "table": rows}
    section = Section.begin(study.settings, key, displayed=False)
    section.about(study.adapt)
    if rolled_out(search) and len(searched(search)) > 1:
        headline["winner"] = f"winner-{key}.json"
        file = section.run.path / headline["winner"]
        save_winner(search, study.settings, file, validated)
        click.echo(f"winner: {file}")
    keep_section(section, search, headline, study.card(_command(), described.seeds), validated)


def _command() -> str:
    """The command line that asks for the same again."""
    return shlex.join(["ate", *sys.argv[1:]])
