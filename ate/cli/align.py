"""`ate align` trains both stages, by a YAML file of the release or by our own options; `ate benchmark`
compares variants."""

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
@click.option("--background", is_flag=True, help="Train in a process of its own and come back at once; see ate watch.")
def align(
    files: tuple[Path, ...],
    preset: str,
    pretrain: Path | None,
    adapt: Path | None,
    out: Path | None,
    seed: int,
    given: tuple[str, ...],
    background: bool,
) -> None:
    """Train both Info-VAEs, write them for this package and for the release, and say whether the robots meet.

    Run again with the same data and options, a stopped run goes on to the same bits. With --config it does so only
    where the file says `resume: True`, in the file's pretrained_model_dir. Under `torchrun` several processes share
    every batch.
    """
    from ate.align.config import options_of
    from ate.align.released.config import read_seed_config
    from ate.align.released.run_folder import DEFAULT_FOLDER, Job
    from ate.runs.child import Child
    from ate.runs.distributed import leader, session

    command = shlex.join(["ate", *sys.argv[1:]])
    options = options_of(given)
    if background:
        child = Child.start([word for word in sys.argv[1:] if word != "--background"], out or DEFAULT_FOLDER)
        click.echo(f"Process {child.process['pid']}; follow it with: ate watch {child.folder}")
        return
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
    with session():
        written = job.run()
        if not leader():
            return
    for file in written:
        click.echo(str(file))
    if not job.both_stages:
        click.echo("Stage 1 is finished; start_stage: Stage2 with pretrained_model_dir set to this folder goes on.")
        return
    try:
        click.echo(f"Verdict: {job.judge()}")
    except InputError as error:
        click.echo(f"Verdict: none, {error}")


@click.command("benchmark")
@click.option("--pretrain", "before", multiple=True, required=True, help="Pre-training episodes; may be repeated.")
@click.option("--adapt", "after", multiple=True, required=True, help="An adaptation robot's episodes; may be repeated.")
@click.option("--variants", default="one-stage,released,paper,mixture,anchored,untrained", show_default=True,
              help="Separated by commas; a variant with options as `mixture:adapt_kl_weight=0.1`.")  # fmt: skip
@click.option("--preset", default="demo", show_default=True, help="Options that all variants start from.")
@click.option("--seeds", default=3, show_default=True, help="Training seeds, 0 to N − 1.")
@click.option("--run", "folder", type=click.Path(path_type=Path), default=Path("runs") / "benchmark", show_default=True)
@click.option("--joints", default="", help="Columns of the adaptation robots, names or patterns: right_*.")
@click.option("--joints-pretrain", default="", help="The same for the pre-training robots.")
@click.option("--robot", default="", help="Profile of the adaptation robots, where files name no joints.")
@click.option("--exclude", default="", help="Episodes of the adaptation robots to leave out, separated by commas.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
def benchmark(
    before: tuple[str, ...],
    after: tuple[str, ...],
    variants: str,
    preset: str,
    seeds: int,
    folder: Path,
    joints: str,
    joints_pretrain: str,
    robot: str,
    exclude: str,
    workers: int,
) -> None:
    """Train several variants of alignment over seeds and compare them by the same tests.

    Each number is a mean over seeds with its 95 % t interval; what was trained and judged before is read back.
    """
    from ate.align.config import preset as resolve
    from ate.align.evaluate.benchmark import judge as judged
    from ate.align.evaluate.benchmark import over_seeds
    from ate.align.evaluate.variants import variant_configs
    from ate.data.loading import DataSet
    from ate.experiments.settings import names
    from ate.runs.card import card
    from ate.runs.directory import RunDirectory
    from ate.viz.report.alignment_benchmark import tell

    if seeds < 1:
        raise InputError(str(seeds), where="--seeds", expected="1 or more", fix="give 3, say")
    chosen = variant_configs(names(variants), resolve(preset))
    old = [DataSet(path, joints=names(joints_pretrain)) for path in before]
    new = [DataSet(path, exclude=names(exclude), robot=robot, joints=names(joints)) for path in after]
    directory = RunDirectory(folder)
    rows = judged(old, new, chosen, range(seeds), directory.folder("variants"), workers)
    for line in tell(rows, over_seeds(rows), directory):
        click.echo(line)
    hashes = {data.path: episodes.digest for data in (*old, *new) for episodes in data.load_sets()}
    config = {variant.name: variant.config.to_dict() for variant in chosen}
    directory.save_card(
        "judge",
        card(config, seeds={"seeds": list(range(seeds))}, hashes=hashes, command=shlex.join(["ate", *sys.argv[1:]])),
    )
