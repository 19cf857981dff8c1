"""The guided training step, for one method or many.

    loss = ‖prediction + λ·clamp(k·g) − target‖²

At the noised chunk g does not depend on the policy, so all methods share batches, times, noise and gradients: they
differ in nothing but their weights at the start and their guidance.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.policies.policy import Policy
from ate.runs.device import pick as pick_device
from ate.runs.device import tf32
from ate.runs.files import array_digest, content_key
from ate.runs.loop import Stateful, train
from ate.steer.batched_trainer import BatchedTrainer
from ate.steer.batches import TrainingData
from ate.steer.compatibility import check_goals
from ate.steer.encoder import Encoder
from ate.steer.evaluation import MEASURES, Evaluation
from ate.steer.guided_rows import GuidedSource
from ate.steer.optim_config import OptimConfig
from ate.steer.prefetch import Prefetcher
from ate.steer.replay import Replay
from ate.steer.shifted_target import ShiftedTargets
from ate.steer.trainer import GuidedPolicy, Trainer

# Metric rows of a training, and rows between two checkpoints.
ROWS, ROWS_PER_CHECKPOINT = 40, 10


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gave.

    Attributes:
        policy: the trained policy; with averaged weights where `OptimConfig` asks for them.
        loss: rows with `step` and `loss`, the masked mean squared error against the *unshifted* target.
        meter: rows by noise level (`ate.steer.meter`), empty without guidance.
        seconds: wall time of the whole training, all methods that shared it.
        evaluation: rows with `step` and what `Evaluation.of` measured, empty without one.
    """

    policy: Policy
    loss: list[dict[str, float]]
    meter: list[dict[str, float]]
    seconds: float
    evaluation: list[dict[str, float]] = field(default_factory=list)


