"""Mixture prior: the aggregated posterior of stage 1 with its modes.

    p(z) = Σ_k w_k N(z; m_k, diag s_k²)

The paper aligns to one Gaussian, which has one mode; "embedding into modes" needs as many components as
pre-training has. KL(q ‖ p) to a mixture has no closed form. With ρ_k ∝ w_k exp(−KL(q ‖ N_k)) and r_k(z) the posterior
probability of component k at z, log p(z) = log w_k N_k(z) − log r_k(z) for *every* k, hence exactly

    KL(q ‖ p) = Σ_k ρ_k [KL(q ‖ N_k) + log(ρ_k / w_k)] − E_q[KL(ρ ‖ r(z))]

The sum is in closed form, the variational upper bound of Hershey & Olsen (ICASSP 2007). Only its excess over the exact
value is estimated by Monte Carlo, with the reparameterised z of the reconstruction and its mirror image 2μ − z. With
one component, and with components far apart, the excess is 0 and so is the variance. ρ is held constant under
differentiation: the identity holds for any constant ρ, so the gradient is still unbiased.

The other direction needs no sampling. log q is quadratic in z, so E_p[log q] depends only on the first two moments of
p, and

    KL(p ‖ q) = KL(N(E z, Var z) ‖ q) + H(N(E z, Var z)) − H(p)

The last two terms are constants: with the forward KL a mixture has the same gradient as its Gaussian.

Source: the role of the prior is that of Align-Then-stEer, arXiv 2509.02055; the mixture is an addition to it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ate.align.divergences import kl
from ate.align.priors import Gaussian
from ate.align.vae import Posterior
from ate.errors import InputError

# Samples a component for the entropy of a mixture, a constant of the forward KL.
ENTROPY_SAMPLES = 1024


@dataclass(frozen=True, eq=False)
class Mixture:
    """Σ_k w_k N(m_k, diag s_k²) over the latent.

    Args:
        weights: (K,), positive, summing to 1.
        mean: (K, d).
        std: (K, d), above 0.
        scores: held-out log-likelihood in nats a chunk by number of components, if the number was chosen by it.

    Raises:
        InputError: shapes that do not fit, or weights that are no distribution.
    """

    weights: Tensor
    mean: Tensor
    std: Tensor
    scores: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mean.dim() != 2 or self.std.shape != self.mean.shape or self.weights.shape != self.mean.shape[:1]:
            shapes = ", ".join(str(tuple(x.shape)) for x in (self.weights, self.mean, self.std))
            raise InputError(
                f"weights, mean and std of shape {shapes}",
                where="Mixture",
                expected="(K,), (K, d) and (K, d)",
                fix="give one weight, mean and standard deviation a component",
            )

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def noise_width(self) -> int:
        """Columns of noise that `sample` takes: d, and one that selects the component."""
        return self.mean.shape[1] + 1

    def sample(self, noise: Tensor) -> Tensor:
        """Samples (n, d) from standard normal noise (n, d + 1); the quantile of the last column selects the mode."""
        edges = self.weights.cumsum(0)[:-1].contiguous()
        component = torch.searchsorted(edges, torch.special.ndtr(noise[:, -1]).contiguous())
        return self.mean[component] + self.std[component] * noise[:, :-1]

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), in nats: (n, d) -> (n,)."""
        return self._log_joint(z).logsumexp(1)

    def log_responsibilities(self, z: Tensor | Posterior) -> Tensor:
        """log P(k | z) of points (n, d), or log ρ_k of posteriors (see above), (n, K)."""
        joint = self._log_joint(z) if isinstance(z, Tensor) else self.weights.log() - self._each(z).sum(-1)
        return joint.log_softmax(1)

    def responsibilities(self, z: Tensor | Posterior) -> Tensor:
        """Share that each component has in each point or posterior, rows summing to 1, (n, K)."""
        return self.log_responsibilities(z).exp()

    def kl(self, posterior: Posterior, z: Tensor | None = None) -> Tensor:
        """KL(q ‖ p) of each chunk, in nats, (B,).

        Args:
            posterior: q of B chunks.
            z: samples of q, μ + σ·ε, (B, d), differentiable: the unbiased estimate. None: the upper bound in closed
                form.
        """
        each = self._each(posterior).sum(-1)
        log_rho = (self.weights.log() - each).log_softmax(1).detach()
        rho = log_rho.exp()
        bound = (rho * (each - self.weights.log() + log_rho)).sum(1)
        if z is None:
            return bound
        pair = torch.cat([z, 2.0 * posterior.mean - z])
        excess = (rho * (log_rho - self.log_responsibilities(pair).unflatten(0, (2, -1)))).sum(-1)
        return bound - excess.mean(0)

    def forward_kl(self, posterior: Posterior) -> Tensor:
        """KL(p ‖ q) of each chunk and dimension, in nats, (B, d); the constant is divided evenly among dimensions."""
        constant = self.negentropy / self.mean.shape[1]
        return kl(self.moments.mean, self.moments.std, posterior.mean, posterior.std) + constant

    def to(self, device: torch.device | str) -> "Mixture":
        """The same prior on another device."""
        return Mixture(self.weights.to(device), self.mean.to(device), self.std.to(device), self.scores)

    def to_tree(self) -> dict[str, Any]:
        """Tensors and plain values, for a checkpoint."""
        return {"weights": self.weights, "mean": self.mean, "std": self.std, "scores": dict(self.scores)}

    @cached_property
    def negentropy(self) -> Tensor:
        """Entropy of the Gaussian of equal moments minus that of the mixture, in nats, 0-d; by fixed samples.

        H(p) = Σ_k w_k H(N_k) + H(w) − E_p[H(r(z))]: the last term by samples, equally many of each component, the
        others in closed form.
        """
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(ENTROPY_SAMPLES, self.mean.shape[1], generator=generator).to(self.mean)
        ambiguity = []
        for mean, std in zip(self.mean, self.std, strict=True):
            log_r = self.log_responsibilities(mean + std * noise)
            ambiguity.append(-(log_r.exp() * log_r).sum(1).mean())
        within = (self.weights * self.std.log().sum(1)).sum() - (self.weights * self.weights.log()).sum()
        return self.moments.std.log().sum() - within + (self.weights * torch.stack(ambiguity)).sum()

    @cached_property
    def moments(self) -> Gaussian:
        """The Gaussian of the same mean and variance, (d,) each."""
        weights, mean, std = (x.double() for x in (self.weights[:, None], self.mean, self.std))
        centre = (weights * mean).sum(0)
        variance = (weights * (std.square() + (mean - centre).square())).sum(0)
        return Gaussian(centre.to(self.mean), variance.sqrt().to(self.mean))

    def _each(self, posterior: Posterior) -> Tensor:
        """KL(q ‖ N_k) by dimension, (B, K, d)."""
        return kl(posterior.mean[:, None], posterior.std[:, None], self.mean, self.std)

    def _log_joint(self, z: Tensor) -> Tensor:
        """log w_k N_k(z), (n, d) -> (n, K)."""
        scaled = (z[:, None] - self.mean) / self.std
        constant = self.weights.log() - self.std.log().sum(1) - 0.5 * self.mean.shape[1] * math.log(2.0 * math.pi)
        return constant - 0.5 * scaled.square().sum(-1)


Prior = Gaussian | Mixture


def prior_from_tree(tree: Mapping[str, Any]) -> Prior:
    """The prior that `to_tree` wrote."""
    return Mixture(**tree) if "weights" in tree else Gaussian(**tree)


def as_mixture(prior: Prior) -> Mixture:
    """The prior itself, or a Gaussian as a mixture of one component."""
    if isinstance(prior, Mixture):
        return prior
    return Mixture(torch.ones_like(prior.mean[:1]), prior.mean[None], prior.std[None])
