"""Shifts: k·g of every distinct guidance on one batch, worked out once for all arms that can share it."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ate.steer.batches import Batch, TrainingData
from ate.steer.guidance import Guidance
from ate.steer.paths import Path, estimate_coefficient, split

ENCODE_BATCH = 4096
# As the policy's sampler clips its clean estimates: normalised actions live in [-1, 1].
CLIP = 1.5


class Shifts:
    """The shifts of a training run.

    Attributes:
        state: what changes from step to step, for a checkpoint.
    """

    def __init__(self, guidances: Sequence[Guidance], data: TrainingData, path: Path, seed: int) -> None:
        """Encode the data once for `guidances`; noise for sampled latents is drawn from its own stream of `seed`."""
        self._by_stream = {guidance.stream: guidance for guidance in guidances}
        self._path = path
        self._generator = torch.Generator(data.observation.device).manual_seed(seed + 1)
        # The latent of a0 depends on the data alone: encoded once, gathered every step.
        self._targets = {
            key: _encode(guidance, data) for key, guidance in self._by_stream.items() if guidance.latent == "mean"
        }
        self.state = {"latent noise": self._generator}

    def begin(self, batch: Batch) -> None:
        """Take up a batch: draw its latent noise, and k·g at the noised chunks."""
        self._batch = batch
        self._alpha = self._path.alpha_sigma(batch.t)[0]
        k = self._path.coefficient(batch.t)
        self._noise: dict[tuple[object, ...], Tensor] = {}
        self._shared: dict[tuple[object, ...], Tensor] = {}
        for key, guidance in self._by_stream.items():
            if guidance.latent == "sample":
                shape = (len(batch.x), guidance.vae.config.latent)
                self._noise[key] = torch.randn(shape, generator=self._generator, device=batch.x.device)
            if guidance.at == "noised":
                self._shared[key] = k * self._gradient(guidance, batch.x)

    def of(self, guidance: Guidance, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """k·g and the shift `(B, S, D)` of one guidance for an arm that predicts `prediction` on the batch."""
        raw = self._shared.get(guidance.stream)
        if raw is None:
            levels = self._path.alpha_sigma(self._batch.t)
            raw = at_estimate(
                self._path.parameterization, self._batch.x, prediction, *levels, partial(self._gradient, guidance)
            )
        return raw, guidance.scale(raw, self._alpha)

    def _gradient(self, guidance: Guidance, place: Tensor) -> Tensor:
        batch, key = self._batch, guidance.stream
        if guidance.latent == "mean":
            return guidance.gradient(place, batch.a0, target=self._targets[key][batch.chunk_index])
        return guidance.gradient(place, batch.a0, noise=self._noise[key])


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
