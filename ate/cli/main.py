"""The command `ate`.

Exit code 1: a failed notebook or a fault of ate. 2: bad input, or a file system that refuses. 3: a run that was
requested to stop. 130: a run that was interrupted. None of them shows a traceback.
"""

import os
import sys
import traceback
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from ate.cli.interruption import EXIT_CODE, Interrupted, words
from ate.errors import InputError, unknown

# Command → the module and attribute that hold it, imported only when it is called.
COMMANDS = {
    "align": ("ate.cli.align", "align"),
    "benchmark": ("ate.cli.align", "benchmark"),
    "compare": ("ate.cli.compare", "compare"),
    "convert": ("ate.cli.convert", "convert"),
    "curve": ("ate.cli.report", "curve"),
    "demos": ("ate.cli.demos", "demos"),
    "diagnose": ("ate.cli.diagnose", "diagnose"),
    "doctor": ("ate.cli.doctor", "doctor"),
    "evidence": ("ate.cli.evidence", "evidence"),
    "identify": ("ate.cli.identify", "identify"),
    "lerobot": ("ate.cli.lerobot", "lerobot"),
    "mask": ("ate.cli.mask", "mask_command"),
    "push": ("ate.cli.push", "push"),
    "rdt": ("ate.cli.rdt", "rdt"),
    "report": ("ate.cli.report", "report"),
    "rerun": ("ate.cli.rerun", "rerun"),
    "retarget": ("ate.cli.retarget", "retarget"),
    "robot": ("ate.cli.robot", "robot"),
    "rollout": ("ate.cli.rollout", "rollout"),
    "run": ("ate.cli.run", "run"),
    "serve": ("ate.cli.rollout", "serve"),
    "steer": ("ate.cli.steer", "steer"),
    "sweep": ("ate.cli.compare", "sweep"),
    "track": ("ate.cli.run", "track"),
    "vision": ("ate.cli.vision", "vision"),
    "watch": ("ate.cli.run", "watch"),
}
# Set in the environment, errors that nobody foresaw end in a traceback.
TRACEBACK = "ATE_TRACEBACK"
# Former name of a command → its name.
RENAMED = {"judge": "benchmark", "ladder": "diagnose"}


class Commands(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now.

        Raises:
            InputError: an unknown name, with the nearest one, or a former name, with the current one.
        """
        if cmd_name in RENAMED:
            fix = f"ate {cmd_name} is now ate {RENAMED[cmd_name]}"
            raise InputError(repr(cmd_name), where="command", expected="a known name", fix=fix)
        if cmd_name not in COMMANDS:
            raise unknown(cmd_name, COMMANDS, where="command")
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interrupt is ours to answer, since click says no more than that it aborted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error


@click.group(cls=Commands)
@click.version_option(package_name="ate")
def cli() -> None:
    """Align-Then-stEer: move a pre-trained robot policy to a new robot, and measure whether it helped."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line."""
    from ate.runs.failure import FIXES, NotebookFailed
    from ate.runs.refusal import refused
    from ate.runs.status import Stopped

    if isinstance(sys.stdout, TextIOWrapper):
        # A console of Windows may know neither λ nor arrows: it shows a question mark, and the command goes on.
        sys.stdout.reconfigure(errors="replace")
    try:
        return cli(arguments, prog_name="ate")
    except (InputError, NotebookFailed) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except Stopped as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    except Interrupted:
        click.echo(f"\n{words(sys.argv[1:] if arguments is None else arguments)}", err=True)
        sys.exit(EXIT_CODE)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        refusal = refused(error)
        click.echo(f"Error: {refusal or unexpected(error, FIXES.get(type(error).__name__))}", err=True)
        sys.exit(1 if refusal is None else 2)


def unexpected(error: BaseException, fix: str | None) -> str:
    """An error that nobody foresaw, in one sentence: what and where, and what to do or how to see all of it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    if fix is not None:
        return f"{type(error).__name__}{': ' if text else ''}{text}. Fix: {fix}"
    return (
        f"{type(error).__name__}{': ' if text else ''}{text}{at}. This is a fault of ate; the same command with "
        f"{TRACEBACK}=1 before it shows all of it, for a report"
    )
