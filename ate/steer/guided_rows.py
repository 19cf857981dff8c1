"""Guided rows: observations of the pre-training robots, at which the latent distance acts on what the policy predicts.

    λ·‖E_ψ(â0(x_t, t, o)) − E_φ(a_pre)‖²        x_t: the policy's own chunk after j of 4 denoising steps from noise

No clean chunk of the new robot is known at such an observation, so x_t comes from the policy itself, without gradient,
and what is known is the latent of what the pre-training robot did there. Every j from 0 to 3 has its quarter of the
rows.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ate.runs.distributed import own_rows
from ate.steer.batches import TrainingData

if TYPE_CHECKING:
    from ate.policies.policy import Policy

LEVELS = 4
"""Denoising steps from noise to data of which the first 0 to 3 are taken."""


@dataclass(frozen=True, eq=False)
class GuidedRows:
    """Rows of one batch at pre-training observations, or one process's part of them.

    Attributes:
        chunk_index: the chunk that follows each observation, `(B,)`; the row of its latent.
        a0: that chunk in the new robot's joints `(B, S, D)`, normalised: known to the meter, not to the loss.
        noise: where denoising starts, `(B, S, D)`, 0 outside the mask.
        steps: denoising steps that are taken, 0 to 3, ascending, `(B,)`, on the host.
        observation: network inputs `(B, o)`.
        mask: slots that count, float `(B, 1, D)`.
        count: numbers that count in all rows, 0-d.
        size: all rows.
    """

    chunk_index: Tensor
    a0: Tensor
    noise: Tensor
    steps: Tensor
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
        for step in range(LEVELS - 1):
            # The rows that go on are the last ones.
            rows = slice(int((self.steps <= step).sum()), None)
            now, following = (x.new_full((len(x[rows]),), 1 - i / LEVELS) for i in (step, step + 1))
            x[rows] = policy.denoised(x[rows], now, following, self.observation[rows]) * self.mask[rows]
        return x, (1 - self.steps.to(x.dtype) / LEVELS).to(x.device)


class GuidedSource:
    """Guided rows without end, from a generator of their own: demonstrations are drawn as they are without them."""

    def __init__(self, data: TrainingData, size: int, seed: int) -> None:
        """`size` rows of `data` a batch."""
        self.data, self._size = data, size
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
        steps = torch.arange(size) * LEVELS // size
        count = mask.sum() * a0.shape[1]
        observation = data.observed(rows, index, self.generator)
        return GuidedRows(index, a0, noise, steps, observation, mask, count, size).part()
