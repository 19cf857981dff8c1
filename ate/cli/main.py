"""The command `ate`. Bad input ends with one message on stderr and exit code 2, a failed notebook with 1, a
run that was asked to stop with 3."""

import sys
from importlib import import_module
from typing import Any

import click

from ate.errors import InputError

# Command → the module and attribute that hold it, imported only when it is called.
COMMANDS = {
    "align": ("ate.cli.align", "align"),
    "compare": ("ate.cli.compare", "compare"),
    "convert": ("ate.cli.convert", "convert"),
    "curve": ("ate.cli.report", "curve"),
    "demos": ("ate.cli.demos", "demos"),
    "doctor": ("ate.cli.doctor", "doctor"),
    "benchmark": ("ate.cli.align", "benchmark"),
    "diagnose": ("ate.cli.diagnose", "diagnose"),
    "mask": ("ate.cli.mask", "mask_command"),
    "report": ("ate.cli.report", "report"),
    "run": ("ate.cli.run", "run"),
    "steer": ("ate.cli.steer", "steer"),
    "sweep": ("ate.cli.compare", "sweep"),
    "track": ("ate.cli.run", "track"),
    "watch": ("ate.cli.run", "watch"),
}


class Rooms(click.Group):
    """Commands that live in their rooms."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=Rooms)
@click.version_option(package_name="ate")
def cli() -> None:
    """Align-Then-stEer: move a pre-trained robot policy to a new robot, and see whether it helped."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line."""
    from ate.runs.failure import NotebookFailed
    from ate.runs.status import Stopped

    try:
        return cli(arguments, prog_name="ate")
    except InputError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except Stopped as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    except NotebookFailed as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
