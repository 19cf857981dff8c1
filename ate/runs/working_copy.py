"""Working copy: a bfloat16 copy of a float32 network that computes, while the network keeps weights and gradients.

Under autocast each layer of a step casts its inputs, its weights and their gradients. Here all weights are rounded at
once, gradients are widened at once, and what goes from layer to layer stays in bfloat16. Optimiser, averages and
checkpoints see the float32 network alone.
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


class WorkingCopy(Generic[Net]):
    """The copy of a network; buffers keep their types.

    Attributes:
        network: what computes; its inputs are to be in bfloat16.
    """

    def __init__(self, of: Net) -> None:
        """Of a network on its device; the copy is in training mode."""
        self.network = copy.deepcopy(of).train()
        self._own, self._of = list(self.network.parameters()), list(of.parameters())
        for parameter in self._own:
            parameter.data = parameter.data.to(torch.bfloat16)

    @torch.no_grad()
    def take_weights(self) -> None:
        """Round the network's weights into the copy."""
        torch._foreach_copy_(self._own, self._of)

    @torch.no_grad()
    def give_gradients(self) -> None:
        """Add the copy's gradients to the network's, and forget them here."""
        first, more = [], []
        for own, of in zip(self._own, self._of, strict=True):
            if own.grad is None:
                continue
            if of.grad is None:
                of.grad = torch.empty_like(of)
                first.append((of.grad, own.grad))
            else:
                more.append((of.grad, own.grad))
            own.grad = None
        if first:
            torch._foreach_copy_(*map(list, zip(*first, strict=True)))
        if more:
            torch._foreach_add_(*map(list, zip(*more, strict=True)))
