"""Preconditioning: the network predicts what is left when a normal distribution has explained the target.

    a0 ~ N(m, s²),  x = α·a0 + σ·ε,  n² = σ² + α²·s²        target = p·a0 + q·ε
    prediction = p·m + (p·α·s² + q·σ)/n² · (x − α·m) + (p·σ − q·α)·s/n · F((x − α·m)/n)

The second term is the best linear guess of the target from x, the factor of F the deviation of what it leaves: F sees
inputs and regresses targets of unit variance at every noise level. With m = 0 and p, q = 1, 0 this is the
preconditioning of Karras et al. 2022 (arXiv 2206.00364, table 1) at the noise level σ/α. Nothing divides by α, and the
prediction means what it meant without: k, targets and samplers stay as they are.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.policies.noise import NoisePath, target_coefficients

ANCHORS = ("none", "middle", "qpos")
"""What m is: no preconditioning; 0, the middle of each joint's range; or the posture that is observed, so that a
chunk is said relative to it."""
# No row of a chunk deviates less than this from m, in normalised units: a network does not resolve it.
LEAST_DEVIATION = 1e-2


class Preconditioned(nn.Module):
    """A network inside of its preconditioning.

    Args:
        core: the network F.
        path: noise path and parameterisation.
        anchor: `"middle"` or `"qpos"`; the observation begins with the posture, as wide as a row of the chunk.
        deviation: s `(S, D)`, normalised.
    """

    deviation: Tensor

    def __init__(self, core: nn.Module, path: NoisePath, anchor: str, deviation: Tensor) -> None:
        super().__init__()
        self.core, self.path, self.anchor = core, path, anchor
        self.register_buffer("deviation", deviation.clamp_min(LEAST_DEVIATION))

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        """The prediction `(B, S, D)` for noised chunks `x (B, S, D)`, `t (B,)` and `observation (B, o)`."""
        levels = self.path.alpha_sigma(t)
        p, q = (v[:, None, None] for v in target_coefficients(self.path.parameterization, *levels))
        alpha, sigma = (v[:, None, None] for v in levels)
        s, width = self.deviation, x.shape[-1]
        m = observation[:, None, :width] if self.anchor == "qpos" else torch.zeros_like(x[:, :1])
        squared = sigma.square() + alpha.square() * s.square()
        n = squared.sqrt()
        left = x - alpha * m
        linear = p * m + (p * alpha * s.square() + q * sigma) / squared * left
        return linear + (p * sigma - q * alpha) * s / n * self.core(left / n, t, observation)


def deviation(sets: Sequence[Episodes], spaces: Sequence[ActionSpace], horizon: int, anchor: str) -> Tensor:
    """s `(S, D)`: root mean square of `a0 − m` over every observation of the sets, row by row; 1 in unused slots.

    Args:
        sets: pre-training robots, one set each.
        spaces: the action space of each set.
        horizon: S.
        anchor: what m is.
    """
    total, count = np.zeros((horizon, spaces[0].width)), np.zeros(spaces[0].width)
    for episodes, space in zip(sets, spaces, strict=True):
        for i, episode in enumerate(episodes):
            rows, last = space.encode(episodes.series(i)), len(episode) - 1
            m = space.encode(episode.qpos) if anchor == "qpos" else np.zeros_like(rows)
            for s in range(horizon):
                following = np.minimum(np.arange(last + 1) + lead(episodes) + s, last)
                total[s] += np.square(rows[following] - m).sum(0)
            count += (last + 1) * space.loss_mask
    known = np.sqrt(total / np.maximum(count, 1))
    return torch.from_numpy(np.where(count > 0, known, 1.0).astype(np.float32))


def lead(episodes: Episodes) -> int:
    """Rows by which the chunk that answers an observation starts after it.

    Measured positions lead by one step: the row measured at t + 1 is what a position servo should be told at t.
    Commands are recorded beside the observation they answer and do not lead.
    """
    return 1 if episodes.source == "qpos" else 0
