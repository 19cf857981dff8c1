"""`--accept`: codes of the doctor's FAIL findings to train on all the same, and the check that needs them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ate.runs.options import names

if TYPE_CHECKING:
    from ate.data.loading import DataSet

accept_option = click.option(
    "--accept",
    default="",
    metavar="CODE,…",
    help="Findings that the doctor calls FAIL to train on all the same, by code.",
)


def accepted(pretrain: "Sequence[DataSet]", adapt: "Sequence[DataSet]", horizon: int, accept: str) -> list[str]:
    """Findings that are accepted although they are FAIL, a sentence each, also printed in red.

    Raises:
        InputError: a finding whose code is not among those of `accept`.
    """
    from ate.data.doctor.gate import admit, failures
    from ate.runs.origin import sentences

    lines = sentences(admit(failures(pretrain, adapt, horizon), names(accept)))
    for line in lines:
        click.secho(f"Accepted although the doctor calls it FAIL: {line}", fg="red", err=True)
    return lines
