"""`ate rdt`: fine-tune RDT-1B on one robot's pictures, words and joints, with or without guidance."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ate.cli.accept_option import accept_option, accepted
from ate.cli.guidance_options import guidance_options
from ate.cli.name_type import Name

if TYPE_CHECKING:
    from ate.cli.rdt_task import RdtTask
    from ate.steer.rdt_finetuning import RdtTraining

# What of the options belongs to the optimiser; the rest is the guidance's.
OPTIM = ("steps", "batch", "accumulate", "learning_rate", "warmup", "max_grad_norm", "seed")
PRECISIONS = ("mixed", "float32", "bf16")
HELD_OUT = 0.1
_PATH = click.Path(path_type=Path)


@click.command("rdt")
@click.option("--weights", type=_PATH, required=True, help="RDT's weights: a file, or its folder.")
@click.option("--base", type=_PATH, default=None,
              help="The released configs/base.yaml; its vae: block guides where there is no --alignment.")  # fmt: skip
@click.option("--adapt", type=_PATH, required=True, help="The robot's episodes, HDF5 or LeRobot.")
@click.option("--robot", default="", help="Profile of the robot.")
@click.option("--source", type=Name(("qpos", "action")), default="qpos", show_default=True,
              help="What chunks are of: measured positions or commands.")  # fmt: skip
@click.option("--rate", default=0.0, help="Rows a second, where the files do not say.")
@click.option("--vision", type=_PATH, default=None, help="Folder of SigLIP; left away, pictures are zeros.")
@click.option("--language", type=_PATH, default=None, help="Folder of T5; left away, words are zeros.")
@click.option("--cameras", default="", metavar="PLACE=CAMERA,…",
              help="external, right_wrist, left_wrist [default: by the cameras' names].")  # fmt: skip
@click.option("--instruction", default="", help="What is to be done, for all episodes [default: as each says].")
@click.option("--cache", type=_PATH, default=None, help="Folder of embeddings [default: ~/.cache/ate/embeddings].")
@click.option("--alignment", type=_PATH, default=None, help="Folder of the alignment that guides; none: plain.")
@accept_option
@click.option("--out", type=_PATH, default=Path("runs/rdt"), show_default=True, help="Folder of the run.")
@guidance_options
@click.option("--steps", default=1000, show_default=True, help="Optimisation steps.")
@click.option("--batch", default=8, show_default=True, help="Samples of a batch.")
@click.option("--accumulate", default=1, show_default=True, help="Batches a step.")
@click.option("--learning-rate", default=1e-4, show_default=True, help="Of AdamW.")
@click.option("--warmup", default=0, show_default=True, help="Steps over which the learning rate rises first.")
@click.option("--max-grad-norm", default=1.0, show_default=True, help="Bound of the gradient's norm.")
@click.option("--seed", default=0, show_default=True, help="Seed of batches, levels and noise.")
@click.option("--lora-rank", default=0, show_default=True, help="Train adapters of this rank alone; 0: all weights.")
@click.option("--precision", type=Name(PRECISIONS), default="mixed", show_default=True,
              help="float32; mixed: bf16 steps on float32 weights; bf16: weights too.")  # fmt: skip
@click.option("--checkpointing", is_flag=True, help="Compute activations again in the backward pass: less memory.")
@click.option("--evaluate", default=0, show_default=True,
              help="Chunks to sample on a tenth of the episodes, then held out.")  # fmt: skip
def rdt(out: Path, accept: str, guidance: str | None, evaluate: int, **options: Any) -> None:
    """Fine-tune RDT on a robot's pictures, words and joints.

    Pictures become tokens of SigLIP and words tokens of T5, once, from local folders; nothing is fetched. The memory
    that training needs is held against the device's before the weights are put there.
    """
    from ate.cli.rdt_task import RdtTask
    from ate.steer.guidance_config import GuidanceConfig
    from ate.steer.optim_config import OptimConfig
    from ate.steer.rdt_finetuning import finetune_rdt

    optim = {name: options.pop(name) for name in OPTIM}
    names = ("weights", "base", "adapt", "robot", "source", "rate", "vision", "language", "cameras", "instruction",
             "cache", "alignment", "lora_rank", "precision", "checkpointing")  # fmt: skip
    task = RdtTask(**{name: options.pop(name) for name in names})
    OptimConfig.of(optim)
    changed = {name: value for name, value in options.items() if value is not None}
    config = GuidanceConfig.of(guidance, changed)
    known = accepted([], [task.data], task.sizes.pred_horizon, accept)
    episodes, held_out = task.episodes, None
    if evaluate:
        episodes, held_out = episodes.split(HELD_OUT, optim["seed"])
    samples = task.samples(episodes)
    need = task.memory(optim["batch"], samples.most_words)
    click.echo(f"Memory of a step: {need}.")
    alignment = task.guidance(config, changed if guidance is None else {"guidance": guidance, **changed})
    runner = task.runner()
    training = finetune_rdt(
        runner, samples, alignment, config, directory=out, base=task.digest,
        precision="float32" if task.precision == "float32" else "bfloat16", **optim,
    )  # fmt: skip
    policy = task.tuned(runner, samples)
    policy.save(out / "policy.safetensors")
    errors: dict[str, float] = {}
    if held_out is not None:
        from ate.policies.rdt.actor import RDTActor
        from ate.steer.evaluation import open_loop

        errors = open_loop(RDTActor(policy), held_out, places=evaluate)
    _report(out, task, training, optim, config.to_dict() if alignment else None, errors, known)


def _report(
    out: Path,
    task: "RdtTask",
    training: "RdtTraining",
    optim: dict[str, Any],
    guidance: dict[str, Any] | None,
    errors: dict[str, float],
    known: list[str],
) -> None:
    """Write the card, and print what training did."""
    from ate.runs.card import card
    from ate.runs.files import write_json

    used = {**optim, "guidance": guidance, "lora_rank": task.lora_rank, "precision": task.precision}
    used |= {"instruction": task.instruction, "cameras": task.cameras, "source": task.source}
    recorded = card(
        used, seeds={"seed": optim["seed"]}, hashes={"adapt": task.episodes.digest, "weights": task.digest},
        command=shlex.join(["ate", *sys.argv[1:]]),
    )  # fmt: skip
    measured = {"loss": training.loss, "meter": training.meter, "meter_verdict": training.verdict, "open_loop": errors}
    write_json(out / "card.json", {**({"accepted": known} if known else {}), **recorded, **measured})
    if training.verdict:
        click.echo(f"Guidance: {training.verdict}.")
    click.echo(f"Loss: {training.loss[0]['loss']:.4g} to {training.loss[-1]['loss']:.4g}.")
    for joint, error in errors.items():
        click.echo(f"  open-loop error of {joint} on held-out episodes: {error:.4f}")
    click.echo(str(out / "policy.safetensors"))
