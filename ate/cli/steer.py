"""`ate steer`: fine-tune a policy under guidance, or only measure what guidance would do."""

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ate.cli.accept_option import accept_option, accepted
from ate.cli.guidance_options import guidance_options
from ate.cli.name_type import Name
from ate.cli.steer_task import Task
from ate.errors import InputError

if TYPE_CHECKING:
    from ate.data.episodes import Episodes
    from ate.steer.guidance import Guidance
    from ate.steer.training import Trained

# What of the options belongs to the optimiser; the rest is the guidance's.
OPTIM = ("steps", "batch", "seed", "learning_rate", "accumulate", "warmup", "max_grad_norm", "ema", "precision")
HELD_OUT = 0.1
METHODS = ("guidance", "retarget", "direct")


@click.command()
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), required=True,
              help="Checkpoint of the pre-trained policy, policy.safetensors.")  # fmt: skip
@click.option("--alignment", "folder", type=click.Path(path_type=Path), default=None,
              help="Folder of the alignment, as `ate align` writes it; needed for guidance.")  # fmt: skip
@click.option("--adapt", type=click.Path(path_type=Path), required=True, help="The adaptation robot's episodes.")
@click.option("--pretrain", type=click.Path(path_type=Path), default=None,
              help="The pre-training robots' episodes; for retarget and --guidance tool-motion.")  # fmt: skip
@click.option("--method", type=Name(METHODS), default="guidance", show_default=True,
              help="guidance, retargeted episodes in each batch, or demonstrations alone.")  # fmt: skip
@click.option("--share", default=0.5, show_default=True, help="Rows at retargeted episodes, as a share of a batch.")
@click.option("--robot", default="", help="Profile or model file (URDF, MJCF) of the adaptation robot.")
@click.option("--robot-pretrain", default="", help="The same of the pre-training robots.")
@accept_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/steer"), show_default=True,
              help="Folder of the run.")  # fmt: skip
@guidance_options
@click.option("--steps", default=80, show_default=True, help="Optimisation steps.")
@click.option("--batch", default=64, show_default=True, help="Samples of a batch, shared out between processes.")
@click.option("--seed", default=0, show_default=True, help="Seed of batches, times and noise.")
@click.option("--learning-rate", default=3e-4, show_default=True, help="Of AdamW.")
@click.option("--cosine", is_flag=True, help="Let the learning rate fall to zero by half a cosine.")
@click.option("--warmup", default=0, show_default=True, help="Steps over which the learning rate rises first.")
@click.option("--accumulate", default=1, show_default=True, help="Batches a step.")
@click.option("--max-grad-norm", default=math.inf, show_default=True, help="Bound of the gradient's norm.")
@click.option("--ema", default=0.0, show_default=True, help="Decay of averaged weights, which are then the result.")
@click.option(
    "--precision", default="float32", show_default=True, help="Of the policy: float32, tf32, bfloat16 or bf16."
)
@click.option("--evaluate-every", default=0, show_default=True,
              help="Steps between evaluations on a tenth of the episodes, then held out; 0 for none.")  # fmt: skip
