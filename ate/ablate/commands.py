"""`ate compare`: the table of arms in one budget regime, without notebooks."""

from typing import Any

import click

from ate.ablate.grid import ARM_SETS, COMPARISON
from ate.presets import settings


@click.command()
@click.option("--profile", default="demo", show_default=True, help="Settings to start from.")
@click.option("--run", "folder", default="", help="Folder for results [default: runs/<profile>].")
@click.option("--pretrain", default=None, help="Folder of the pre-training robots.")
@click.option("--adapt", default=None, help="Folder of the adaptation robot's episodes.")
@click.option("--demonstrations", type=int, default=None, help="Episodes drawn for each training seed.")
@click.option("--steps", type=int, default=None, help="Fine-tuning steps.")
@click.option("--seeds", type=int, default=None, help="Training seeds.")
@click.option("--arms", type=click.Choice(ARM_SETS), default=COMPARISON, show_default=True, help="Which arms.")
@click.option("--lam", type=float, default=None, help="λ of the ATE arm and its control.")
@click.option("--clamp", type=float, default=None, help="Clamp of k·g.")
def compare(profile: str, folder: str, arms: str, **given: Any) -> None:
    """Arms in one budget regime: success with intervals, paired by training seed.

    `comparison` is direct, from scratch, ATE and its random-encoder control; `evidence` adds every form of guidance
    with the controls that it has to beat.
    """
    from ate.ablate.study import prepare
    from ate.ablate.summary import arm_rows, bottom_line, comparison_sentences, control_sentences
    from ate.runs.directory import RunDirectory

    chosen = settings({"profile": profile, "run": folder, **given})
    study = prepare(chosen)
    results = study.compare(arms)
    click.echo(
        f"{study.adapt.robot}, {study.adapt.task}: {results[0].demonstrations} demonstrations, {chosen.steps} steps, "
        f"{chosen.seeds} training seeds x {chosen.rollouts} rollouts, λ {chosen.lam:g}, clamp {chosen.clamp:g}"
    )
    rows = arm_rows(results)
    widths = {name: max(len(name), *(len(str(row.get(name, ""))) for row in rows)) for name in rows[0]}
    click.echo("  ".join(name.ljust(width) for name, width in widths.items()))
    for row in rows:
        click.echo("  ".join(_text(row[name]).ljust(width) for name, width in widths.items()))
    lines = [*comparison_sentences(results), *control_sentences(results)]
    answer = bottom_line(results, study.adapt.robot) if arms == COMPARISON else ""
    for line in [*lines, *([answer] if answer else [])]:
        click.echo(line)
    table = {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}
    regime = f"{'compare' if arms == COMPARISON else arms}_{results[0].demonstrations}x{chosen.steps}"
    found = {"bottom_line": answer, "verdict": lines, "table": table}
    RunDirectory(chosen.directory).save_headline(regime, found)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