def train_methods(
    methods: Mapping[str, GuidedPolicy],
    sets: Sequence[Episodes],
    spaces: Sequence[ActionSpace],
    optim: OptimConfig,
    *,
    directory: Path | None = None,
    label: str = "train",
    evaluation: Evaluation | None = None,
    stacked: bool = False,
    device: torch.device | str | None = None,
) -> dict[str, Trained]:
    """Train every method in place on the same batches; methods must share one path, and one replay if any.

    Methods of one replay differ in nothing but their weights at the start and their guidance; those with a replay in
    their batches see other batches than those without, from the same seed (`finetune_methods` takes them apart). Rows
    for guidance at pre-training observations come besides, from a generator of their own.

    Under `torchrun` each process works on its rows of every batch.

    Args:
        methods: by name; each policy is trained in place.
        sets: episodes, one set a robot.
        spaces: the action space of each set.
        optim: steps, batch, learning rate, seed.
        directory: for checkpoints and metrics; training resumes from there.
        label: of the progress bar.
        evaluation: what to measure of every method while it trains.
        stacked: train methods as one batched model (`ate.steer.batched_trainer`), equal to methods one after the other
            up to rounding. Never by default: what a method learns would depend on how many others there are, and a
            cell of a sweep could not be trained again alone.
        device: to train on; None: what `ATE_DEVICE` names, else a GPU if there is one.

    Raises:
        InputError: the directory holds a checkpoint of other methods, data or optimisation; methods of several replays;
            stacked methods of several networks, or guided at pre-training observations; or a device that this machine
            does not have.
    """
    began = time.perf_counter()
    device = pick_device(device)
    identity = "" if directory is None else _identity(methods, sets, spaces, optim)
    batches, trainers = _on_device(methods, sets, spaces, optim, device, stacked)

    @tf32(device, optim.precision == "tf32")
    def step(_: int) -> dict[str, Tensor]:
        taken = [batches.take() for _ in range(optim.accumulate)]
        return {name: loss for trainer in trainers for name, loss in trainer.step(taken).items()}

    state: dict[str, Stateful | torch.Generator] = {"batches": batches}
    state |= {name: item for trainer in trainers for name, item in trainer.state().items()}
    every, evaluate = max(1, optim.steps // ROWS), None
    if evaluation is not None:
        every, evaluate = evaluation.log_every(every), _evaluate(evaluation, trainers, optim.steps)
    with batches:
        rows = train(
            step, state, optim.steps, directory=directory, identity=identity, log_every=every,
            checkpoint_every=every * ROWS_PER_CHECKPOINT, label=label, after_log=evaluate,
        )  # fmt: skip
    return _trained(trainers, rows, time.perf_counter() - began)


def _trained(
    trainers: Sequence[Trainer | BatchedTrainer], rows: list[dict[str, float]], seconds: float
) -> dict[str, Trained]:
    """What training gave, by method, from the loop's metric rows."""
    results = {}
    for trainer in trainers:
        for (name, policy), meter in zip(trainer.policies().items(), trainer.meters().values(), strict=True):
            loss = [{"step": row["step"], "loss": row[name]} for row in rows]
            results[name] = Trained(policy.eval(), loss, meter, seconds, _measures(rows, name))
    return results


def _on_device(
    methods: Mapping[str, GuidedPolicy],
    sets: Sequence[Episodes],
    spaces: Sequence[ActionSpace],
    optim: OptimConfig,
    device: torch.device,
    stacked: bool,
) -> tuple[Prefetcher, Sequence[Trainer | BatchedTrainer]]:
    """The batches, and one trainer for each method or one for all."""
    known: dict[int, Encoder] = {}
    methods = {name: _placed(method, device, known) for name, method in methods.items()}
    guidances = [method.guidance for method in methods.values() if method.guidance is not None]
    first, replay, guided = next(iter(methods.values())).policy, _replay(methods), None
    at_pretraining = [guidance for guidance in guidances if guidance.config.at_pretraining]
    data = TrainingData.mixed(first, sets, spaces, None if at_pretraining else replay, device)
    if at_pretraining and replay is not None:
        others = TrainingData.of(first, replay.sets, replay.spaces, device)
        levels = first.config.denoising_steps
        guided = GuidedSource(others, replay.rows(optim.batch), levels, optim.seed + 2)
        for guidance in at_pretraining:
            check_goals(guidance, len(others))
    shifted = ShiftedTargets(guidances, data, first.path, optim.seed)
    batches = Prefetcher(data, first.path, optim.batch, optim.seed, shifted, guided)
    if stacked:
        _check_stacked(methods)
        return batches, [BatchedTrainer(methods, optim, shifted, device)]
    return batches, [Trainer(name, method, optim, shifted, device) for name, method in methods.items()]


def _placed(method: GuidedPolicy, device: torch.device, known: dict[int, Encoder]) -> GuidedPolicy:
    """A method on the device: its policy is moved, since it is trained in place, and its encoder copied."""
    method.policy.to(device).train()
    return replace(method, guidance=None if method.guidance is None else method.guidance.on(device, known))


def _replay(methods: Mapping[str, GuidedPolicy]) -> Replay | None:
    """The replay that all methods share."""
    replays = {id(method.replay): method.replay for method in methods.values()}
    uses = {method.at_pretraining for method in methods.values() if method.replay is not None}
    if len(replays) > 1 or len(uses) > 1:
        raise InputError(
            f"{len(replays)} replays" if len(replays) > 1 else "guidance at pre-training observations and without",
            where="methods that share batches", expected="one replay, used alike by all",
            fix="train them by finetune_methods, which takes them apart",
        )  # fmt: skip
    return next(iter(replays.values()))


def _identity(
    methods: Mapping[str, GuidedPolicy], sets: Sequence[Episodes], spaces: Sequence[ActionSpace], optim: OptimConfig
) -> str:
    """SHA-256 over data, statistics, optimisation, and each method's weights at the start and guidance."""
    parts: list[object] = [optim.identity, [s.digest for s in sets], [space.to_tree() for space in spaces]]
    for name, method in methods.items():
        g = method.guidance
        scale = None if g is None else (g.config.key, *g.gradient_key[1:])
        modules = (method.policy,) if g is None else (method.policy, g.vae)
        weights = (weight.cpu().numpy() for module in modules for weight in module.state_dict().values())
        own = [name, method.policy.config, scale, array_digest(*weights)]
        if method.replay is not None:
            own += [method.replay.share, [s.digest for s in method.replay.sets]]
            own += [space.to_tree() for space in method.replay.spaces]
        if g is not None and g.goals is not None:
            own.append(array_digest(g.goals.latents.cpu().numpy()))
        parts.append(own)
    return content_key(parts)


def _check_stacked(methods: Mapping[str, GuidedPolicy]) -> None:
    """Refuse methods that cannot train as one batched model."""
    networks = {method.policy.config for method in methods.values()}
    if len(networks) > 1:
        raise InputError(
            f"{len(networks)} networks", where="methods to be stacked", expected="policies of one configuration",
            fix="leave stacked out, or train them in several calls",
        )  # fmt: skip
    if any(method.at_pretraining for method in methods.values()):
        raise InputError(
            "guidance at pre-training observations", where="methods to be stacked",
            expected="guidance at demonstrations: elsewhere each policy denoises chunks of its own",
            fix="leave stacked out",
        )  # fmt: skip


def _evaluate(
    evaluation: Evaluation, trainers: Sequence[Trainer | BatchedTrainer], steps: int
) -> Callable[[int], dict[str, float]]:
    """What the loop calls at each metric row: measures of every method where an evaluation is due."""

    def measures(done: int) -> dict[str, float]:
        if done % evaluation.every and done != steps:
            return {}
        policies = [item for trainer in trainers for item in trainer.policies().items()]
        return {f"{name}/{key}": value for name, policy in policies for key, value in evaluation.of(policy).items()}

    return measures


def _measures(rows: list[dict[str, float]], name: str) -> list[dict[str, float]]:
    """The rows at which a method was evaluated, with what was measured."""
    by_step = {row["step"]: {key: row[f"{name}/{key}"] for key in MEASURES if f"{name}/{key}" in row} for row in rows}
    return [{"step": step, **own} for step, own in by_step.items() if own]