@click.option("--rollouts", default=0, show_default=True, help="Simulated episodes of each evaluation.")
@click.option("--simulator", default="", help="Simulate them in this gymnasium environment: gym:ID,qpos=KEY,…")
@click.option("--meter-only", is_flag=True, help="Train nothing: say what guidance would do, and propose λ and clamp.")
def steer(
    policy_file: Path,
    folder: Path | None,
    adapt: Path,
    pretrain: Path | None,
    method: str,
    share: float,
    robot: str,
    robot_pretrain: str,
    accept: str,
    out: Path,
    guidance: str | None,
    evaluate_every: int,
    rollouts: int,
    simulator: str,
    meter_only: bool,
    cosine: bool,
    **options: Any,
) -> None:
    """Fine-tune a pre-trained policy on a new robot.

    By guidance of an alignment, at the demonstrations or (`--guidance tool-motion`) at observations of the
    pre-training robots; with their retargeted episodes in each batch (`--method retarget`); or on the demonstrations
    alone (`--method direct`). A policy that acts in tool space is fine-tuned there. Under `torchrun` several processes
    share every batch.
    """
    from ate.policies.policy import Policy
    from ate.runs.distributed import leader, session
    from ate.steer.evaluation import Evaluation
    from ate.steer.finetuning import finetune
    from ate.steer.guidance_config import GuidanceConfig
    from ate.steer.optim_config import OptimConfig

    optim = {name: options.pop(name) for name in OPTIM} | {"lr_schedule": "cosine" if cosine else "constant"}
    OptimConfig.of(optim)
    config = GuidanceConfig.of(guidance, {name: value for name, value in options.items() if value is not None})
    task = Task.on(Policy.load(_existing(policy_file)), (adapt, robot), (pretrain, robot_pretrain), share)
    known = accepted([task.pretrain] if task.pretrain else [], [task.data], task.policy.config.horizon, accept)
    guided = None if method != "guidance" else task.guidance(folder, config)
    replay = task.replay if method == "retarget" or (guided and config.at_pretraining) else None
    seed, evaluation, episodes = optim["seed"], None, task.episodes
    if evaluate_every or rollouts:
        episodes, held_out = episodes.split(HELD_OUT, seed)
        evaluation = Evaluation(held_out, evaluate_every or optim["steps"], rollouts, seed=seed, simulator=simulator)
    before = _before(task, episodes, guided, optim["batch"], seed) if guided else ""
    if meter_only:
        click.echo(before or "Nothing to measure before training: there is no guidance at the demonstrations.")
        return
    with session():
        if leader() and before:
            click.echo(before)
        trained = finetune(
            task.policy, episodes, guided, replay=replay, space=task.space, directory=out, evaluation=evaluation,
            **optim,
        )  # fmt: skip
        if leader():
            used = {"method": method, "share": share, "guidance": config.to_dict() if guided else None}
            _keep(trained, out, {**used, **optim, "max_grad_norm": str(optim["max_grad_norm"])}, task, known)


def _before(task: Task, episodes: "Episodes", guided: "Guidance", batch: int, seed: int) -> str:
    """What guidance would do, in a sentence; empty where it does not act at the demonstrations."""
    from ate.steer.meter_run import dry_run

    if guided.config.at_pretraining:
        return ""
    measured = dry_run(task.policy.moved_to(task.space), episodes, guided, batch=batch, seed=seed)
    return f"Before training: {measured.sentence(guided)}"


def _existing(checkpoint: Path) -> Path:
    if not checkpoint.is_file():
        fix = "give a policy.safetensors, e.g. of runs/demo/policies"
        raise InputError("no such file", where=str(checkpoint), expected="the checkpoint of a policy", fix=fix)
    return checkpoint


def _keep(trained: "Trained", where: Path, config: dict[str, Any], task: Task, accepted: list[str]) -> None:
    """Write policy and card, and print what training did."""
    from ate.runs.card import card
    from ate.runs.files import write_json
    from ate.steer.meter import meter_verdict

    trained.policy.save(where / "policy.safetensors")
    verdict = meter_verdict(trained.meter)
    measured = {"meter": trained.meter, "meter_verdict": verdict}
    measured |= {"loss": trained.loss, "evaluation": trained.evaluation}
    command = shlex.join(["ate", *sys.argv[1:]])
    recorded = card(config, seeds={"seed": config["seed"]}, hashes=task.digests, command=command)
    first: dict[str, Any] = {"accepted": accepted} if accepted else {}
    first |= {"converted": task.episodes.conversion} if task.episodes.conversion else {}
    write_json(where / "card.json", {**first, **recorded, **measured})
    if trained.meter:
        click.echo(f"Guidance over {config['steps']} steps: {verdict}.")
    click.echo(f"Loss against the demonstrations: {trained.loss[0]['loss']:.4g} to {trained.loss[-1]['loss']:.4g}.")
    if trained.evaluation:
        first, last = trained.evaluation[0], trained.evaluation[-1]
        click.echo(f"Error on held-out episodes: {first['error']:.4g} to {last['error']:.4g} (normalised units).")
        if "success" in last:
            click.echo(f"Success in rollouts: {first['success']:.0%} to {last['success']:.0%}.")
    click.echo(str(where / "policy.safetensors"))
