"""BatchedTrainer: many methods of one network as one batched model, weights stacked along a leading dimension.

    weights (A, …),    prediction (A, B, S, D),    loss = Σ over methods of each method's own loss

No term couples two methods and AdamW works element by element, so each method trains as it would alone, up to the
rounding of a batched matrix product. On a GPU a step of A small networks takes hardly more kernels than a step of one;
on a CPU there is next to nothing to win, see `benchmarks/ensemble.py`.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ate.runs.distributed import all_rows, processes
from ate.steer.guidance import Guidance
from ate.steer.meter import GuidanceMeter
from ate.steer.optim_config import OptimConfig
from ate.steer.shifted_target import Key, Prepared, ShiftedTargets
from ate.steer.trainer import BaseTrainer, GuidedPolicy

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


class BatchedTrainer(BaseTrainer):
    """Trains methods of one network together; the counterpart of one `Trainer` a method."""

    def __init__(
        self, methods: Mapping[str, GuidedPolicy], optim: OptimConfig, shifted: ShiftedTargets, device: torch.device
    ) -> None:
        """Methods by name; their policies receive their weights back when they are asked for."""
        self._policies = [method.policy for method in methods.values()]
        self._stack = Stack(self._policies)
        meter = GuidanceMeter(device, methods=len(methods))
        super().__init__("batched", self._stack, optim, meter)
        self._methods, self._shifted, self._meters = dict(methods), shifted, meter
        # What is computed; its own weights are never used.
        self._network = copy.deepcopy(self._policies[0])

    def step(self, batches: Sequence[Prepared]) -> dict[str, Tensor]:
        """One optimisation step of every method; returns each one's loss against the unshifted target."""
        return dict(zip(self._methods, self._optimise(batches).unbind(), strict=True))

    def _backward(self, prepared: Prepared, batches: int) -> Tensor:
        batch = prepared.batch
        inputs = (batch.x, batch.t, batch.observation)
        stack = cast(Stack, self._computing)
        with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=self._optim.precision == "bfloat16"):
            predictions = vmap(lambda weights: functional_call(self._network, weights, inputs))(stack.by_name()).to(
                batch.x.dtype
            )
        residual = predictions - batch.target
        plain = residual.detach()
        shift, clamped = self._shift(predictions.detach(), prepared)
        self._meters.add(
            all_rows(batch.t), _all_rows(shift), _all_rows(plain), _all_rows(clamped), all_rows(batch.mask)
        )
        error = ((residual + shift).square() * batch.mask).sum((1, 2, 3)) / batch.count
        (error.sum() * (processes() / batches)).backward()
        return (_all_rows(plain).square() * all_rows(batch.mask)).sum((1, 2, 3)) / batch.count

    def _shift(self, predictions: Tensor, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """Every method's shift, and where its clamp decides, each `(A, B, S, D)`; zeros without guidance."""
        shift, clamped = torch.zeros_like(predictions), torch.zeros_like(predictions)
        sharing: dict[Key, dict[int, Guidance]] = {}
        for index, method in enumerate(self._methods.values()):
            if method.guidance is not None:
                sharing.setdefault(method.guidance.gradient_key, {})[index] = method.guidance
        for guidances in sharing.values():
            # One encoder call for all methods that share g, also where each has its own estimate.
            raw = self._shifted.raw(
                next(iter(guidances.values())), torch.stack([predictions[i] for i in guidances]), prepared
            )
            for (index, guidance), kg in zip(guidances.items(), raw, strict=True):
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

    def policies(self) -> dict[str, "Policy"]:
        """The policies by name: with averaged weights where they are averaged."""
        cast(Stack, self._result).write(self._policies)
        return dict(zip(self._methods, self._policies, strict=True))

    def meters(self) -> dict[str, list[dict[str, float]]]:
        """Rows of each method's meter by name, none without guidance."""
        return {
            name: self._meters.of(index).rows() if method.guidance is not None else []
            for index, (name, method) in enumerate(self._methods.items())
        }


def _all_rows(part: Tensor) -> Tensor:
    """The rows of all processes, of `(A, B, …)`."""
    return part if processes() == 1 else all_rows(part.transpose(0, 1)).transpose(0, 1)
