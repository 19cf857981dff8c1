"""Guided rows: observations of the pre-training robots, at which the latent distance acts on what the policy predicts.

    λ·‖E_ψ(â0(x_t, t, o)) − E_φ(a_pre)‖²        x_t: the policy's own chunk, denoised from noise to t

No clean chunk of the new robot is known at such an observation, so x_t comes from the policy itself, without gradient,
and what is known is the latent of what the pre-training robot did there. Every time of the policy's sampler has its
share of the rows, so that the policy is corrected where its own samples lead it; the way there is taken in few steps.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ate.runs.distributed import own_rows
from ate.steer.batches import TrainingData

if TYPE_CHECKING:
    from ate.policies.policy import Policy

COARSE = 3
"""Denoising steps at most from noise to any t."""


@dataclass(frozen=True, eq=False)
class GuidedRows:
    """Rows of one batch at pre-training observations, or one process's part of them.

    Attributes:
        chunk_index: the chunk that follows each observation, `(B,)`; the row of its latent.
        a0: that chunk in the new robot's joints `(B, S, D)`, normalised: known to the meter, not to the loss.
        noise: where denoising starts, `(B, S, D)`, 0 outside the mask.
        steps: the sampler's steps from noise to t, from 0 to all but the last, ascending, `(B,)`.
        host_steps: the same on the host.
        observation: network inputs `(B, o)`.
        mask: slots that count, float `(B, 1, D)`.
        count: numbers that count in all rows, 0-d.
        size: all rows.
    """

    chunk_index: Tensor
    a0: Tensor
    noise: Tensor
    steps: Tensor
    host_steps: Tensor
    observation: Tensor
    mask: Tensor
    count: Tensor
    size: int

    def part(self) -> "GuidedRows":
        """This process's rows, where several share the work."""
        rows: Any = {name: own_rows(value) for name, value in vars(self).items() if name not in ("count", "size")}
        return replace(self, **rows)

    @torch.no_grad()
    def denoised(self, policy: "Policy") -> tuple[Tensor, Tensor]:
        """x_t `(B, S, D)` by the policy as it is, and t `(B,)`."""
        x = self.noise.clone()
        steps, levels = self.steps, policy.config.denoising_steps
        for step in range(COARSE):
            # The rows that go on are the last ones; each takes as many steps as its way has, COARSE at most.
            rows = slice(int((self.host_steps <= step).sum()), None)
            count = steps[rows].clamp(max=COARSE).to(x.dtype)
            now, following = (1 - steps[rows] / levels * i / count for i in (step, step + 1))
            x[rows] = policy.denoised(x[rows], now, following, self.observation[rows]) * self.mask[rows]
        return x, 1 - steps.to(x.dtype) / levels


class GuidedSource:
    """Guided rows without end, from a generator of their own: demonstrations are drawn as they are without them."""

    def __init__(self, data: TrainingData, size: int, levels: int, seed: int) -> None:
        """`size` rows of `data` a batch, spread over as many noise levels as the policy's sampler has."""
        self.data, self._size, self._levels = data, size, levels
        self.generator = torch.Generator(data.observation.device).manual_seed(seed)

    def draw(self) -> GuidedRows:
        """The rows of the next batch."""
        data, size = self.data, self._size
        device = data.observation.device
        rows = torch.randint(len(data), (size,), generator=self.generator, device=device)
        index = data.chunk_of[rows]
        mask = data.chunks.mask_of(index).float()
        a0 = data.chunks.gather(index)
        noise = torch.randn(a0.shape, generator=self.generator, device=device) * mask
        # Twice: a copy from the host would wait for the device at every batch.
        steps, host_steps = (
            (2 * torch.arange(size, device=at) + 1) * self._levels // (2 * size) for at in (device, "cpu")
        )
        count = mask.sum() * a0.shape[1]
        observation = data.observed(rows, index, self.generator)
        return GuidedRows(index, a0, noise, steps, host_steps, observation, mask, count, size).part()
