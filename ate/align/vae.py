"""Info-VAE over action chunks: a (B, S, D) -> posterior over z (B, d) -> â (B, S, D).

Encoder: the rows are embedded linearly and preceded by two learned tokens. Learned positions are added, and a
post-norm transformer with U-Net-like skips runs over the S + 2 tokens. The first output token is the mean, the second
is log σ². Decoder: S zero queries with learned positions attend to themselves and to z through the same kind of stack;
a linear layer reads the rows out.

Source: Align-Then-stEer, arXiv 2509.02055; the stack is the one of motion latent diffusion, arXiv 2212.04048.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ate.align.config import check_network, check_whole, refused
from ate.errors import InputError

READ_OUT_TOKENS = 2


@dataclass(frozen=True)
class VAEConfig:
    """Size of an Info-VAE.

    Args:
        features: numbers a row of the chunk, D.
        latent: width of the latent and of all tokens, d; a multiple of `heads`.
        layers: transformer blocks in the encoder, and again in the decoder; odd, so that the blocks before
            and after the middle one pair up by skips.
        heads: attention heads.
        feedforward: hidden width of the feed-forward layers.
        dropout: probability of dropping an attention weight or a hidden unit, in [0, 1).
        positions: learned positions; a chunk has at most `positions - 2` rows.
    """

    features: int
    latent: int = 512
    layers: int = 9
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.1
    positions: int = 500

    def __post_init__(self) -> None:
        check_whole(self, ("features", "positions"))
        check_network(self)
        if self.positions <= READ_OUT_TOKENS:
            raise refused(self, "positions", f"{READ_OUT_TOKENS + 1} or more: the chunk length plus {READ_OUT_TOKENS}")


@dataclass(frozen=True)
class Posterior:
    """q(z|a) = N(mean, diag std²), one row a chunk.

    Args:
        mean: (B, d).
        std: (B, d), above 0.
    """

    mean: Tensor
    std: Tensor

    def sample(self, noise: Tensor | torch.Generator | None = None) -> Tensor:
        """z = mean + std · noise, (B, d); the noise is passed in, or sampled with a generator on the same device."""
        if not isinstance(noise, Tensor):
            noise = torch.randn(self.mean.shape, generator=noise, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + self.std * noise


# The forward pass of a network: chunks (B, S, D) and noise (B, d) -> reconstruction, posterior, sampled z.
Network = Callable[[Tensor, Tensor], tuple[Tensor, Posterior, Tensor]]


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


class InfoVAE(nn.Module):
    """Encoder E and decoder D of one embodiment, or of several in one unified action vector."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.latent
        self.embed = nn.Linear(config.features, width)
        self.tokens = nn.Parameter(torch.randn(READ_OUT_TOKENS, width))
        self.encoder_positions = nn.Parameter(torch.rand(config.positions, width))
        self.decoder_positions = nn.Parameter(torch.rand(config.positions, width))
        self.encoder = SkipStack(config, latent=False)
        self.decoder = SkipStack(config, latent=True)
        self.read_out = nn.Linear(width, config.features)
        for stack in (self.encoder, self.decoder):
            for weight in stack.parameters():
                if weight.dim() > 1:
                    nn.init.xavier_uniform_(weight)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tokens.device

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Posterior:
        """Chunks x (B, S, D), normalised -> q(z|x) with mean and std of shape (B, d).

        `lengths` (B,): how many leading rows of each chunk are valid; None: all.
        """
        if x.dim() != 3 or x.shape[-1] != self.config.features:
            raise InputError(
                f"chunks of shape {tuple(x.shape)}",
                where="InfoVAE.encode",
                expected=f"(batch, rows, {self.config.features})",
                fix="encode the actions with the alignment's own action space first",
            )
        self._check_length(x.shape[1])
        batch, rows, _ = x.shape
        tokens = torch.cat([self.tokens.expand(batch, -1, -1), self.embed(x)], dim=1)
        tokens = tokens + self.encoder_positions[: rows + READ_OUT_TOKENS]
        attend = None if lengths is None else _attend(lengths + READ_OUT_TOKENS, rows + READ_OUT_TOKENS)
        out = self.encoder(tokens, attend=attend, first=READ_OUT_TOKENS)
        return Posterior(mean=out[:, 0], std=torch.exp(0.5 * out[:, 1]))

    def decode(self, z: Tensor, length: int, lengths: Tensor | None = None) -> Tensor:
        """Latents z (B, d) -> chunks (B, length, D), normalised; rows from `lengths` on are 0."""
        if z.dim() != 2 or z.shape[-1] != self.config.latent:
            raise InputError(
                f"z of shape {tuple(z.shape)}",
                where="InfoVAE.decode",
                expected=f"(batch, {self.config.latent})",
                fix="pass one latent a row",
            )
        self._check_length(length)
        queries = self.decoder_positions[:length].expand(z.shape[0], -1, -1)
        attend = None if lengths is None else _attend(lengths, length)
        rows = self.read_out(self.decoder(queries, z, attend))
        return rows if attend is None else rows * attend.view(z.shape[0], length, 1)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Posterior, Tensor]:
        """Chunks (B, S, D) and noise (B, d) -> reconstruction (B, S, D), posterior, sampled z (B, d)."""
        posterior = self.encode(x)
        z = posterior.sample(noise)
        return self.decode(z, x.shape[1]), posterior, z

    def freeze(self) -> "InfoVAE":
        """Evaluation mode and no gradients for the weights; gradients for the input still flow."""
        self.eval()
        return self.requires_grad_(False)

    def restricted(self, columns: Sequence[int]) -> "InfoVAE":
        """A trainable copy over some of the columns; equal to this network where the others are 0."""
        index = torch.as_tensor(columns, device=self.tokens.device)
        state = {name: value.clone() for name, value in self.state_dict().items()}
        state["embed.weight"] = state["embed.weight"][:, index]
        for name in ("read_out.weight", "read_out.bias"):
            state[name] = state[name][index]
        copy = InfoVAE(replace(self.config, features=len(columns))).to(index.device)
        copy.load_state_dict(state)
        return copy

    def _check_length(self, length: int) -> None:
        longest = self.config.positions - READ_OUT_TOKENS
        if not 1 <= length <= longest:
            raise InputError(
                f"{length} rows",
                where="InfoVAE",
                expected=f"1 to {longest} rows",
                fix="use shorter chunks or a VAEConfig with more positions",
            )


def _attend(lengths: Tensor, total: int) -> Tensor:
    """(B,) counts of valid leading tokens -> (B, 1, 1, total), True where a token may be looked at."""
    return (torch.arange(total, device=lengths.device) < lengths[:, None])[:, None, None, :]
