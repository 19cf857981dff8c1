"""Trainer: one method in training, with its optimiser, schedule, meter and averaged weights."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ate.runs.distributed import average, processes, whole
from ate.runs.loop import Stateful
from ate.steer.ema import EMA
from ate.steer.guidance import Guidance
from ate.steer.meter import GuidanceMeter
from ate.steer.optim_config import OptimConfig
from ate.steer.shifted_target import Prepared, Shifts

if TYPE_CHECKING:
    from ate.policies.policy import Policy


@dataclass(frozen=True, eq=False)
class GuidedPolicy:
    """A policy to start from and the guidance it gets (None: plain training)."""

    policy: "Policy"
    guidance: Guidance | None = None


class Trainer:
    """Trains one method in place, on its process's rows of each batch."""

    def __init__(
        self, name: str, method: GuidedPolicy, optim: OptimConfig, shifts: Shifts, device: torch.device
    ) -> None:
        """A method by name; policy and guidance are on the device, and the shifts know the guidance."""
        self._name, self._method, self._optim, self._shifts = name, method, optim, shifts
        self._optimizer = optimizer(method.policy.parameters(), optim)
        self._schedule = LambdaLR(self._optimizer, optim.learning_rate_factor)
        self._meter = GuidanceMeter(device) if method.guidance is not None else None
        self._average = EMA(method.policy, optim.ema) if optim.ema else None

    def step(self, batches: Sequence[Prepared]) -> dict[str, Tensor]:
        """One optimisation step on the mean over batches; returns the loss against the unshifted target."""
        policy, optim = self._method.policy, self._optim
        policy.zero_grad(set_to_none=True)
        losses = [self._backward(prepared, len(batches)) for prepared in batches]
        average(policy.parameters())
        if math.isfinite(optim.max_grad_norm):
            clip_grad_norm_(policy.parameters(), optim.max_grad_norm)
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update(policy)
        return {self._name: torch.stack(losses).mean()}

    def _backward(self, prepared: Prepared, batches: int) -> Tensor:
        """Add one batch's share to the gradient; its loss against the unshifted target."""
        batch, method = prepared.batch, self._method
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self._optim.precision == "bfloat16"):
            prediction = method.policy(batch.x, batch.t, batch.observation).to(batch.x.dtype)
        residual = prediction - batch.target
        error, plain = residual, residual.detach()
        if method.guidance is not None and self._meter is not None:
            raw, shift = self._shifts.of(method.guidance, prediction.detach(), prepared)
            error = residual + shift
            clamped = method.guidance.clamped(raw).to(shift.dtype)
            self._meter.add(*(whole(part) for part in (batch.t, shift, plain, clamped, batch.mask)))
        # Each process has its rows' part of the sum, and gradients are averaged over processes.
        ((error.square() * batch.mask).sum() / batch.count * (processes() / batches)).backward()
        return (whole(plain).square() * whole(batch.mask)).sum() / batch.count

    def state(self) -> dict[str, Stateful]:
        """All that a step changes, by name."""
        parts: dict[str, Stateful | None] = {
            "policy": self._method.policy, "optimizer": self._optimizer, "schedule": self._schedule,
            "meter": self._meter, "ema": self._average,
        }  # fmt: skip
        return {f"{self._name}/{part}": item for part, item in parts.items() if item is not None}

    def policies(self) -> dict[str, "Policy"]:
        """The policy by name: with averaged weights where they are averaged."""
        return {self._name: self._method.policy if self._average is None else self._average.module}

    def meters(self) -> dict[str, list[dict[str, float]]]:
        """Rows of the meter by name, none without guidance."""
        return {self._name: self._meter.rows() if self._meter is not None else []}


def optimizer(parameters: Iterable[nn.Parameter], optim: OptimConfig) -> AdamW:
    """AdamW as the optim says; it works element by element, so parameters of several methods may be stacked."""
    return AdamW(parameters, lr=optim.learning_rate, weight_decay=optim.weight_decay, fused=True)
