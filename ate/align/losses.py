"""The loss of both stages on one batch of chunks.

    stage 1:  reference N(0, I):   KL(q_φ(z|a) ‖ N(0, I))                    MMD(q_φ(z), N(0, I))
    stage 2:  reference q_φ(z):    KL(q_ψ(z|a) ‖ q_φ(z)), or its reverse     MMD(q_ψ(z), q_φ(z)), or N(0, I)

Source: Align-Then-stEer, arXiv 2509.02055, and its released code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ate.align.config import AlignConfig
from ate.align.divergences import kl, mmd
from ate.align.priors import Gaussian
from ate.align.vae import InfoVAE, Posterior


@dataclass(frozen=True)
class Target:
    """What the posterior of a stage is pulled to.

    Args:
        prior: reference of the KL.
        reference: reference of the MMD.
        forward: take KL(prior ‖ q) instead of KL(q ‖ prior).
    """

    prior: Gaussian
    reference: Gaussian
    forward: bool = False

    def kl(self, posterior: Posterior) -> Tensor:
        """KL per chunk and dimension, (B, d), in nats."""
        if self.forward:
            return kl(self.prior.mean, self.prior.std, posterior.mean, posterior.std)
        return kl(posterior.mean, posterior.std, self.prior.mean, self.prior.std)


def reconstruction(x: Tensor, decoded: Tensor, mask: Tensor) -> Tensor:
    """Mean SmoothL1 over the slots each robot has: chunks (B, S, D), mask (B, 1, D) -> scalar."""
    error = functional.smooth_l1_loss(decoded, x, reduction="none")
    valid = mask.expand_as(x)
    return torch.where(valid, error, 0.0).sum() / valid.sum()


def losses(
    vae: InfoVAE, x: Tensor, mask: Tensor, target: Target, noise: Tensor, reference_noise: Tensor, config: AlignConfig
) -> dict[str, Tensor]:
    """The terms and their weighted sum `loss` for chunks x (B, S, D); all 0-d, without any wait for the device.

    Args:
        vae: the network of this stage.
        x: normalised unified chunks, zeros in slots that a robot does not have.
        mask: (B, 1, D), True in the slots each robot has.
        target: what to pull towards.
        noise: standard normal (B, d) for z.
        reference_noise: standard normal (B, d) for the samples of the MMD's reference.
        config: weights and kernel.
    """
    decoded, posterior, z = vae(x, noise)
    terms = {
        "reconstruction": reconstruction(x, decoded, mask),
        "kl": target.kl(posterior).mean(),
        "mmd": mmd(z, target.reference.sample(reference_noise), config.mmd_kernel, scale=target.reference.std),
    }
    total = (
        config.reconstruction_weight * terms["reconstruction"]
        + config.kl_weight * terms["kl"]
        + config.mmd_weight * terms["mmd"]
    )
    return {"loss": total, **terms}
