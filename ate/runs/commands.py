"""`ate run`: the notebooks in batch, then the report; `ate watch`: a run that goes on in a process of its own."""

import time
from dataclasses import fields
from typing import Any, get_type_hints

import click

from ate.errors import unknown
from ate.presets import PROFILES, Settings
from ate.runs.notebooks import NOTEBOOKS, execute


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
