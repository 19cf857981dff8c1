"""Working copy: a bfloat16 copy of a float32 network that computes, while the network keeps weights and gradients.

Under autocast each layer of a step casts its inputs, its weights and their gradients. Here all weights are rounded at
once, gradients are widened at once, and what goes from layer to layer stays in bfloat16. Optimiser, averages and
checkpoints see the float32 network alone.
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


class WorkingCopy(Generic[Net]):
    """The copy of a network; buffers keep their types.

    Attributes:
        network: what computes; its inputs are to be in bfloat16.
    """

    def __init__(self, of: Net) -> None:
        """Of a network on its device; the copy is in training mode."""
        self.network = copy.deepcopy(of).train()
        self._own: list[Tensor] = list(self.network.parameters())
        self._of: list[Tensor] = list(of.parameters())
        for parameter in self._own:
            parameter.data = parameter.data.to(torch.bfloat16)

    @torch.no_grad()
    def take_weights(self) -> None:
        """Round the network's weights into the copy."""
        torch._foreach_copy_(self._own, self._of)

    @torch.no_grad()
    def give_gradients(self) -> None:
        """Add the copy's gradients to the network's, and forget them here."""
        new: tuple[list[Tensor], list[Tensor]] = [], []
        more: tuple[list[Tensor], list[Tensor]] = [], []
        for own, of in zip(self._own, self._of, strict=True):
            if own.grad is None:
                continue
            known = more if of.grad is not None else new
            if of.grad is None:
                of.grad = torch.empty_like(of)
            known[0].append(of.grad)
            known[1].append(own.grad)
            own.grad = None
        if new[0]:
            torch._foreach_copy_(*new)
        if more[0]:
            torch._foreach_add_(*more)
