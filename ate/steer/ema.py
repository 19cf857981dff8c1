"""EMA: an exponential moving average of a policy's weights, as diffusion policies are evaluated with.

    avg ← β·avg + (1 − β)·weights,    β = min(decay, (1 + n)/(10 + n)) after n updates

The ramp is that of diffusers' `EMAModel`; the first update copies the weights.
"""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel


def ema(module: nn.Module, decay: float) -> AveragedModel:
    """The average of the weights of a module that trains, with a decay in (0, 1); its own `module` holds it."""

    def update(average: PARAM_LIST, weights: PARAM_LIST, updates: Tensor | int) -> None:
        beta = min(decay, (1 + int(updates)) / (10 + int(updates)))
        torch._foreach_lerp_(average, weights, 1.0 - beta)

    return AveragedModel(module, multi_avg_fn=update).requires_grad_(False)
