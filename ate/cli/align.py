"""`ate align` trains both stages; `ate benchmark` compares variants of alignment."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ate.cli.accept_option import accept_option, accepted
from ate.errors import InputError

if TYPE_CHECKING:
    from ate.align.released.run_folder import Job
    from ate.data.loading import DataSet


@click.command()
@click.option("--config", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE.yaml",
              help="YAML file of the released code, as it stands; may be repeated, later ones win.")  # fmt: skip
@click.option("--preset", default="", help="Options to start from [default: demo, with --config released].")
@click.option("--pretrain", type=click.Path(path_type=Path), default=None,
              help="Pre-training episodes: a data set, or a folder of them, one a robot.")  # fmt: skip
@click.option("--adapt", type=click.Path(path_type=Path), default=None, help="The adaptation robot's episodes.")
@click.option("--robot", default="", help="Profile of the adaptation robot; converts what it declares.")
@click.option("--robot-pretrain", default="", help="The same of the pre-training robots.")
@accept_option
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the run [default: runs/align].")
@click.option("--seed", default=0, show_default=True, help="Seed of split, weights, batches and noise.")
@click.option("-p", "items", multiple=True, metavar="NAME=VALUE", help="Any option of AlignConfig; may be repeated.")
@click.option("--background", is_flag=True, help="Train in a separate process and return at once; see ate watch.")
def align(
    files: tuple[Path, ...],
    preset: str,
    pretrain: Path | None,
    adapt: Path | None,
    robot: str,
    robot_pretrain: str,
    accept: str,
    out: Path | None,
    seed: int,
    items: tuple[str, ...],
    background: bool,
) -> None:
    """Train both Info-VAEs, write them for this package and for the release, and evaluate the alignment.

    Run again with the same data and options, a stopped run continues to the same bits. With --config it continues only
    if the file sets `resume: True`, in the file's pretrained_model_dir. Under `torchrun` several processes share
    each batch.
    """
    from ate.align.released.run_folder import DEFAULT_FOLDER
    from ate.data.loading import DataSet
    from ate.runs.child import Child
    from ate.runs.distributed import leader, session

    given = None
    if pretrain is not None and adapt is not None:
        given = DataSet(str(pretrain), robot=robot_pretrain), DataSet(str(adapt), robot=robot)
    if files and (pretrain or adapt):
        raise click.UsageError("--config names the data: leave --pretrain and --adapt away")
    if not files and given is None:
        raise click.UsageError("give --config, or both --pretrain and --adapt")
    # Before a process in the background too: what cannot be trained on is refused here.
    job = _job(files, given, preset, items, out, seed, accept)
    if background:
        child = Child.start([word for word in sys.argv[1:] if word != "--background"], out or DEFAULT_FOLDER)
        click.echo(f"Process {child.process['pid']}; follow it with: ate watch {child.folder}")
        return
    with session():
        written = job.run()
        if not leader():
            return
    for file in written:
        click.echo(str(file))
    if not job.both_stages:
        click.echo("Stage 1 is finished; start_stage: Stage2 with pretrained_model_dir set to this folder continues.")
        return
    try:
        click.echo(f"Verdict: {job.verdict()}")
    except InputError as error:
        click.echo(f"Verdict: none, {error}")


def _job(
    files: tuple[Path, ...],
    given: "tuple[DataSet, DataSet] | None",
    preset: str,
    items: tuple[str, ...],
    out: Path | None,
    seed: int,
    accept: str,
) -> "Job":
    """What is trained, on data that the doctor does not fail, or whose failures are accepted."""
    from ate.align.config import AlignConfig
    from ate.align.config import preset as resolve
    from ate.align.released.config import read_seed_config
    from ate.align.released.run_folder import DEFAULT_FOLDER, Job
    from ate.data.loading import DataSet
    from ate.runs.options import pairs, typed

    command = shlex.join(["ate", *sys.argv[1:]])
    options = typed(AlignConfig, pairs(items, "-p"), "-p")
    if given is None:
        seed_config = read_seed_config(files)
        data = DataSet(str(seed_config.pretrain)), DataSet(str(seed_config.adapt))
        for note in seed_config.notes:
            click.echo(f"Note: {note}.")
        config = seed_config.config(resolve(preset or "released")).with_options(**options)
        job = Job.from_seed_config(seed_config, config, out, seed, command)
    else:
        data = given
        config = resolve(preset or "demo").with_options(**options)
        job = Job(data[0].load_sets(), data[1].load(), config, out or DEFAULT_FOLDER, seed, command)
    job.accepted = accepted(data[:1], data[1:], config.chunk, accept)
    return job


@click.command()
@click.option(
    "--pretrain", "pretrain_folders", multiple=True, required=True, help="Pre-training episodes; may be repeated."
)
@click.option(
    "--adapt", "adapt_folders", multiple=True, required=True, help="An adaptation robot's episodes; may be repeated."
)
@click.option("--variants", default="one-stage,released,published,paper,mixture,anchored,motion,untrained",
              show_default=True,
              help="Separated by commas; a variant with options as `mixture:adapt_kl_weight=0.1`.")  # fmt: skip
@click.option("--preset", default="demo", show_default=True, help="Options that all variants start from.")
@click.option("--seeds", default=3, show_default=True, help="Training seeds, 0 to N − 1.")
@click.option("--run", "folder", type=click.Path(path_type=Path), default=Path("runs") / "benchmark", show_default=True)
@click.option("--joints", default="", help="Columns of the adaptation robots, names or patterns: right_*.")
@click.option("--joints-pretrain", default="", help="The same for the pre-training robots.")
@click.option("--robot", default="", help="Profile of the adaptation robots, where files name no joints.")
@click.option("--exclude", default="", help="Episodes of the adaptation robots to leave out, separated by commas.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@accept_option
def benchmark(
    pretrain_folders: tuple[str, ...],
    adapt_folders: tuple[str, ...],
    variants: str,
    preset: str,
    seeds: int,
    folder: Path,
    joints: str,
    joints_pretrain: str,
    robot: str,
    exclude: str,
    workers: int,
    accept: str,
) -> None:
    """Train several variants of alignment over seeds and evaluate all of them by the same tests.

    Each number is a mean over seeds with its 95 % t interval. Results that the folder already holds are read back.
    """
    from ate.align.config import preset as resolve
    from ate.align.evaluate.benchmark import over_seeds, run_benchmark
    from ate.align.evaluate.variants import variant_configs
    from ate.data.loading import DataSet
    from ate.runs.card import card
    from ate.runs.directory import RunDirectory
    from ate.runs.options import names
    from ate.viz.report.alignment_benchmark import write_benchmark

    if seeds < 1:
        raise InputError(str(seeds), where="--seeds", expected="1 or more", fix="give 3, say")
    chosen = variant_configs(names(variants), resolve(preset))
    pretrain = [DataSet(path, joints=names(joints_pretrain)) for path in pretrain_folders]
    adapt = [DataSet(path, exclude=names(exclude), robot=robot, joints=names(joints)) for path in adapt_folders]
    lines = accepted(pretrain, adapt, resolve(preset).chunk, accept)
    directory = RunDirectory(folder)
    rows = run_benchmark(pretrain, adapt, chosen, range(seeds), directory.folder("variants"), workers)
    for line in write_benchmark(rows, over_seeds(rows), directory):
        click.echo(line)
    hashes = {data.path: episodes.digest for data in (*pretrain, *adapt) for episodes in data.load_sets()}
    config = {variant.name: variant.config.to_dict() for variant in chosen}
    of_run = card(
        config, seeds={"seeds": list(range(seeds))}, hashes=hashes, command=shlex.join(["ate", *sys.argv[1:]])
    )
    directory.save_card("benchmark", {**({"accepted": lines} if lines else {}), **of_run})
