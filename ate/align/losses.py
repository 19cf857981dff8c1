"""The loss of both stages on one batch of chunks.

    stage 1:  reference N(0, I):   KL(q_φ(z|a) ‖ N(0, I))                    MMD(q_φ(z), N(0, I))
    stage 2:  reference q_φ(z):    KL(q_ψ(z|a) ‖ q_φ(z)), or its reverse     MMD(q_ψ(z), q_φ(z)), or N(0, I)

Source: Align-Then-stEer, arXiv 2509.02055, and its released code.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ate.align.anchors import pull
from ate.align.config import AlignConfig
from ate.align.divergences import kl, mmd
from ate.align.mixture import Mixture, Prior
from ate.align.vae import Network, Posterior


@dataclass(frozen=True)
class Target:
    """References of a stage: what its posterior is pulled to.

    Args:
        prior: reference of the KL.
        reference: reference of the MMD.
        forward: take KL(prior ‖ q) instead of KL(q ‖ prior).
        occupied: sample the MMD's reference modes in the shares that the batch has in them.
    """

    prior: Prior
    reference: Prior
    forward: bool = False
    occupied: bool = False

    def kl(self, posterior: Posterior, z: Tensor | None = None) -> Tensor:
        """KL per chunk, in nats a dimension: (B, d), or (B, 1) where a mixture does not split into dimensions.

        With samples z (B, d) of the posterior the reverse KL to a mixture is unbiased; without, an upper bound.
        """
        if isinstance(self.prior, Mixture):
            width = posterior.mean.shape[1]
            return self.prior.forward_kl(posterior) if self.forward else self.prior.kl(posterior, z)[:, None] / width
        if self.forward:
            return kl(self.prior.mean, self.prior.std, posterior.mean, posterior.std)
        return kl(posterior.mean, posterior.std, self.prior.mean, self.prior.std)

    def sample(self, noise: Tensor, posterior: Posterior) -> Tensor:
        """Samples (n, d) of the MMD's reference from standard normal noise (n, reference.noise_width)."""
        if self.occupied and isinstance(self.reference, Mixture):
            # Detach the shares: otherwise the loss would reward moving chunks to broader modes.
            shares = self.reference.responsibilities(posterior).mean(0).detach()
            return replace(self.reference, weights=shares, scores={}).sample(noise)
        return self.reference.sample(noise)


def reconstruction(x: Tensor, decoded: Tensor, mask: Tensor) -> Tensor:
    """Mean SmoothL1 over the slots each robot has: chunks (B, S, D), mask (B, 1, D) -> scalar."""
    error = functional.smooth_l1_loss(decoded, x, reduction="none")
    valid = mask.expand_as(x)
    return torch.where(valid, error, 0.0).sum() / valid.sum()


def losses(
    vae: Network,
    x: Tensor,
    mask: Tensor,
    target: Target,
    noise: Tensor,
    reference_noise: Tensor,
    config: AlignConfig,
    anchors: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms and their weighted sum `loss` for chunks x (B, S, D); all 0-d; never waits for the device.

    Args:
        vae: the forward pass of this stage's network.
        x: normalised unified chunks, zeros in slots that a robot does not have.
        mask: (B, 1, D), True in the slots each robot has.
        target: references of KL and MMD.
        noise: standard normal (B, d) for z.
        reference_noise: standard normal (B, target.reference.noise_width) for the samples of the MMD's reference.
        config: weights and kernel.
        anchors: latents (B, k, d) of pre-training chunks with each chunk's tool motion, to pull its mean to; or None.
    """
    decoded, posterior, z = vae(x, noise)
    reference = target.sample(reference_noise, posterior)
    terms = {
        "reconstruction": reconstruction(x, decoded, mask),
        "kl": target.kl(posterior, z).mean(),
        "mmd": mmd(z, reference, config.mmd_kernel, scale=target.reference.moments.std),
    }
    if anchors is not None:
        terms["anchor"] = pull(posterior.mean, anchors, target.prior.moments.std)
    total: Any = sum(getattr(config, f"{name}_weight") * term for name, term in terms.items())
    return {"loss": total, **terms}
