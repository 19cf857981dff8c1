"""Shifted targets: k·g of every distinct guidance on a batch, computed once for all methods that can share it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ate.policies.noise import NoisePath, estimate_coefficient, split
from ate.policies.policy import CLIP
from ate.runs.distributed import own_rows
from ate.steer.batches import Batch, TrainingData
from ate.steer.guidance import Guidance
from ate.steer.guided_rows import GuidedRows

ENCODE_BATCH = 4096
# What guidances that share their k·g have in common (`Guidance.gradient_key`).
Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One batch with what its methods share.

    Attributes:
        batch: the batch.
        alpha: α `(B,)`.
        sigma: σ `(B,)`.
        noise: for guidances that sample their latents, `(B, d)` by the width d.
        shared: k·g `(B, S, D)` of each guidance whose energy is taken at the noised chunk, by its key.
        guided: rows at pre-training observations, where guidance acts there.
    """

    batch: Batch
    alpha: Tensor
    sigma: Tensor
    noise: Mapping[int, Tensor]
    shared: Mapping[Key, Tensor]
    guided: GuidedRows | None = None


class ShiftedTargets:
    """The shift of the target for every guidance of a training."""

    def __init__(self, guidances: Sequence[Guidance], data: TrainingData, path: NoisePath, seed: int) -> None:
        """Encode the data once for `guidances`; noise for sampled latents comes from generators of `seed`.

        One generator for each latent width: guidances of one width share their noise, whatever else is trained.
        """
        # At pre-training observations the target is given, and nothing can be shared between policies.
        guidances = [guidance for guidance in guidances if not guidance.config.at_pretraining]
        self._by_key = {guidance.gradient_key: guidance for guidance in guidances}
        self._path = path
        device = data.observation.device
        sampled = [guidance for guidance in guidances if guidance.config.latent == "sample"]
        widths = sorted({guidance.vae.config.latent for guidance in sampled})
        self.generators = {width: torch.Generator(device).manual_seed(seed + 1) for width in widths}
        # The latent of a0 depends on the data alone: encoded once, gathered every step.
        self._targets = {
            key: _encode(guidance, data) for key, guidance in self._by_key.items() if guidance.config.latent == "mean"
        }

    @property
    def shareable(self) -> bool:
        """Whether some k·g is known before any policy has predicted."""
        return any(guidance.config.energy_at == "x_t" for guidance in self._by_key.values())

    def prepare(self, batches: Sequence[Batch]) -> list[Prepared]:
        """Prepare batches: draw their latent noise, and compute k·g at the noised chunks of all of them at once.

        Where several processes share the work each gets its own rows, of batch and noise drawn whole.
        """
        prepared = [self._noised(batch) for batch in batches]
        shared = {
            key: self._gradient(guidance, prepared, torch.cat([part.batch.x for part in prepared]))
            for key, guidance in self._by_key.items()
            if guidance.config.energy_at == "x_t"
        }
        sizes = [len(part.batch.x) for part in prepared]
        split_up = {key: gradient.split(sizes) for key, gradient in shared.items()}
        coefficients = [self._path.coefficient(part.batch.t) for part in prepared]
        return [
            replace(part, shared={key: k * gradients[i] for key, gradients in split_up.items()})
            for i, (part, k) in enumerate(zip(prepared, coefficients, strict=True))
        ]

    def _noised(self, batch: Batch) -> Prepared:
        """A batch with its latent noise, of this process's rows."""
        noise = {
            width: own_rows(torch.randn((len(batch.x), width), generator=generator, device=batch.x.device))
            for width, generator in self.generators.items()
        }
        part = batch.part()
        return Prepared(part, *self._path.alpha_sigma(part.t), noise, {})

    def raw(self, guidance: Guidance, predictions: Tensor, prepared: Prepared) -> Tensor:
        """k·g `(A, B, S, D)` for A methods of guidances that share g, by what they predict on a batch."""
        shared = prepared.shared.get(guidance.gradient_key)
        if shared is not None:
            return shared.expand(predictions.shape)
        count = len(predictions)
        return at_estimate(
            self._path.parameterization,
            prepared.batch.x.repeat(count, 1, 1),
            predictions.flatten(0, 1),
            prepared.alpha.repeat(count),
            prepared.sigma.repeat(count),
            partial(self._gradient, guidance, [prepared] * count),
        ).view(predictions.shape)

    def _gradient(self, guidance: Guidance, parts: Sequence[Prepared], place: Tensor) -> Tensor:
        """g at a place for each row of the parts, one encoder call for all of them."""
        a0 = torch.cat([part.batch.a0 for part in parts])
        if guidance.config.latent == "mean":
            index = torch.cat([part.batch.chunk_index for part in parts])
            g = guidance.gradient(place, a0, target=self._targets[guidance.gradient_key][index])
        else:
            width = guidance.vae.config.latent
            g = guidance.gradient(place, a0, noise=torch.cat([part.noise[width] for part in parts]))
        # The released energy is a mean over the rows of one whole batch, however many of them are here.
        return g if guidance.config.reduction == "sum" else g * (len(place) / parts[0].batch.size)


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
    clipped = estimate.clamp(-CLIP, CLIP)  # as the policy's sampler does
    # Clipping stops the gradient of what is beyond.
    inside = (estimate == clipped).to(estimate.dtype)
    return estimate_coefficient(parameterization, alpha, sigma)[:, None, None] * gradient(clipped) * inside


@torch.no_grad()
def _encode(guidance: Guidance, data: TrainingData) -> Tensor:
    index = torch.arange(len(data.chunks), device=data.observation.device)
    return torch.cat([guidance.latents(data.chunks.gather(part)) for part in index.split(ENCODE_BATCH)])
