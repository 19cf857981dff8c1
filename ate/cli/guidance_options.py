"""Options of guidance for commands: one for each field of `GuidanceConfig`, with its choices, help and default."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from ate.cli.name_type import Name
from ate.steer.guidance_config import PRESETS, GuidanceConfig

Command = TypeVar("Command", bound=Callable[..., Any])


def guidance_options(command: Command) -> Command:
    """Add `--guidance`, a preset, and an option for each field; what is not given reaches the command as None."""
    for option in reversed(fields(GuidanceConfig)):
        choices = option.metadata["choices"]
        kind = Name([str(value) for value in choices]) if choices else click.FLOAT
        text = f"{option.metadata['help']} [default: {option.default}]"
        flag = f"--{option.name.replace('_', '-')}"
        command = click.option(flag, option.name, type=kind, default=None, help=text)(command)
    words = "Options to start from [default: auxiliary]."
    return click.option("--guidance", type=Name(list(PRESETS)), default=None, help=words)(command)
