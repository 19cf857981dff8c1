"""EMA: an exponential moving average of a policy's weights, as diffusion policies are evaluated with.

    avg ← β·avg + (1 − β)·weights,    β = min(decay, (1 + n)/(10 + n)) after n updates

The ramp is that of diffusers' `EMAModel`; the first update copies the weights. Torch's `AveragedModel` has no ramp, and
reads its counter back from the device.
"""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


class EMA(Generic[Module]):
    """The average of a module's weights.

    Attributes:
        module: a copy of the module, with the averaged weights.
    """

    def __init__(self, module: Module, decay: float) -> None:
        """Of a module that trains, with a decay in (0, 1)."""
        self.module: Module = copy.deepcopy(module).requires_grad_(False)
        self._decay, self._updates = decay, 0

    @torch.no_grad()
    def update(self, module: Module) -> None:
        """Take the module's weights in."""
        beta = min(self._decay, (1 + self._updates) / (10 + self._updates)) if self._updates else 0.0
        torch._foreach_lerp_(list(self.module.parameters()), list(module.parameters()), 1.0 - beta)
        self._updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and number of updates."""
        return {"weights": self.module.state_dict(), "updates": self._updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state back."""
        self.module.load_state_dict(state_dict["weights"])
        self._updates = int(state_dict["updates"])
