"""Denoising networks: noised chunk, observation and time in; prediction of the chunk's shape out.

`ResidualMLP` over the flattened chunk is the default: on one CPU thread its step costs about a tenth of the
convolutional U-Net's, and at a horizon of 16 it is as good. `ConvUNet` is the shape of Diffusion Policy
(Chi et al. 2023): 1-D convolutions along the chunk with FiLM conditioning. Inputs are taken into the type of the
weights, times and preconditioning before that in float32.
"""

import math

import torch
from torch import Tensor, nn


class TimeFeatures(nn.Module):
    """Sinusoidal features of t in [0, 1]: `(B,)` → `(B, count)`."""

    frequencies: Tensor

    def __init__(self, count: int = 64) -> None:
        super().__init__()
        scale = torch.exp(torch.arange(count // 2) * (math.log(1000.0) / (count // 2 - 1)))
        self.register_buffer("frequencies", scale * math.pi / 2, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """Cosines, then sines."""
        angles = t[:, None] * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], -1)


class ResidualMLP(nn.Module):
    """Pre-norm residual blocks over the flattened chunk, each conditioned on observation and time.

    Args:
        horizon: S.
        features: D, width of the unified action vector.
        observation: width of the observation vector.
        hidden: features of the hidden layers.
        depth: residual blocks.
        film: let observation and time scale the hidden features too, each block in its own way (Perez et al. 2018).
    """

    def __init__(
        self, horizon: int, features: int, observation: int, hidden: int = 256, depth: int = 3, film: bool = False
    ) -> None:
        super().__init__()
        self.time = TimeFeatures()
        self.condition = nn.Sequential(nn.Linear(observation + 64, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.enter = nn.Linear(horizon * features, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(depth))
        self.widen = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth))
        self.narrow = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth))
        self.leave = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, horizon * features))
        self.film = nn.ModuleList(nn.Linear(hidden, 2 * hidden) for _ in range(depth if film else 0))

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        """`x (B, S, D)`, `t (B,)`, `observation (B, o)` → `(B, S, D)`."""
        kind = self.enter.weight.dtype
        condition = self.condition(torch.cat([observation, self.time(t)], -1).to(kind))
        h = self.enter(x.flatten(1).to(kind)) + condition
        for i, (norm, widen, narrow) in enumerate(zip(self.norms, self.widen, self.narrow, strict=True)):
            scale, shift = self.film[i](condition).chunk(2, -1) if self.film else (0.0, condition)
            h = h + narrow(nn.functional.silu(widen(norm(h)) * (1 + scale) + shift))
        return self.leave(h).view(x.shape)


class FilmBlock(nn.Module):
    """Two convolutions along the chunk; the first is scaled and shifted by the condition."""

    def __init__(self, inside: int, outside: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(inside, outside, 5, padding=2), nn.GroupNorm(8, outside), nn.Mish())
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * outside))
        self.second = nn.Sequential(nn.Conv1d(outside, outside, 5, padding=2), nn.GroupNorm(8, outside), nn.Mish())
        self.skip = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`x (B, inside, S)` → `(B, outside, S)`."""
        scale, bias = self.film(condition)[:, :, None].chunk(2, dim=1)
        return self.second(self.first(x) * (1 + scale) + bias) + self.skip(x)


class ConvUNet(nn.Module):
    """1-D convolutional U-Net with FiLM conditioning; the horizon must divide by 4.

    Args:
        horizon: S.
        features: D.
        observation: width of the observation vector.
        hidden: channels of the first level; the next have 2 and 4 times as many.
    """

    def __init__(self, horizon: int, features: int, observation: int, hidden: int = 64) -> None:
        super().__init__()
        self.horizon = horizon
        levels = [hidden, 2 * hidden, 4 * hidden]
        condition = 2 * hidden
        self.time = TimeFeatures()
        self.condition = nn.Sequential(nn.Linear(observation + 64, condition), nn.Mish())
        self.down = nn.ModuleList(
            FilmBlock(i, o, condition) for i, o in zip([features, *levels[:-1]], levels, strict=True)
        )
        self.pool = nn.ModuleList(nn.Conv1d(c, c, 3, 2, 1) for c in levels[:-1])
        self.middle = FilmBlock(levels[-1], levels[-1], condition)
        self.grow = nn.ModuleList(nn.ConvTranspose1d(2 * c, c, 4, 2, 1) for c in reversed(levels[:-1]))
        self.up = nn.ModuleList(FilmBlock(2 * c, c, condition) for c in reversed(levels[:-1]))
        self.leave = nn.Conv1d(hidden, features, 1)

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        """`x (B, S, D)`, `t (B,)`, `observation (B, o)` → `(B, S, D)`."""
        kind = self.leave.weight.dtype
        condition = self.condition(torch.cat([observation, self.time(t)], -1).to(kind))
        h, kept = x.transpose(1, 2).to(kind), []
        for i, block in enumerate(self.down):
            h = block(h, condition)
            if i < len(self.pool):
                kept.append(h)
                h = self.pool[i](h)
        h = self.middle(h, condition)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(torch.cat([grow(h), kept.pop()], 1), condition)
        return self.leave(h).transpose(1, 2)
