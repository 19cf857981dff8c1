"""`ate demos`: record demonstrations, record the shipped sets again, or verify robots on tasks."""

import os
from pathlib import Path

import click

from ate.errors import InputError


@click.command("demos")
@click.option("--robot", "robots", multiple=True, help="Robot; may be given more than once with --verify.")
@click.option("--task", "tasks", multiple=True, help="Task; may be given more than once with --verify.")
@click.option("--episodes", default=50, show_default=True, help="Successful episodes to record, or seeds to verify.")
@click.option("--seed", default=0, show_default=True, help="Seed of the set.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="New folder [default: demos/<task>/<robot>, demos with --all]."
)
@click.option("--all", "everything", is_flag=True, help="Record every shipped set, with SHA256SUMS.")
@click.option("--verify", "check", is_flag=True, help="Record nothing: print success of expert and replay.")
@click.option("--processes", type=int, help="Processes for --all and --verify [default: one per core].")
def demos(
    robots: tuple[str, ...],
    tasks: tuple[str, ...],
    episodes: int,
    seed: int,
    out: Path | None,
    everything: bool,
    check: bool,
    processes: int | None,
) -> None:
    """Record demonstrations of the scripted expert, one HDF5 file per episode."""
    from ate.sim import demos as recorder

    if check:
        chosen = robots or tuple(recorder.ROBOTS), tasks or tuple(recorder.TASKS)
        rows = recorder.verify(*chosen, episodes, processes or os.cpu_count() or 1)
        click.echo(f"{'task':8}{'robot':10}{'expert':>10}{'commands':>10}{'measured':>10}   of {episodes} seeds")
        for row in rows:
            click.echo(f"{row.task:8}{row.robot:10}{row.expert:>10}{row.replay:>10}{row.measured:>10}")
    elif everything:
        root = recorder.record_all(out or Path("demos"), processes)
        click.echo(f"recorded every set into {root}, checksums in {root / 'SHA256SUMS'}")
    else:
        if len(robots) != 1 or len(tasks) != 1:
            got, fix = f"{len(robots)} robots and {len(tasks)} tasks", "name one of each, or use --all or --verify"
            raise InputError(got, where="ate demos", expected="one --robot and one --task", fix=fix)
        folder = recorder.record(out or Path("demos") / tasks[0] / robots[0], robots[0], tasks[0], episodes, seed)
        click.echo(f"recorded {episodes} episodes into {folder}")
