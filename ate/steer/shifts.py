"""Shifts: k·g of every distinct guidance on one batch, worked out once for all arms that can share it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ate.steer.batches import Batch, TrainingData
from ate.steer.guidance import Guidance
from ate.steer.paths import Path, estimate_coefficient, split

ENCODE_BATCH = 4096
# As the policy's sampler clips its clean estimates: normalised actions live in [-1, 1].
CLIP = 1.5
# What guidances that share their k·g have in common (`Guidance.stream`).
Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One batch with what its arms share.

    Attributes:
        batch: the batch.
        alpha: α `(B,)`.
        sigma: σ `(B,)`.
        noise: latent noise of each guidance that samples its latents, by stream.
        shared: k·g `(B, S, D)` of each guidance whose energy is taken at the noised chunk, by stream.
    """

    batch: Batch
    alpha: Tensor
    sigma: Tensor
    noise: Mapping[Key, Tensor]
    shared: Mapping[Key, Tensor]


class Shifts:
    """The shifts of a training run."""

    def __init__(self, guidances: Sequence[Guidance], data: TrainingData, path: Path, seed: int) -> None:
        """Encode the data once for `guidances`; noise for sampled latents is drawn from streams of their own of `seed`.

        One stream for each latent width: guidances of one width share their noise, and none sees what else is trained.
        """
        self._by_stream = {guidance.stream: guidance for guidance in guidances}
        self._path = path
        device = data.observation.device
        sampled = [guidance for guidance in guidances if guidance.latent == "sample"]
        widths = sorted({guidance.vae.config.latent for guidance in sampled})
        self.generators = {width: torch.Generator(device).manual_seed(seed + 1) for width in widths}
        # The latent of a0 depends on the data alone: encoded once, gathered every step.
        self._targets = {
            key: _encode(guidance, data) for key, guidance in self._by_stream.items() if guidance.latent == "mean"
        }

    @property
    def shareable(self) -> bool:
        """Whether some k·g is known before any policy has predicted."""
        return any(guidance.at == "noised" for guidance in self._by_stream.values())

    def prepare(self, batch: Batch) -> Prepared:
        """Take up a batch: draw its latent noise, and k·g at the noised chunks."""
        alpha, sigma = self._path.alpha_sigma(batch.t)
        prepared = Prepared(batch, alpha, sigma, {}, {})
        drawn = {
            width: torch.randn((len(batch.x), width), generator=generator, device=batch.x.device)
            for width, generator in self.generators.items()
        }
        noise = {
            key: drawn[guidance.vae.config.latent]
            for key, guidance in self._by_stream.items()
            if guidance.latent == "sample"
        }
        prepared = replace(prepared, noise=noise)
        k = self._path.coefficient(batch.t)
        shared = {
            key: k * self._gradient(guidance, prepared, batch.x)
            for key, guidance in self._by_stream.items()
            if guidance.at == "noised"
        }
        return replace(prepared, shared=shared)

    def of(self, guidance: Guidance, prediction: Tensor, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """k·g and the shift `(B, S, D)` of one guidance for an arm that predicts `prediction` on a prepared batch."""
        raw = prepared.shared.get(guidance.stream)
        if raw is None:
            raw = at_estimate(
                self._path.parameterization,
                prepared.batch.x,
                prediction,
                prepared.alpha,
                prepared.sigma,
                partial(self._gradient, guidance, prepared),
            )
        return raw, guidance.scale(raw, prepared.alpha)

    def _gradient(self, guidance: Guidance, prepared: Prepared, place: Tensor) -> Tensor:
        batch, key = prepared.batch, guidance.stream
        if guidance.latent == "mean":
            return guidance.gradient(place, batch.a0, target=self._targets[key][batch.chunk_index])
        return guidance.gradient(place, batch.a0, noise=prepared.noise[key])


def at_estimate(
    parameterization: str,
    x: Tensor,
    prediction: Tensor,
    alpha: Tensor,
    sigma: Tensor,
    gradient: Callable[[Tensor], Tensor],
) -> Tensor:
    """k·g `(B, S, D)` of an energy at the clean chunk that x and the prediction imply.

    Args:
        parameterization: what was predicted.
        x: noised chunks `(B, S, D)`.
        prediction: same shape.
        alpha: α `(B,)`.
        sigma: σ `(B,)`.
        gradient: g at a place `(B, S, D)`.
    """
    estimate, _ = split(parameterization, x, prediction, alpha, sigma)
    clipped = estimate.clamp(-CLIP, CLIP)
    # Clipping stops the gradient of what is beyond.
    inside = (estimate == clipped).to(estimate.dtype)
    return estimate_coefficient(parameterization, alpha, sigma)[:, None, None] * gradient(clipped) * inside


@torch.no_grad()
def _encode(guidance: Guidance, data: TrainingData) -> Tensor:
    index = torch.arange(len(data.chunks), device=data.observation.device)
    return torch.cat([guidance.latents(data.chunks.gather(part)) for part in index.split(ENCODE_BATCH)])
