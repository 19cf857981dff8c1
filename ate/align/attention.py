"""Attention of the Info-VAE: among the tokens of a chunk, and from them to the one latent token."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ate.align.dropout import Dropout


class SelfAttention(nn.Module):
    """Multi-head self-attention, (B, T, d) -> (B, T, d)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, attend: Tensor | None, first: int | None = None) -> Tensor:
        """Attend over T; `attend` (B, 1, 1, T) is True where a token may be looked at.

        With `first` only that many leading tokens ask, (B, first, d); all of them are looked at.
        """
        batch, tokens, width = x.shape
        if first is None or first == tokens:
            q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        else:
            query, rest = self.qkv.weight.split([width, 2 * width]), self.qkv.bias.split([width, 2 * width])
            q = functional.linear(x[:, :first], query[0], rest[0]).view(batch, first, self.heads, -1).transpose(1, 2)
            both = functional.linear(x, query[1], rest[1])
            k, v = both.view(batch, tokens, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
            tokens = first
        if self.training and self.drop.p > 0.0 and x.device.type == "cpu":
            # Torch's own attention drops weights by one Bernoulli number each, see `ate.align.dropout`.
            scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            if attend is not None:
                scores = scores.masked_fill(~attend, -torch.inf)
            mixed = self.drop(scores.softmax(-1)) @ v
        else:
            p = self.drop.p if self.training else 0.0
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=attend, dropout_p=p)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class LatentAttention(nn.Module):
    """Cross-attention to the one latent token, (B, d) -> (B, 1, d).

    The softmax over a single key is 1 whatever the query, so attention is the linear map out(value(z)), the same for
    every query, and query and key weights have exactly zero gradient. They are not computed. As buffers, which no
    optimiser sees, they stay what a released file says (0 in a network of ours), so that they can be written back:

        query_key_weight (2d, d), query_key_bias (2d): query rows, then key rows

    Dropout acts on the values of z; the release drops whole heads a query.
    """

    query_key_weight: Tensor
    query_key_bias: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.drop = Dropout(dropout)
        self.register_buffer("query_key_weight", torch.zeros(2 * width, width))
        self.register_buffer("query_key_bias", torch.zeros(2 * width))

    def forward(self, z: Tensor) -> Tensor:
        """What every query receives from z."""
        return self.out(self.drop(self.value(z))).unsqueeze(1)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Checkpoints written before the carried weights were kept have none: they load as 0."""
        carried = {f"{prefix}{name}": buffer for name, buffer in self.named_buffers(recurse=False)}
        super()._load_from_state_dict({**carried, **state_dict}, prefix, *rest)
