"""The transformer of an Info-VAE: post-norm blocks with U-Net-like skips between the two halves of a stack.

Source: motion latent diffusion, arXiv 2212.04048.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ate.align.vae_config import VAEConfig


class SelfAttention(nn.Module):
    """Multi-head self-attention, (B, T, d) -> (B, T, d)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, attend: Tensor | None, first: int | None = None) -> Tensor:
        """Attend over T; `attend` (B, 1, 1, T) is True where a token may be looked at.

        With `first` only that many leading tokens are queries, and (B, first, d) leaves; all T are keys and values.
        """
        batch, tokens, width = x.shape
        if first is None or first == tokens:
            q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        else:
            weight, bias = self.qkv.weight.split([width, 2 * width]), self.qkv.bias.split([width, 2 * width])
            q = functional.linear(x[:, :first], weight[0], bias[0]).view(batch, first, self.heads, -1).transpose(1, 2)
            keys_values = functional.linear(x, weight[1], bias[1])
            k, v = keys_values.view(batch, tokens, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
            tokens = first
        p = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=attend, dropout_p=p)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class LatentAttention(nn.Module):
    """Cross-attention to the one latent token, (B, d) -> (B, 1, d).

    The softmax over a single key is 1 whatever the query is. Attention is therefore the linear map out(value(z)), the
    same for all queries, and query and key weights have exactly zero gradient. They are not computed. They are kept as
    buffers, which no optimiser changes, so that a released file can be written back (0 in a network of ours):

        query_key_weight (2d, d), query_key_bias (2d): query rows, then key rows

    Dropout acts on the values of z; the release drops whole heads of a query.
    """

    query_key_weight: Tensor
    query_key_bias: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)
        self.register_buffer("query_key_weight", torch.zeros(2 * width, width))
        self.register_buffer("query_key_bias", torch.zeros(2 * width))

    def forward(self, z: Tensor) -> Tensor:
        """What each query receives from z."""
        return self.out(self.drop(self.value(z))).unsqueeze(1)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Checkpoints written before the query and key weights were kept lack them: they load as 0."""
        kept = {f"{prefix}{name}": buffer for name, buffer in self.named_buffers(recurse=False)}
        super()._load_from_state_dict({**kept, **state_dict}, prefix, *rest)


class Block(nn.Module):
    """One post-norm transformer block; with `latent=True` it also attends to z between its two halves."""

    def __init__(self, config: VAEConfig, latent: bool) -> None:
        super().__init__()
        width = config.latent
        self.attention = SelfAttention(width, config.heads, config.dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.latent_attention = LatentAttention(width, config.dropout) if latent else None
        self.latent_norm = nn.LayerNorm(width) if latent else None
        self.up = nn.Linear(width, config.feedforward)
        self.down = nn.Linear(config.feedforward, width)
        self.feedforward_norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, z: Tensor | None, attend: Tensor | None, first: int | None = None) -> Tensor:
        """(B, T, d) and, in a decoder, z (B, d) -> (B, T, d); with `first` only that many leading tokens."""
        x = self.attention_norm(x[:, :first] + self.drop(self.attention(x, attend, first)))
        if self.latent_attention is not None and self.latent_norm is not None:
            x = self.latent_norm(x + self.drop(self.latent_attention(z)))
        hidden = self.drop(functional.gelu(self.up(x)))
        return self.feedforward_norm(x + self.drop(self.down(hidden)))


class SkipStack(nn.Module):
    """An odd number of blocks; those after the middle first merge in the output of their mirror image."""

    def __init__(self, config: VAEConfig, latent: bool) -> None:
        super().__init__()
        self.middle = config.layers // 2
        self.blocks = nn.ModuleList(Block(config, latent) for _ in range(config.layers))
        self.merges = nn.ModuleList(nn.Linear(2 * config.latent, config.latent) for _ in range(self.middle))
        self.norm = nn.LayerNorm(config.latent)

    def forward(
        self, x: Tensor, z: Tensor | None = None, attend: Tensor | None = None, first: int | None = None
    ) -> Tensor:
        """(B, T, d) -> (B, T, d); with `first` only that many leading tokens are computed in the last block."""
        skips: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            if i > self.middle:
                x = self.merges[i - self.middle - 1](torch.cat([x, skips.pop()], dim=-1))
            x = block(x, z, attend, first if i == len(self.blocks) - 1 else None)
            if i < self.middle:
                skips.append(x)
        return self.norm(x)
