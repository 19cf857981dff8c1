"""`ate run`: the notebooks in batch; `ate watch`: a run in the background; `ate track`: a copy for a tracker."""

import time
from pathlib import Path
from typing import Any

import click

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.errors import InputError
from ate.experiments import run_file
from ate.experiments.settings import PROFILES, parameter_kinds
from ate.runs.directory import RunDirectory
from ate.runs.options import pairs, typed


@click.command()
@click.option(
    "--config", "file", type=click.Path(path_type=Path), help="Settings, such as the run.yaml of a run's folder."
)
@click.option("--profile", default="", help=f"One of {', '.join(PROFILES)} [default: demo].")
@click.option("--run", "folder", default="", help="Folder for results [default: runs/<profile> beside the package].")
@click.option("--only", multiple=True, help="Notebook number, e.g. 02; may be given more than once [default: all].")
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="Any setting of the profile.")
def run(file: Path | None, profile: str, folder: str, only: tuple[str, ...], parameters: tuple[str, ...]) -> None:
    """Execute the notebooks at a profile and write the offline report, also after a failure.

    Of a run file, what is also given on the command line is taken from there.
    """
    given: dict[str, Any] = {}
    if file is not None:
        listed, given = run_file.read(file)
        only = only or listed
    given |= {"profile": profile or given.get("profile", "demo")}
    given |= typed(parameter_kinds(), pairs(parameters, "-p"), "-p")
    if folder:
        given["run"] = folder
    start = time.perf_counter()
    settings = execute(only or tuple(NOTEBOOKS), given)
    _conclude(RunDirectory(settings.directory))
    click.echo(f"report: {settings.directory / 'report.html'} ({time.perf_counter() - start:.0f} s)")


def _conclude(directory: RunDirectory) -> None:
    """Print what is doubtful about the run, in colour, and its answer in two lines."""
    from ate.data.doctor.finding import FAIL
    from ate.experiments.answer import ANSWER
    from ate.viz.report.alert import alerts, stale_sections

    for alert in alerts(directory):
        line = " ".join([alert.text, *alert.details])
        click.secho(f"{alert.level}: {line}", fg="red" if alert.level == FAIL else "yellow")
    stale = stale_sections(directory)
    shown = [headline for key, headline in directory.headlines().items() if key not in stale and ANSWER in headline]
    answer = shown[0][ANSWER] if shown else None
    if answer is not None:
        color = {"helps": "green", "hurts": "red"}.get(answer["light"], "yellow")
        click.secho(answer["sentence"], fg=color, bold=True)
        click.echo(answer["settle"])


@click.command()
@click.argument("folder")
@click.option("--stop", is_flag=True, help="Ask it to stop with a checkpoint, and wait until it has.")
@click.option("--once", is_flag=True, help="Print its status once and leave.")
def watch(folder: str, stop: bool, once: bool) -> None:
    """Follow a run in the background until it ends; interrupting this leaves the run alone."""
    from ate.runs.child import Child, words

    child = Child.attach(RunDirectory(Path(folder)).path)
    if stop:
        ended = child.stop()
        click.echo(words(child.status()) if ended else "it has not stopped yet; ask again, or look into its log.txt")
        return
    last = ""
    while True:
        status, alive = words(child.status()), child.alive
        if status != last:
            click.echo(status)
        last = status
        if once or not alive:
            break
        time.sleep(1.0)
    if not once and child.status()["state"] in ("failed", "died", "ended"):
        click.echo("\n".join(child.log()))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with", "name", default="trackio", show_default=True, help="Module with wandb's interface.")
@click.option("--project", default="ate", show_default=True, help="Project in the tracker.")
@click.option("--online", is_flag=True, help="Let the tracker reach the network [default: it stays on this machine].")
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
def track(folder: Path, name: str, project: str, online: bool, follow: bool) -> None:
    """Copy a run to an experiment tracker: settings, metrics of every training, headline numbers and tables."""
    from ate.runs.child import Child
    from ate.runs.lock import locked
    from ate.runs.tracking import tracker

    child = Child(folder)
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), expected="a run", fix="name runs/<name>")
    rows = 0
    with tracker(RunDirectory(folder), name, project, online=online) as tracked:
        while True:
            # Checked before the update: rows that come between the two are copied by the last update.
            running = follow and (child.alive or locked(folder))
            rows += tracked.update()
            if not running:
                break
            time.sleep(1.0)
    click.echo(f"{rows} metric rows and the headlines of {folder} copied to {name}, project {project}")
