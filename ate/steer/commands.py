"""`ate steer`: fine-tune a policy under guidance, or only measure what guidance would do."""

import math
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ate.errors import InputError


@click.command()
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), required=True,
              help="Checkpoint of the pre-trained policy, policy.safetensors.")  # fmt: skip
@click.option("--alignment", "folder", type=click.Path(path_type=Path), required=True,
              help="Folder of the alignment, as `ate align` writes it.")  # fmt: skip
@click.option("--adapt", type=click.Path(path_type=Path), required=True, help="The adaptation robot's episodes.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the run [default: runs/steer].")
@click.option("--lam", default=2.0, show_default=True, help="λ.")
@click.option("--clamp", default=math.inf, show_default=True, help="c, bound of k·g in normalised action units.")
@click.option("--energy", default="sum", show_default=True, help="sum or released.")
@click.option("--latent", default="mean", show_default=True, help="mean or sample.")
@click.option("--at", default="noised", show_default=True, help="noised or estimate.")
@click.option("--bound", default="element", show_default=True, help="element or norm.")
@click.option("--schedule", default="constant", show_default=True, help="constant, alpha or alpha_squared.")
@click.option("--sign", default=1, show_default=True, help="1, or -1 to reverse the shift.")
@click.option("--steps", default=80, show_default=True, help="Optimisation steps.")
@click.option("--batch", default=64, show_default=True, help="Samples a step.")
@click.option("--seed", default=0, show_default=True, help="Seed of batches, times and noise.")
@click.option("--meter-only", is_flag=True, help="Train nothing: say what guidance would do, and propose λ and clamp.")
def steer(
    policy_file: Path,
    folder: Path,
    adapt: Path,
    out: Path | None,
    lam: float,
    clamp: float,
    steps: int,
    batch: int,
    seed: int,
    meter_only: bool,
    **options: Any,
) -> None:
    """Fine-tune a pre-trained policy on a new robot, steered by an alignment."""
    from ate.align.alignment import Alignment
    from ate.data.reading import load
    from ate.policies.policy import Policy
    from ate.runs.card import card
    from ate.runs.files import write_json
    from ate.steer.finetuning import finetune
    from ate.steer.guidance import Guidance
    from ate.steer.meter import meter_verdict
    from ate.steer.proposing import dry_run

    if not policy_file.is_file():
        raise InputError(
            "no such file", where=str(policy_file), expected="the checkpoint of a policy",
            way_out="give a policy.safetensors, e.g. of runs/demo/policies",
        )  # fmt: skip
    alignment, policy, episodes = Alignment.load(folder), Policy.load(policy_file), load(adapt)
    guidance = Guidance.of(alignment, lam, clamp, **options)
    measured = dry_run(policy.moved_to(alignment.space), episodes, guidance, batch=batch, seed=seed)
    click.echo(f"Before training: {measured.sentence(guidance)}")
    if meter_only:
        return
    where = out or Path("runs") / "steer"
    trained = finetune(policy, episodes, guidance, steps=steps, batch=batch, seed=seed, directory=where)
    trained.policy.save(where / "policy.safetensors")
    config = {"lam": lam, "clamp": str(clamp), "steps": steps, "batch": batch, **options}
    meter = {"meter": trained.meter, "meter_verdict": meter_verdict(trained.meter), "loss": trained.loss}
    hashes = {**alignment.digests, "adapt": episodes.digest}
    command = shlex.join(["ate", *sys.argv[1:]])
    write_json(where / "card.json", {**card(config, seeds={"seed": seed}, hashes=hashes, command=command), **meter})
    click.echo(f"Guidance over {steps} steps: {meter_verdict(trained.meter)}.")
    click.echo(f"Loss against the demonstrations: {trained.loss[0]['loss']:.4g} to {trained.loss[-1]['loss']:.4g}.")
    click.echo(str(where / "policy.safetensors"))
