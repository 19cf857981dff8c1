"""Trainer: one method in training, with its optimiser, schedule, meter and averaged weights."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from ate.runs.distributed import all_rows, average, processes
from ate.runs.loop import Stateful
from ate.runs.working_copy import WorkingCopy
from ate.steer.guidance import Guidance
from ate.steer.guided_rows import GuidedRows
from ate.steer.meter import GuidanceMeter
from ate.steer.optim_config import OptimConfig
from ate.steer.replay import Replay
from ate.steer.shifted_target import Prepared, ShiftedTargets, at_estimate

if TYPE_CHECKING:
    from ate.policies.policy import Policy


@dataclass(frozen=True, eq=False)
class GuidedPolicy:
    """A policy to start from, the guidance it gets (None: plain training), and the episodes it is trained on besides.

    Attributes:
        policy: where training starts.
        guidance: latent guidance, or None.
        replay: of the pre-training robots: a share of each batch, or under guidance at pre-training observations the
            rows where that acts.
    """

    policy: "Policy"
    guidance: Guidance | None = None
    replay: Replay | None = None

    @property
    def at_pretraining(self) -> bool:
        """Whether its guidance acts at observations of the pre-training robots."""
        return self.guidance is not None and self.guidance.config.at_pretraining


class BaseTrainer(ABC):
    """A module in training: its optimiser, schedule, averaged weights and meter."""

    def __init__(self, name: str, module: nn.Module, optim: OptimConfig, meter: GuidanceMeter | None) -> None:
        """Of a module on its device; the name sets its state apart from that of others."""
        self._name, self._module, self._optim, self._meter = name, module, optim, meter
        # AdamW works element by element: parameters of several methods may be stacked.
        self._optimizer = AdamW(
            module.parameters(), lr=optim.learning_rate, weight_decay=optim.weight_decay, fused=True
        )  # fmt: skip
        self._schedule = LambdaLR(self._optimizer, optim.learning_rate_factor)
        self._average = WeightAverage(module, optim.ema) if optim.ema else None
        self._working = WorkingCopy(module) if optim.precision == "bfloat16_copy" else None

    def _optimise(self, batches: Sequence[Prepared]) -> Tensor:
        """One optimisation step on the mean over batches; returns what `_backward` does, their mean."""
        self._module.zero_grad(set_to_none=True)
        if self._working is not None:
            self._working.take_weights()
        losses = []
        for prepared in batches:
            losses.append(self._backward(prepared, len(batches)))
            if self._working is not None:
                self._working.give_gradients()
        average(self._module.parameters())
        if math.isfinite(self._optim.max_grad_norm):
            self._clip()
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._module)
        return torch.stack(losses).mean(0)

    @abstractmethod
    def _backward(self, prepared: Prepared, batches: int) -> Tensor:
        """Add one batch's share to the gradient; the loss against the unshifted target, of each method."""

    @abstractmethod
    def _clip(self) -> None:
        """Bound the norm of each method's gradient."""

    @property
    def _computing(self) -> nn.Module:
        """What predicts in a step: the module, or its copy in bf16."""
        return self._module if self._working is None else self._working.network

    @property
    def _result(self) -> nn.Module:
        """The module: with averaged weights where they are averaged."""
        return self._module if self._average is None else self._average.module

    def state(self) -> dict[str, Stateful]:
        """All that a step changes, by name."""
        parts: dict[str, Stateful | None] = {
            "policy": self._module, "optimizer": self._optimizer, "schedule": self._schedule, "meter": self._meter,
            "ema": self._average,
        }  # fmt: skip
        return {f"{self._name}/{part}": item for part, item in parts.items() if item is not None}


