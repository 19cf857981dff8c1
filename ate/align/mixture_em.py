"""Fit of the prior; of a mixture by EM on Gaussians instead of points.

Each chunk is represented by its posterior q_n = N(μ_n, diag σ_n²). EM maximises a lower bound of the mean of
E_{q_n}[log p(z)] over chunks, with one responsibility ρ_n a chunk (hierarchical EM: Vasconcelos & Lippman, NIPS 1998):

    E-step   ρ_nk ∝ w_k exp(E_{q_n}[log N_k(z)])
    M-step   w_k = mean_n ρ_nk,   m_k = Σ_n ρ_nk E[z] / Σ_n ρ_nk,   s_k² = Σ_n ρ_nk E[z²] / Σ_n ρ_nk − m_k²

with E[z] = μ_n and E[z²] = μ_n² + σ_n², so that the mixture keeps the mean and variance of the aggregated posterior
exactly (up to the variance floor), and one component is `priors.aggregated`.

* Numbers are float64, in coordinates in which the aggregated posterior has mean 0 and variance 1 in each dimension.
* Start: shares, means and variances of k-means clusters (k-means++, 4 starts) of the means of at most 10,000 chunks.
* Stop: when an iteration raises the bound by less than 1e-6 of a nat a dimension, or after 300 iterations.
* Floor: no variance below 1e-4 of the aggregated posterior's. A component with less than one chunk is dropped.
* K = 0 chooses among 1, 2, 4, … 32 by the mean of E_{q_n}[log p(z)] (not its bound) over a held-out fifth of the
  episodes. The best K (the smaller in a tie) is then fitted to all.
"""

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from ate.align.config import AlignConfig
from ate.align.mixture import Mixture, Prior, as_mixture
from ate.align.priors import Gaussian, aggregated, posteriors, released
from ate.align.vae import InfoVAE, Posterior
from ate.data.chunks import Chunks
from ate.errors import InputError

COMPONENTS = (1, 2, 4, 8, 16, 32)
MOST_CHUNKS = 2**18
MOST_STARTING = 10_000
MOST_HELD = 4096
HELD_OUT = 0.2
FLOOR = 1e-4
TOLERANCE = 1e-6
ITERATIONS = 300
STARTS = 4
BATCH = 8192
SCORE_BATCH = 256
# Entropy of the standard normal, in nats.
NORMAL_ENTROPY = 0.5 * math.log(2.0 * math.pi * math.e)


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Posterior `mean` and `std`, (N, d); `batches` whitens them by `frame`."""

    mean: Tensor
    std: Tensor
    frame: Gaussian

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, index: Tensor) -> "_Cloud":
        return replace(self, mean=self.mean[index], std=self.std[index])

    def batches(self, size: int) -> Iterator[Posterior]:
        for mean, std in zip(self.mean.split(size), self.std.split(size), strict=True):
            yield Posterior((mean.double() - self.frame.mean) / self.frame.std, std.double() / self.frame.std)


def fit_mixture(
    stream: Iterable[Posterior], episode: Tensor, components: int = 0, seed: int = 0, most: int = MOST_CHUNKS
) -> Mixture:
    """The mixture fitted to a stream of posteriors; components in order of falling weight.

    Args:
        stream: posteriors of all chunks in order, as `priors.posteriors` gives them.
        episode: which episode each chunk is from, (N,); K is chosen on held-out episodes.
        components: K, or 0 to choose it by held-out likelihood.
        seed: seed of thinning, of the split and of k-means.
        most: chunks that are kept; more are thinned at random. A single component always uses all.

    Raises:
        InputError: more components than chunks, K to be chosen from a single episode, or no chunks.
    """
    random = torch.Generator().manual_seed(seed)
    kept = torch.arange(len(episode))
    if len(episode) > most:
        kept = torch.randperm(len(episode), generator=random)[:most].sort().values
    parts: list[Posterior] = []
    moments = aggregated(_keep(stream, kept, parts))
    if components == 1:
        return as_mixture(moments)
    frame = Gaussian(moments.mean.double(), moments.std.double())
    cloud = _Cloud(torch.cat([p.mean for p in parts]), torch.cat([p.std for p in parts]), frame)
    if components > len(cloud):
        raise InputError(
            f"{components} components for {len(cloud)} chunks",
            where="mixture prior",
            expected="at most as many components as chunks",
            fix="lower mixture_components, or set 0 to choose it by held-out likelihood",
        )
    scores: dict[int, float] = {}
    if not components:
        scores = _scores(cloud, episode.cpu()[kept], seed, random)
        components = max(scores, key=lambda k: (scores[k], -k))
    if components == 1:
        return replace(as_mixture(moments), scores=scores)
    whitened = _expectation_maximisation(cloud, _start(cloud, components, seed, random))
    order = whitened.weights.argsort(descending=True, stable=True)
    mean, std = frame.mean + frame.std * whitened.mean[order], frame.std * whitened.std[order]
    return Mixture(whitened.weights[order].to(moments.mean), mean.to(moments.mean), std.to(moments.mean), scores)


def fit_prior(vae: InfoVAE, chunks: Chunks, config: AlignConfig, seed: int) -> Prior:
    """The prior that stage 1 leaves: of the configured kind, by the configured moments and inputs.

    Args:
        vae: φ.
        chunks: what it was trained on.
        config: names kind, moments and inputs.
        seed: seed of the noise on the inputs and of `fit_mixture`.
    """
    noise = None
    if config.moment_inputs == "noised":
        noise = torch.Generator(chunks.rows.device).manual_seed(1000 * seed + 250)
    stream = posteriors(vae, chunks, noise=noise)
    if config.prior == "mixture":
        return fit_mixture(stream, chunks.episode, config.mixture_components, seed)
    return aggregated(stream) if config.moments == "aggregated" else released(stream)


def _keep(stream: Iterable[Posterior], kept: Tensor, parts: list[Posterior]) -> Iterator[Posterior]:
    """The stream, passed through; the posteriors at the sorted positions `kept` go to `parts` on the way."""
    begin = 0
    for posterior in stream:
        inside = kept[(kept >= begin) & (kept < begin + len(posterior.mean))] - begin
        inside = inside.to(posterior.mean.device)
        parts.append(Posterior(posterior.mean[inside], posterior.std[inside]))
        begin += len(posterior.mean)
        yield posterior


def _scores(cloud: _Cloud, episode: Tensor, seed: int, random: torch.Generator) -> dict[int, float]:
    """Held-out E_q[log p(z)] in nats a chunk and the data's coordinates, by K."""
    names = episode.unique()
    if len(names) < 2:
        raise InputError(
            f"{len(names)} training episode",
            where="mixture prior",
            expected="at least 2, to choose the number of components on held-out ones",
            fix="set mixture_components, or pass more episodes",
        )
    order = names[torch.randperm(len(names), generator=random)]
    is_held = torch.isin(episode, order[: max(1, round(HELD_OUT * len(names)))])
    device = cloud.mean.device
    held, train = cloud.take(is_held.to(device)), cloud.take(~is_held.to(device))
    if len(held) > MOST_HELD:
        held = held.take(torch.randperm(len(held), generator=random)[:MOST_HELD].to(device))
    noise = torch.randn(held.mean.shape, generator=random, dtype=torch.float64).to(device)
    scale = float(cloud.frame.std.log().sum())
    scores = {}
    for k in (k for k in COMPONENTS if k <= len(train)):
        mixture = _expectation_maximisation(train, _start(train, k, seed, random))
        total = 0.0
        for posterior, e in zip(held.batches(SCORE_BATCH), noise.split(SCORE_BATCH), strict=True):
            entropy = (posterior.std.log() + NORMAL_ENTROPY).sum(1)
            total -= float((mixture.kl(posterior, posterior.sample(e)) + entropy).sum())
        scores[k] = total / len(held) - scale
    return scores


