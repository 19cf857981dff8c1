"""`ate run`: the notebooks in batch, then the report; `ate watch`: a run that goes on in a process of its own;
`ate track`: a run told to an experiment tracker."""

import time
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import click

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.errors import InputError, unknown
from ate.experiments.settings import PROFILES, Settings


@click.command()
@click.option("--profile", default="demo", show_default=True, help=f"One of {', '.join(PROFILES)}.")
@click.option("--run", "folder", default="", help="Folder for results [default: runs/<profile> beside the package].")
@click.option("--only", multiple=True, help="Notebook number, e.g. 02; may be given more than once [default: all].")
@click.option("-p", "parameters", multiple=True, metavar="NAME=VALUE", help="Any setting of the profile.")
def run(profile: str, folder: str, only: tuple[str, ...], parameters: tuple[str, ...]) -> None:
    """Execute the notebooks at a profile and write the offline report, after a failure too."""
    given: dict[str, Any] = {"profile": profile, **_parse(parameters)}
    if folder:
        given["run"] = folder
    began = time.perf_counter()
    chosen = execute(only or tuple(NOTEBOOKS), given)
    click.echo(f"report: {chosen.directory / 'report.html'} ({time.perf_counter() - began:.0f} s)")


def _parse(parameters: tuple[str, ...]) -> dict[str, Any]:
    """`("lam=2",)` → `{"lam": 2.0}`, by the types of the settings.

    Raises:
        InputError: an unknown name.
        click.BadParameter: not of the form NAME=VALUE, or a value that does not parse.
    """
    hints = get_type_hints(Settings)
    valid = [field.name for field in fields(Settings)]
    values = {}
    for item in parameters:
        name, separator, text = item.partition("=")
        if not separator:
            raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="-p")
        if name not in valid:
            raise unknown(name, valid, where="-p")
        try:
            values[name] = hints[name](text)
        except ValueError as error:
            raise click.BadParameter(f"{name} takes {hints[name].__name__}, not {text!r}", param_hint="-p") from error
    return values


@click.command()
@click.argument("folder")
@click.option("--stop", is_flag=True, help="Ask it to stop with a checkpoint, and wait until it has.")
@click.option("--once", is_flag=True, help="Say how far it is and leave.")
def watch(folder: str, stop: bool, once: bool) -> None:
    """Follow a run in the background until it ends; interrupting this leaves the run alone."""
    from ate.runs.child import Child, words

    child = Child.attach(folder)
    if stop:
        ended = child.stop()
        click.echo(words(child.status()) if ended else "it has not stopped yet; ask again, or look into its log.txt")
        return
    said = ""
    while True:
        told, alive = words(child.status()), child.alive
        if told != said:
            click.echo(told)
        said = told
        if once or not alive:
            break
        time.sleep(1.0)
    if not once and child.status()["state"] in ("failed", "died", "ended"):
        click.echo("\n".join(child.log()))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with", "name", default="trackio", show_default=True, help="Module with wandb's interface.")
@click.option("--project", default="ate", show_default=True, help="In the tracker.")
@click.option("--online", is_flag=True, help="Let the tracker reach the network [default: it stays on this machine].")
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
def track(folder: Path, name: str, project: str, online: bool, follow: bool) -> None:
    """Tell a run to an experiment tracker: settings, metrics of every training, headline numbers and tables."""
    from ate.runs.child import Child
    from ate.runs.directory import RunDirectory
    from ate.runs.lock import locked
    from ate.runs.tracking import tracker

    child = Child(folder)
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), expected="a run", fix="name runs/<name>")
    told = 0
    with tracker(RunDirectory(folder), name, project, online=online) as following:
        while True:
            # Asked before telling: what comes between the two is told by the last round.
            going = follow and (child.alive or locked(folder))
            told += following.update()
            if not going:
                break
            time.sleep(1.0)
    click.echo(f"{told} metric rows and the headlines of {folder} told to {name}, project {project}")
