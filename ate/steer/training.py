"""The guided training step, for one arm or many.

    loss = ‖prediction + λ·clamp(k·g) − target‖²

At the noised chunk g does not depend on the policy, so one stream of batches, times, noise and gradients serves every
arm: arms differ in nothing but their weights at the start and their guidance.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.policies.policy import Policy
from ate.runs.device import device as default_device
from ate.runs.loop import Stateful, train
from ate.steer.batches import TrainingData
from ate.steer.guidance import Guidance
from ate.steer.meter import GuidanceMeter
from ate.steer.shifts import Prepared, Shifts
from ate.steer.stream import Stream

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, eq=False)
class Arm:
    """A policy to start from and the guidance it gets (None: plain training)."""

    policy: Policy
    guidance: Guidance | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gave.

    Attributes:
        policy: the trained policy.
        loss: rows with `step` and `loss`, the masked mean squared error against the *unshifted* target.
        meter: rows by noise level (`ate.steer.meter`), empty without guidance.
        seconds: wall time of the whole training, all arms that shared it.
    """

    policy: Policy
    loss: list[dict[str, float]]
    meter: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True)
class Budget:
    """Optimisation budget, the same for every arm of a comparison.

    Attributes:
        steps: optimisation steps.
        batch: samples a step.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        schedule: `"constant"`, or `"cosine"` to zero.
        seed: of batches, times and noise.
    """

    steps: int = 80
    batch: int = 64
    learning_rate: float = 3e-4
    weight_decay: float = 1e-6
    schedule: str = "constant"
    seed: int = 0


def train_arms(
    arms: Mapping[str, Arm],
    sets: Sequence[Episodes],
    spaces: Sequence[ActionSpace],
    budget: Budget,
    *,
    directory: Path | None = None,
    label: str = "train",
) -> dict[str, Trained]:
    """Train every arm in place on one shared stream; arms must share one path.

    Args:
        arms: by name; each policy is trained in place.
        sets: episodes, one set a robot.
        spaces: the action space of each set.
        budget: steps, batch, learning rate, seed.
        directory: for checkpoints and metrics; training resumes from there.
        label: of the progress bar.

    Raises:
        InputError: the directory holds a checkpoint of other arms, data or budget.
    """
    began = time.perf_counter()
    device = default_device()
    identity = "" if directory is None else _identity(arms, sets, spaces, budget)
    for arm in arms.values():
        _to(arm, device)
    first = next(iter(arms.values())).policy
    data = TrainingData.of(first, sets, spaces, device)
    shifts = Shifts([arm.guidance for arm in arms.values() if arm.guidance is not None], data, first.path, budget.seed)
    stream = Stream(data, first.path, budget.batch, budget.seed, shifts)
    optimizers = {name: _optimizer(arm.policy, budget) for name, arm in arms.items()}
    schedulers = {name: _scheduler(optimizer, budget) for name, optimizer in optimizers.items()}
    meters = {name: GuidanceMeter(device) for name, arm in arms.items() if arm.guidance is not None}

    def step(_: int) -> dict[str, Tensor]:
        prepared = stream.take()
        losses = {}
        for name, arm in arms.items():
            losses[name] = _arm_step(arm, prepared, shifts, meters.get(name))
            optimizers[name].step()
            schedulers[name].step()
        return losses

    state: dict[str, Stateful | torch.Generator] = {"stream": stream}
    parts: dict[str, Mapping[str, Stateful]] = {"optimizer": optimizers, "schedule": schedulers, "meter": meters}
    state |= {f"{name}/policy": arm.policy for name, arm in arms.items()}
    state |= {f"{name}/{part}": item for part, items in parts.items() for name, item in items.items()}
    every = max(1, budget.steps // 40)
    with stream:
        rows = train(
            step, state, budget.steps, directory=directory, identity=identity, log_every=every,
            checkpoint_every=every * 10, label=label,
        )  # fmt: skip
    seconds = time.perf_counter() - began
    losses = {name: [{"step": row["step"], "loss": row[name]} for row in rows] for name in arms}
    read = {name: meters[name].rows() if name in meters else [] for name in arms}
    return {name: Trained(arm.policy.eval(), losses[name], read[name], seconds) for name, arm in arms.items()}


def _to(arm: Arm, device: torch.device) -> None:
    arm.policy.to(device).train()
    if arm.guidance is not None:
        arm.guidance.vae.to(device)


def _identity(arms: Mapping[str, Arm], sets: Sequence[Episodes], spaces: Sequence[ActionSpace], budget: Budget) -> str:
    """SHA-256 over data, statistics, budget, and each arm's weights at the start and guidance."""
    # More steps continue a constant schedule; a cosine is another one altogether.
    steps = budget.steps if budget.schedule == "cosine" else 0
    parts = [replace(budget, steps=steps), [s.digest for s in sets], [space.to_tree() for space in spaces]]
    sha = hashlib.sha256(repr(parts).encode())
    for name, arm in arms.items():
        g = arm.guidance
        scale = None if g is None else (g.lam, g.clamp, g.sign, g.bound, g.schedule, *g.stream[1:])
        sha.update(repr((name, arm.policy.config, scale)).encode())
        for module in (arm.policy,) if g is None else (arm.policy, g.vae):
            for weight in module.state_dict().values():
                sha.update(weight.cpu().numpy().tobytes())
    return sha.hexdigest()


def _arm_step(arm: Arm, prepared: Prepared, shifts: Shifts, meter: GuidanceMeter | None) -> Tensor:
    """Backward of one arm on one batch; returns the loss against the unshifted target."""
    batch = prepared.batch
    arm.policy.zero_grad(set_to_none=True)
    prediction = arm.policy(batch.x, batch.t, batch.observation)
    residual = prediction - batch.target
    count = batch.mask.sum() * batch.x.shape[1]
    error = residual
    if arm.guidance is not None and meter is not None:
        raw, shift = shifts.of(arm.guidance, prediction.detach(), prepared)
        error = residual + shift
        meter.add(batch.t, shift, residual.detach(), arm.guidance.clamped(raw), batch.mask)
    ((error.square() * batch.mask).sum() / count).backward()
    return (residual.detach().square() * batch.mask).sum() / count


def _optimizer(policy: Policy, budget: Budget) -> AdamW:
    return AdamW(policy.parameters(), lr=budget.learning_rate, weight_decay=budget.weight_decay, fused=True)


def _scheduler(optimizer: AdamW, budget: Budget) -> LambdaLR:
    if budget.schedule == "constant":
        return LambdaLR(optimizer, lambda _: 1.0)
    return LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step / budget.steps, 1.0))))
