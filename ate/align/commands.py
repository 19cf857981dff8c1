"""`ate align`: both stages from the command line, by a YAML file of the release or by our own options."""

import shlex
import sys
from pathlib import Path

import click

from ate.errors import InputError


@click.command()
@click.option("--config", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE.yaml",
              help="YAML file of the released code, as it stands; may be repeated, later ones win.")  # fmt: skip
@click.option("--preset", default="", help="Options to start from [default: demo, with --config released].")
@click.option("--pretrain", type=click.Path(path_type=Path), default=None,
              help="Pre-training episodes: a data set, or a folder of them, one a robot.")  # fmt: skip
@click.option("--adapt", type=click.Path(path_type=Path), default=None, help="The adaptation robot's episodes.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the run [default: runs/align].")
@click.option("--seed", default=0, show_default=True, help="Seed of split, weights, batches and noise.")
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="Any option of AlignConfig; may be repeated.")
def align(
    files: tuple[Path, ...],
    preset: str,
    pretrain: Path | None,
    adapt: Path | None,
    out: Path | None,
    seed: int,
    given: tuple[str, ...],
) -> None:
    """Train both Info-VAEs, write them for this package and for the release, and say whether the robots meet.

    Run again with the same data and options, a stopped run goes on to the same bits. With --config it does so only
    where the file says `resume: True`, in the file's pretrained_model_dir.
    """
    from ate.align.job import Job, options_of
    from ate.align.seed_config import read_seed_config

    command = shlex.join(["ate", *sys.argv[1:]])
    options = options_of(given)
    if files:
        if pretrain or adapt:
            raise click.UsageError("--config names the data: leave --pretrain and --adapt away")
        seed_config = read_seed_config(files)
        for note in seed_config.notes:
            click.echo(f"Note: {note}.")
        job = Job.from_seed_config(seed_config, preset or "released", out, seed, options, command)
    else:
        if pretrain is None or adapt is None:
            raise click.UsageError("give --config, or both --pretrain and --adapt")
        job = Job.from_options(pretrain, adapt, preset or "demo", out, seed, options, command)
    written = job.run()
    for file in written:
        click.echo(str(file))
    if not job.both_stages:
        click.echo("Stage 1 is finished; start_stage: Stage2 with pretrained_model_dir set to this folder goes on.")
        return
    try:
        click.echo(f"Verdict: {job.judge()}")
    except InputError as error:
        click.echo(f"Verdict: none, {error}")
