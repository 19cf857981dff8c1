"""`ate push`: an alignment or a policy with its card to the hub; the only command that sends anything anywhere."""

from pathlib import Path

import click

from ate.errors import InputError


@click.command("push")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "repository", default="", help="Repository on the hub: user/name.")
@click.option("--public", is_flag=True, help="Let everybody see a repository that is made here [default: private].")
@click.option("--show", is_flag=True, help="Print the card and send nothing.")
def push(path: Path, repository: str, public: bool, show: bool) -> None:
    """Send an alignment or a policy with a model card to the hub, with the login of `hf auth login`."""
    from ate.experiments.model_card import Model

    model = Model.of(path)
    if show:
        click.echo(model.text)
        return
    if not repository:
        fix = "add --to user/name, or --show to read the card first"
        raise InputError("no repository", where="ate push", expected="where to send it", fix=fix)
    click.echo(f"{model.kind} {model.file} is at {model.push(repository, private=not public)}")
