"""How a network runs while it trains: in which precision, compiled or not, on all rows of a batch or on a share.

None of it changes what is computed but for rounding, and all of it is told by options, not by another network.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ate.align.config import AlignConfig
from ate.align.vae import InfoVAE, Posterior
from ate.runs.distributed import mine, processes, whole

# Chunks (B, S, D) and noise (B, d) -> reconstruction, posterior, sampled z.
Network = Callable[[Tensor, Tensor], tuple[Tensor, Posterior, Tensor]]


def network(vae: InfoVAE, config: AlignConfig) -> Network:
    """The forward pass of `vae` as the configuration wants it run; float32 comes out, whatever was computed in.

    With float32, no compilation and one process this is `vae` itself, bit for bit. Losses are left outside, so that
    divergences are never taken in half precision.
    """
    run: Network = vae if config.compile == "none" else torch.compile(vae, backend=config.compile)
    reduced = half(config.precision, vae.device)
    if not reduced and processes() == 1:
        return run

    def forward(x: Tensor, noise: Tensor) -> tuple[Tensor, Posterior, Tensor]:
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=reduced):
            decoded, posterior, z = run(mine(x), mine(noise))
        # x's type is what the network has; under autocast its outputs may have another one.
        mean, std = whole(posterior.mean.to(x.dtype)), whole(posterior.std.to(x.dtype))
        return whole(decoded.to(x.dtype)), Posterior(mean, std), whole(z.to(x.dtype))

    return forward


def half(precision: str, device: torch.device) -> bool:
    """Whether to multiply in bfloat16: `auto` does where a GPU has it, since on CPUs it is no faster."""
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"
