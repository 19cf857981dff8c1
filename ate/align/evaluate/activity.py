"""Is the latent alive, and is its aggregated posterior where the prior is?

Source: active units of Burda et al., arXiv 1509.00519; moments by the law of total variance, as in `priors`.
"""

import numpy as np
import torch

from ate.align.alignment import Alignment
from ate.align.divergences import kl
from ate.align.latents import Latents
from ate.align.priors import Gaussian
from ate.align.trainer import ACTIVE_VARIANCE


def active_units(means: np.ndarray) -> int:
    """Latent dimensions whose posterior mean (N, d) varies between chunks by a variance above 0.01."""
    return int((means.var(0) > ACTIVE_VARIANCE).sum())


def spread_ratio(pretrain: np.ndarray, adapt: np.ndarray) -> float:
    """Total variance of adaptation means over that of pre-training means."""
    return float(adapt.var(0).sum() / max(pretrain.var(0).sum(), np.finfo(np.float32).tiny))


def latent_moments(latents: Latents) -> Gaussian:
    """The Gaussian with the moments of the aggregated posterior of these chunks."""
    mean, std = (torch.from_numpy(x).double() for x in (latents.mean, latents.std))
    variance = std.square().mean(0) + mean.var(0, correction=0)
    return Gaussian(mean.mean(0), variance.sqrt())


def kl_per_dimension(alignment: Alignment, latents: Latents) -> np.ndarray:
    """KL(q_ψ(z|a) ‖ prior) of each dimension, mean over chunks, (d,), in nats; of a mixture, its moments."""
    prior = alignment.prior.moments.to("cpu")
    return kl(torch.from_numpy(latents.mean), torch.from_numpy(latents.std), prior.mean, prior.std).mean(0).numpy()


def gap(posterior: Gaussian, prior: Gaussian) -> dict[str, np.ndarray]:
    """Distances of two diagonal Gaussians per dimension, each (d,).

    `mean`: difference of means in standard deviations of the prior; `variance`: ratio of variances; `kl`:
    KL(posterior ‖ prior) in nats.
    """
    mean, std = prior.mean.double(), prior.std.double()
    return {
        "mean": ((posterior.mean - mean) / std).numpy(),
        "variance": (posterior.std / std).square().numpy(),
        "kl": kl(posterior.mean, posterior.std, mean, std).numpy(),
    }