class Trainer(BaseTrainer):
    """Trains one method in place, on its process's rows of each batch."""

    def __init__(
        self, name: str, method: GuidedPolicy, optim: OptimConfig, shifted: ShiftedTargets, device: torch.device
    ) -> None:
        """A method by name; policy and guidance are on the device, and `shifted` knows the guidance."""
        super().__init__(name, method.policy, optim, None if method.guidance is None else GuidanceMeter(device))
        self._policy, self._guidance, self._shifted = method.policy, method.guidance, shifted

    def step(self, batches: Sequence[Prepared]) -> dict[str, Tensor]:
        """One optimisation step on the mean over batches; returns the loss against the unshifted target."""
        return {self._name: self._optimise(batches)}

    def _backward(self, prepared: Prepared, batches: int) -> Tensor:
        batch = prepared.batch
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self._optim.precision == "bfloat16"):
            prediction = self._computing(batch.x, batch.t, batch.observation).to(batch.x.dtype)
        residual = prediction - batch.target
        error, plain = residual, residual.detach()
        if self._guidance is not None and self._meter is not None and not self._guidance.config.at_pretraining:
            kg = self._shifted.raw(self._guidance, prediction.detach()[None], prepared)[0]
            shift = self._guidance.scale(kg, prepared.alpha)
            error = residual + shift
            clamped = self._guidance.clamped(kg).to(shift.dtype)
            self._meter.add(*(all_rows(part) for part in (batch.t, shift, plain, clamped, batch.mask)))
        # Each process has its rows' part of the sum, and gradients are averaged over processes.
        ((error.square() * batch.mask).sum() / batch.count * (processes() / batches)).backward()
        at_pretraining = self._guidance is not None and self._guidance.config.at_pretraining
        if at_pretraining and self._guidance is not None and self._meter is not None and prepared.guided is not None:
            pull = self._pull(self._guidance, self._meter, prepared.guided)
            (pull * (processes() / batches)).backward()
        return (all_rows(plain).square() * all_rows(batch.mask)).sum() / batch.count

    def _pull(self, guidance: Guidance, meter: GuidanceMeter, rows: GuidedRows) -> Tensor:
        """A number, 0-d, with the gradient of λ·‖E_ψ(â0) − E_φ(a_pre)‖² over all numbers of the rows.

        The meter compares the shift with what is missing to the retargeted chunk, which the loss does not know.
        """
        path = self._policy.path
        x, t = rows.denoised(self._policy)
        alpha, sigma = path.alpha_sigma(t)
        prediction = self._policy(x, t, rows.observation)
        known = prediction.detach()
        kg = at_estimate(path.parameterization, x, known, alpha, sigma, partial(_to_goals, guidance, rows))
        shift = guidance.scale(kg, alpha)
        noise = (x - alpha[:, None, None] * rows.a0) / sigma[:, None, None]
        residual = known - path.target(rows.a0, noise, t)
        clamped = guidance.clamped(kg).to(shift.dtype)
        meter.add(*(all_rows(part) for part in (t, shift, residual, clamped, rows.mask)))
        return ((prediction - known + shift).square() * rows.mask).sum() / rows.count

    def _clip(self) -> None:
        clip_grad_norm_(self._policy.parameters(), self._optim.max_grad_norm)

    def policies(self) -> dict[str, "Policy"]:
        """The policy by name: with averaged weights where they are averaged."""
        return {self._name: cast("Policy", self._result)}

    def meters(self) -> dict[str, list[dict[str, float]]]:
        """Rows of the meter by name, none without guidance."""
        return {self._name: self._meter.rows() if self._meter is not None else []}


def _to_goals(guidance: Guidance, rows: GuidedRows, place: Tensor) -> Tensor:
    """g `(B, S, D)` at a place, towards the latents of what the pre-training robots did."""
    g = guidance.gradient(place, place, target=guidance.goal(rows.chunk_index))
    return g * (len(place) / rows.size) if guidance.config.reduction == "mean" else g


class WeightAverage(AveragedModel):
    """The average of a module's weights, in its own `module`: avg ← β·avg + (1 − β)·weights, the first update a copy.

    β = min(decay, (1 + n)/(10 + n)) after n updates, with a decay in (0, 1): the ramp of diffusers' `EMAModel`.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        """Of a module on its device; the number of updates stays on the host."""
        super().__init__(module)
        self._decay = decay
        self.requires_grad_(False)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the present weights into the average, without waiting for the device as torch's own does."""
        updates, average = int(self.n_averaged), [weight.detach() for weight in self.module.parameters()]
        weights = [weight.detach() for weight in model.parameters()]
        if updates == 0:
            torch._foreach_copy_(average, weights)
        else:
            torch._foreach_lerp_(average, weights, 1.0 - min(self._decay, (1 + updates) / (10 + updates)))
        for own, other in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(other)
        self.n_averaged += 1
