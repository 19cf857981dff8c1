"""Layers of RDT: RMS norm, attention with normalised queries and keys, feed-forward, sinusoidal embedding.

Module names are the key names of the published weights, so that a state dict loads as it stands.

Source: RDT-1B, arXiv 2410.07864.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FREQUENCIES = 256
MAX_PERIOD = 10_000.0
EPS = 1e-6


class RmsNorm(nn.Module):
    """x·w / √(Var[x] + ε) over the last dimension, Var the *unbiased variance*: what RDT-1B was trained with.

    A usual RMS norm divides by the root of the mean square instead and differs by some 5 % in RDT-1B.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(…, width)`."""
        return x * torch.rsqrt(x.var(-1, keepdim=True) + EPS) * self.weight


class SelfAttention(nn.Module):
    """Attention among the tokens, RMS norm on each head's queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm, self.k_norm = RmsNorm(width // heads), RmsNorm(width // heads)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, N, width)` to the same."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        return self.proj(out.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention of the tokens to a condition, same norms."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.q_norm, self.k_norm = RmsNorm(width // heads), RmsNorm(width // heads)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens `(B, N, width)` attend to `(B, L, width)`; mask is bool `(B, L)`, True where valid."""
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(condition).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = None if mask is None else mask[:, None, None, :].expand(-1, -1, x.shape[1], -1)
        out = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=seen)
        return self.proj(out.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear maps with a tanh-GELU between them; the hidden width equals the input's."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        """`(…, width)` to `(…, out)`."""
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class ScalarEmbedder(nn.Module):
    """A number, a diffusion step or a control frequency, as one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, value: Tensor) -> Tensor:
        """`(B,)` to `(B, width)`."""
        return self.mlp(sinusoids(value).to(next(self.parameters()).dtype))


class Block(nn.Module):
    """Self-attention, cross-attention to one condition, feed-forward: pre-norm, residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = RmsNorm(width)
        self.attn = SelfAttention(width, heads)
        self.cross_attn = CrossAttention(width, heads)
        self.norm2 = RmsNorm(width)
        self.ffn = FeedForward(width, width)
        self.norm3 = RmsNorm(width)

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens `(B, N, width)`, condition `(B, L, width)` with its mask `(B, L)`."""
        x = x + self.attn(self.norm1(x))
        x = x + self.cross_attn(self.norm2(x), condition, mask)
        return x + self.ffn(self.norm3(x))


class FinalLayer(nn.Module):
    """RMS norm and the feed-forward that reads the actions out."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.norm_final = RmsNorm(width)
        self.ffn_final = FeedForward(width, out)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, N, width)` to `(B, N, out)`."""
        return self.ffn_final(self.norm_final(x))


def sinusoids(value: Tensor) -> Tensor:
    """Sinusoidal features `(B, 256)` of numbers `(B,)`, float32: cosines first, periods from 2π to 2π·10⁴."""
    half = FREQUENCIES // 2
    steps = torch.arange(half, dtype=torch.float32, device=value.device)
    angle = value.float()[:, None] * torch.exp(-math.log(MAX_PERIOD) * steps / half)
    return torch.cat([angle.cos(), angle.sin()], -1)
