"""Priors over the latent: what stage 1 leaves behind for stage 2 to align to.

The aggregated posterior of all pre-training chunks, q_φ(z) = mean over a of q_φ(z|a), has per dimension

    E[z] = E[μ(a)],        Var[z] = E[σ²(a)] + Var[μ(a)]        (law of total variance)

and the paper aligns to the Gaussian with these moments. The released code keeps the mean of σ and loses the spread of μ
between chunks; that formulation is `released`.

Source: Align-Then-stEer, arXiv 2509.02055.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ate.align.vae import InfoVAE, Posterior
from ate.data.chunks import Chunks
from ate.errors import InputError

# ᾱ of the first three steps of a 10-step squared-cosine DDPM schedule (arXiv 2102.09672), the noise levels at
# which the released code encodes the chunks it takes moments of: ∏ (1 − β_i), β_i = 1 − f((i+1)/10)/f(i/10),
# f(u) = cos²((u + 0.008)/1.008 · π/2).
RELEASED_NOISE_STEPS = 3


@dataclass(frozen=True)
class Gaussian:
    """N(mean, diag std²) over the latent.

    Args:
        mean: (d,).
        std: (d,), above 0.
    """

    mean: Tensor
    std: Tensor

    @property
    def noise_width(self) -> int:
        """Columns of noise that `sample` takes: d."""
        return len(self.mean)

    def sample(self, noise: Tensor) -> Tensor:
        """Samples (n, d) from standard normal noise (n, d)."""
        return self.mean + self.std * noise

    @property
    def moments(self) -> "Gaussian":
        """The Gaussian of the same mean and variance: this one."""
        return self

    def to(self, device: torch.device | str) -> "Gaussian":
        """The same prior on another device."""
        return Gaussian(self.mean.to(device), self.std.to(device))

    def to_tree(self) -> dict[str, Tensor]:
        """Tensors, for a checkpoint."""
        return {"mean": self.mean, "std": self.std}


def standard(latent: int) -> Gaussian:
    """N(0, I) in d = `latent` dimensions."""
    return Gaussian(torch.zeros(latent), torch.ones(latent))


def posteriors(
    vae: InfoVAE, chunks: Chunks, batch: int = 1024, noise: torch.Generator | None = None
) -> Iterator[Posterior]:
    """q(z|a) of all chunks in order, `batch` at a time, without gradients and in evaluation mode.

    With a generator, each chunk is noised by 0, 1 or 2 steps of a 10-step cosine schedule first, as released.
    """
    training = vae.training
    vae.eval()
    try:
        with torch.no_grad():
            for index in torch.arange(len(chunks), device=chunks.rows.device).split(batch):
                x = chunks.gather(index)
                yield vae.encode(x if noise is None else _noised(x, noise))
    finally:
        vae.train(training)


def aggregated(stream: Iterable[Posterior]) -> Gaussian:
    """The exact mean and variance of the aggregated posterior, over a stream of posteriors.

    Sums are in float64 and merged batch by batch (Chan et al.).
    """
    count, mean, spread, within = 0, torch.tensor(0.0), torch.tensor(0.0), torch.tensor(0.0)
    dtype = torch.float32
    for posterior in stream:
        mu, var, dtype = posterior.mean.double(), posterior.std.double().square(), posterior.mean.dtype
        total = count + len(mu)
        delta = mu.mean(0) - mean.to(mu)
        spread = spread.to(mu) + (mu - mu.mean(0)).square().sum(0) + delta.square() * (count * len(mu) / total)
        mean = mean.to(mu) + delta * (len(mu) / total)
        within = within.to(mu) + var.sum(0)
        count = total
    _check(count)
    return Gaussian(mean.to(dtype), ((within + spread) / count).sqrt().to(dtype))


def released(stream: Iterable[Posterior]) -> Gaussian:
    """Mean of μ and mean of σ over a stream of posteriors, as in the released code; summed in float64."""
    count, mean, std = 0, torch.tensor(0.0), torch.tensor(0.0)
    dtype = torch.float32
    for posterior in stream:
        mu, sigma, dtype = posterior.mean.double(), posterior.std.double(), posterior.mean.dtype
        mean, std = mean.to(mu) + mu.sum(0), std.to(mu) + sigma.sum(0)
        count += len(mu)
    _check(count)
    return Gaussian((mean / count).to(dtype), (std / count).to(dtype))


def released_noise_levels() -> Tensor:
    """ᾱ at steps 0, 1, 2 of the 10-step squared-cosine schedule, (3,)."""
    u = torch.arange(RELEASED_NOISE_STEPS + 1, dtype=torch.float64) / 10.0
    f = torch.cos((u + 0.008) / 1.008 * torch.pi / 2).square()
    return (f[1:] / f[0]).float()


def _noised(x: Tensor, generator: torch.Generator) -> Tensor:
    """√ᾱ x + √(1 − ᾱ) ε with one of the three levels a chunk, (B, S, D)."""
    step = torch.randint(RELEASED_NOISE_STEPS, (len(x),), generator=generator, device=x.device)
    keep = released_noise_levels().to(x)[step][:, None, None]
    epsilon = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return keep.sqrt() * x + (1.0 - keep).sqrt() * epsilon


def _check(count: int) -> None:
    if not count:
        raise InputError(
            "no chunks",
            where="moments of the aggregated posterior",
            expected="at least one chunk",
            fix="give episodes at least as long as the chunk",
        )
