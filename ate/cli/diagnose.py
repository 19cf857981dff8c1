"""`ate diagnose`: the checks as a table and where to look; exit code 0, 1 where a check fails, 2 for bad input."""

import sys
from pathlib import Path

import click

from ate.data.doctor.finding import FAIL


@click.command("diagnose")
@click.option(
    "--policy", "name", required=True, help="Checkpoint, package.module:Class, file.py:Class, or ws://host:port."
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="File or folder that the class is called with.")
@click.option("--data", "path", type=click.Path(path_type=Path), required=True, help="Episodes it was trained on.")
@click.option("--start", type=click.Path(path_type=Path), help="Checkpoint it started from.")
@click.option("--held-out", type=click.Path(path_type=Path), help="Episodes it was not trained on.")
@click.option("--source", default="qpos", show_default=True, help="What it was trained on: qpos or action.")
@click.option("--layout", default="", help="Layout of the files [default: recognised from the files].")
@click.option("--robot", default="", help="Robot's profile, where the files do not name their joints.")
@click.option("--exclude", multiple=True, help="Episode to leave out, or an exclude list (.txt); may be repeated.")
@click.option("--no-simulator", is_flag=True, help="Compare commands with positions instead of replaying them.")
@click.option("--simulator", default="", help="Replay in this gymnasium environment: gym:ID,qpos=KEY,…")
@click.option("--seed", default=0, show_default=True, help="Of noise and shuffles.")
@click.option("--json", "json_out", type=click.Path(path_type=Path), help="Write the checks to this file.")
def diagnose(
    name: str,
    checkpoint: Path | None,
    path: Path,
    start: Path | None,
    held_out: Path | None,
    source: str,
    layout: str,
    robot: str,
    exclude: tuple[str, ...],
    no_simulator: bool,
    simulator: str,
    seed: int,
    json_out: Path | None,
) -> None:
    """Find out why a policy with a low loss fails on the robot; the first FAIL is where to look."""
    from ate.cli.doctor import findings_text
    from ate.data import excludes
    from ate.data.loading import load
    from ate.diagnose.checks import run_checks
    from ate.policies.actor_source import actor, is_own
    from ate.policies.policy import Policy
    from ate.runs.files import write_json
    from ate.runs.tables import terminal_width

    left_out = [episode for item in exclude for episode in excludes.names(item)]
    diagnosis = run_checks(
        Policy.load(name) if is_own(name) and checkpoint is None else actor(name, checkpoint),
        load(path, source, left_out, layout, robot),
        start=None if start is None else Policy.load(start),
        held_out=None if held_out is None else load(held_out, source, (), layout, robot),
        simulator=False if no_simulator else simulator or None,
        seed=seed,
    )
    rows = [{**check.row(), "subject": str(number)} for number, check in enumerate(diagnosis.checks, 1)]
    click.echo(f"{name} on {path}: {diagnosis.robot}")
    click.echo(findings_text(rows, terminal_width()))
    click.echo("")
    click.echo(f"{diagnosis.level}: {diagnosis.sentence}.")
    if json_out is not None:
        write_json(json_out, {"robot": diagnosis.robot, "level": diagnosis.level, "checks": diagnosis.rows()})
    if diagnosis.level == FAIL:
        sys.exit(1)