def _start(cloud: _Cloud, components: int, seed: int, random: torch.Generator) -> Mixture:
    """Shares, means and variances of k-means clusters, in whitened coordinates."""
    sample = cloud
    if len(cloud) > MOST_STARTING:
        sample = cloud.take(torch.randperm(len(cloud), generator=random)[:MOST_STARTING].to(cloud.mean.device))
    posterior = next(sample.batches(len(sample)))
    # A collapsed latent has fewer different chunks than components, which is no error: empty clusters are dropped.
    # One thread, because the order in which several threads add up is random.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(components, n_init=STARTS, random_state=seed).fit(posterior.mean.cpu().numpy()).labels_
    member = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), components).double().to(posterior.mean.device)
    return _maximised(member.sum(0), member.T @ posterior.mean, member.T @ _square(posterior))


def _expectation_maximisation(cloud: _Cloud, mixture: Mixture) -> Mixture:
    """EM from a start to its finish, in whitened coordinates."""
    previous = -torch.inf
    for _ in range(ITERATIONS):
        statistics, bound = _expected(cloud, mixture)
        if bound - previous < TOLERANCE * cloud.mean.shape[1]:
            break
        mixture, previous = _maximised(*statistics), bound
    return mixture


def _expected(cloud: _Cloud, mixture: Mixture) -> tuple[tuple[Tensor, Tensor, Tensor], float]:
    """Σ_n ρ_nk, Σ_n ρ_nk E[z] and Σ_n ρ_nk E[z²], and the bound in nats a chunk."""
    precision = mixture.std.square().reciprocal()
    constant = mixture.weights.log() - mixture.std.log().sum(1) - 0.5 * (mixture.mean.square() * precision).sum(1)
    first, second = torch.zeros_like(mixture.mean), torch.zeros_like(mixture.mean)
    count, bound = torch.zeros_like(mixture.weights), torch.zeros_like(mixture.weights[0])
    for posterior in cloud.batches(BATCH):
        square = _square(posterior)
        joint = constant - 0.5 * square @ precision.T + posterior.mean @ (mixture.mean * precision).T
        bound = bound + joint.logsumexp(1).sum()
        share = joint.softmax(1).T
        count, first, second = count + share.sum(1), first + share @ posterior.mean, second + share @ square
    return (count, first, second), float(bound) / len(cloud)


def _maximised(count: Tensor, first: Tensor, second: Tensor) -> Mixture:
    """The M-step: components of at least one chunk, with the floor under their variance."""
    kept = count >= min(1.0, float(count.max()))
    count, first, second = count[kept], first[kept], second[kept]
    mean = first / count[:, None]
    variance = (second / count[:, None] - mean.square()).clamp_min(FLOOR)
    return Mixture(count / count.sum(), mean, variance.sqrt())


def _square(posterior: Posterior) -> Tensor:
    """E[z²] of posteriors, (B, d)."""
    return posterior.mean.square() + posterior.std.square()
