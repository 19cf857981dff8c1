"""BatchedTrainer: many methods of one network as one batched model, weights stacked along a leading dimension.

    weights (A, …),    prediction (A, B, S, D),    loss = Σ over methods of each method's own loss

No term couples two methods and AdamW works element by element, so each method trains as it would alone, up to the
rounding of a batched matrix product. On a GPU a step of A small networks then costs little more than a step of one; on
a CPU there is next to nothing to win, see `benchmarks/ensemble.py`.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim.lr_scheduler import LambdaLR

from ate.runs.distributed import average, processes, whole
from ate.runs.loop import Stateful
from ate.steer.ema import EMA
from ate.steer.meter import GuidanceMeter
from ate.steer.optim_config import OptimConfig
from ate.steer.shifted_target import Key, Prepared, Shifts
from ate.steer.trainer import GuidedPolicy, optimizer

if TYPE_CHECKING:
    from ate.policies.policy import Policy


class Stack(nn.Module):
    """The parameters of several modules of one shape, each `(A, …)`."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        """Copies of the parameters; a name's dots become slashes, as a module's own names may have none."""
        super().__init__()
        for name, parameter in modules[0].named_parameters():
            stacked = torch.stack([dict(module.named_parameters())[name].detach() for module in modules])
            self.register_parameter(name.replace(".", "/"), nn.Parameter(stacked, parameter.requires_grad))

    def by_name(self) -> dict[str, Tensor]:
        """Stacked parameters under the modules' own names."""
        return {name.replace("/", "."): parameter for name, parameter in self.named_parameters()}

    @torch.no_grad()
    def write(self, modules: Sequence[nn.Module]) -> None:
        """Copy each module's slice into it."""
        for index, module in enumerate(modules):
            for name, stacked in self.by_name().items():
                module.get_parameter(name).copy_(stacked[index])


class BatchedTrainer:
    """Trains methods of one network together; the counterpart of one `Trainer` a method."""

    def __init__(
        self, methods: Mapping[str, GuidedPolicy], optim: OptimConfig, shifts: Shifts, device: torch.device
    ) -> None:
        """Methods by name; their policies receive their weights back when they are asked for."""
        self._methods, self._optim, self._shifts = dict(methods), optim, shifts
        self._policies = [method.policy for method in methods.values()]
        self._stack = Stack(self._policies)
        # What is computed; its own weights are never used.
        self._network = copy.deepcopy(self._policies[0])
        self._optimizer = optimizer(self._stack.parameters(), optim)
        self._schedule = LambdaLR(self._optimizer, optim.learning_rate_factor)
        self._meter = GuidanceMeter(device, methods=len(methods))
        self._average = EMA(self._stack, optim.ema) if optim.ema else None

    def step(self, batches: Sequence[Prepared]) -> dict[str, Tensor]:
        """One optimisation step of every method; returns each one's loss against the unshifted target."""
        self._stack.zero_grad(set_to_none=True)
        losses = [self._backward(prepared, len(batches)) for prepared in batches]
        average(self._stack.parameters())
        if math.isfinite(self._optim.max_grad_norm):
            self._clip()
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update(self._stack)
        return dict(zip(self._methods, torch.stack(losses).mean(0).unbind(), strict=True))

    def _backward(self, prepared: Prepared, batches: int) -> Tensor:
        """Add one batch's share to the gradients; every method's loss against the unshifted target, `(A,)`."""
        batch = prepared.batch

        def predict(weights: dict[str, Tensor]) -> Tensor:
            inputs = (batch.x, batch.t, batch.observation)
            prediction: Tensor = functional_call(self._network, weights, inputs)
            return prediction

        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self._optim.precision == "bfloat16"):
            predictions = vmap(predict)(self._stack.by_name()).to(batch.x.dtype)
        residual = predictions - batch.target
        plain = residual.detach()
        shift, clamped = self._shift(predictions.detach(), prepared)
        self._meter.add(whole(batch.t), _whole(shift), _whole(plain), _whole(clamped), whole(batch.mask))
        error = ((residual + shift).square() * batch.mask).sum((1, 2, 3)) / batch.count
        (error.sum() * (processes() / batches)).backward()
        return (_whole(plain).square() * whole(batch.mask)).sum((1, 2, 3)) / batch.count

    def _shift(self, predictions: Tensor, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """Every method's shift, and where its clamp decides, each `(A, B, S, D)`; zeros without guidance."""
        shift, clamped = torch.zeros_like(predictions), torch.zeros_like(predictions)
        guidances = [method.guidance for method in self._methods.values()]
        sharing: dict[Key, list[int]] = {}
        for index, guidance in enumerate(guidances):
            if guidance is not None:
                sharing.setdefault(guidance.stream, []).append(index)
        for indices in sharing.values():
            first = guidances[indices[0]]
            if first is None:
                continue
            # One encoder call for all methods that share their stream, also where each has its own estimate.
            raw = self._shifts.raw(first, predictions[indices], prepared)
            for index, kg in zip(indices, raw, strict=True):
                guidance = guidances[index]
                if guidance is not None:
                    shift[index] = guidance.scale(kg, prepared.alpha)
                    clamped[index] = guidance.clamped(kg)
        return shift, clamped

    def _clip(self) -> None:
        """Bound the norm of each method's gradient, as `clip_grad_norm_` does for one."""
        gradients = [parameter.grad for parameter in self._stack.parameters() if parameter.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        share = (self._optim.max_grad_norm / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(share.view(-1, *[1] * (gradient.ndim - 1)))

    def state(self) -> dict[str, Stateful]:
        """All that a step changes, by name."""
        parts: dict[str, Stateful | None] = {
            "policies": self._stack, "optimizer": self._optimizer, "schedule": self._schedule,
            "meter": self._meter, "ema": self._average,
        }  # fmt: skip
        return {f"ensemble/{part}": item for part, item in parts.items() if item is not None}

    def policies(self) -> dict[str, "Policy"]:
        """The policies by name: with averaged weights where they are averaged."""
        (self._stack if self._average is None else self._average.module).write(self._policies)
        return dict(zip(self._methods, self._policies, strict=True))

    def meters(self) -> dict[str, list[dict[str, float]]]:
        """Rows of each method's meter by name, none without guidance."""
        return {
            name: self._meter.of(index).rows() if method.guidance is not None else []
            for index, (name, method) in enumerate(self._methods.items())
        }


def _whole(part: Tensor) -> Tensor:
    """The rows of all processes, of `(A, B, …)`."""
    return part if processes() == 1 else whole(part.transpose(0, 1)).transpose(0, 1)
