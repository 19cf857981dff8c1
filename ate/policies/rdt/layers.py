"""Layers of RDT: RMS norm, attention with normalised queries and keys, feed-forward, sinusoidal embedding.

Module names are the key names of the published weights, so that a state dict loads as it is. H is the hidden size.

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

    A usual RMS norm divides by the root mean square instead, which differs by some 5 % in RDT-1B.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(…, size)`."""
        return x * torch.rsqrt(x.var(-1, keepdim=True) + EPS) * self.weight


class SelfAttention(nn.Module):
    """Attention among the tokens, RMS norm on each head's queries and keys."""

    def __init__(self, hidden_size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.q_norm, self.k_norm = RmsNorm(hidden_size // heads), RmsNorm(hidden_size // heads)
        self.proj = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, N, H)` to the same shape."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        return self.proj(out.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention of the tokens to a condition, with the same norms."""

    def __init__(self, hidden_size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(hidden_size, hidden_size)
        self.kv = nn.Linear(hidden_size, 2 * hidden_size)
        self.q_norm, self.k_norm = RmsNorm(hidden_size // heads), RmsNorm(hidden_size // heads)
        self.proj = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens `(B, N, H)` attend to `(B, L, H)`; mask is bool `(B, L)`, True where valid."""
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(condition).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        valid = None if mask is None else mask[:, None, None, :].expand(-1, -1, x.shape[1], -1)
        out = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=valid)
        return self.proj(out.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear maps with a tanh-GELU between them; the hidden layer is as wide as the input."""

    def __init__(self, hidden_size: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, out)

    def forward(self, x: Tensor) -> Tensor:
        """`(…, H)` to `(…, out)`."""
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class ScalarEmbedder(nn.Module):
    """A number, a diffusion step or a control frequency, as one token."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size))

    def forward(self, value: Tensor) -> Tensor:
        """`(B,)` to `(B, H)`."""
        return self.mlp(sinusoids(value).to(next(self.parameters()).dtype))


class Block(nn.Module):
    """Self-attention, cross-attention to one condition, feed-forward: pre-norm, residual."""

    def __init__(self, hidden_size: int, heads: int) -> None:
        super().__init__()
        self.norm1 = RmsNorm(hidden_size)
        self.attn = SelfAttention(hidden_size, heads)
        self.cross_attn = CrossAttention(hidden_size, heads)
        self.norm2 = RmsNorm(hidden_size)
        self.ffn = FeedForward(hidden_size, hidden_size)
        self.norm3 = RmsNorm(hidden_size)

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens `(B, N, H)`, condition `(B, L, H)` with its mask `(B, L)`."""
        x = x + self.attn(self.norm1(x))
        x = x + self.cross_attn(self.norm2(x), condition, mask)
        return x + self.ffn(self.norm3(x))


class FinalLayer(nn.Module):
    """RMS norm and the feed-forward that reads the actions out."""

    def __init__(self, hidden_size: int, out: int) -> None:
        super().__init__()
        self.norm_final = RmsNorm(hidden_size)
        self.ffn_final = FeedForward(hidden_size, out)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, N, H)` to `(B, N, out)`."""
        return self.ffn_final(self.norm_final(x))


def sinusoids(value: Tensor) -> Tensor:
    """Sinusoidal features `(B, 256)` of numbers `(B,)`, float32: cosines first, periods from 2π to 2π·10⁴."""
    half = FREQUENCIES // 2
    steps = torch.arange(half, dtype=torch.float32, device=value.device)
    angle = value.float()[:, None] * torch.exp(-math.log(MAX_PERIOD) * steps / half)
    return torch.cat([angle.cos(), angle.sin()], -1)
