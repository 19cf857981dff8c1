"""Info-VAE over action chunks: a (B, S, D) -> posterior over z (B, d) -> â (B, S, D).

Encoder: the rows are embedded linearly and preceded by two learned tokens. Learned positions are added, and a
post-norm transformer with U-Net-like skips runs over the S + 2 tokens. The first output token is the mean, the second
is log σ². Decoder: S zero queries with learned positions attend to themselves and to z through the same kind of stack;
a linear layer reads the rows out.

Two options of ours. An own read-out: μ and log σ² are linear in their tokens, so that the layer norm which both
tokens leave through does not decide how large they are. A linear path: the transformer corrects a linear code,

    μ = W·a + w + g·μ_transformer(a)        â = V·z + v + h·â_transformer(z)        g, h: numbers that start at 0

Source: Align-Then-stEer, arXiv 2509.02055; the stack is the one of motion latent diffusion, arXiv 2212.04048.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ate.align.transformer import SkipStack
from ate.align.vae_config import READ_OUT_TOKENS, VAEConfig
from ate.errors import InputError

# An own read-out of log σ² starts near this: σ = 0.05, so that latents carry their chunk from the first step on.
LOG_VARIANCE = -6.0


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


@dataclass(frozen=True)
class LinearCode:
    """A linear code of chunks of S rows and D columns, flattened: z = W·a + w, â = V·z + v.

    Args:
        encode: W, (d, S·D).
        encode_bias: w, (d,).
        decode: V, (S·D, d).
        decode_bias: v, (S·D,).
    """

    encode: Tensor
    encode_bias: Tensor
    decode: Tensor
    decode_bias: Tensor


class LinearPath(nn.Module):
    """The linear path of an Info-VAE, and the gates of its transformer."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.columns, flat = config.features, config.linear_rows * config.features
        self.encode = nn.Linear(flat, config.latent)
        self.decode = nn.Linear(config.latent, flat)
        self.encoder_gate = nn.Parameter(torch.zeros(()))
        self.decoder_gate = nn.Parameter(torch.zeros(()))

    def mean(self, x: Tensor, correction: Tensor) -> Tensor:
        """μ (B, d) of chunks (B, S, D) and what the transformer adds, (B, d)."""
        return self.encode(x.flatten(1)) + self.encoder_gate * correction

    def rows(self, z: Tensor, correction: Tensor) -> Tensor:
        """Chunks (B, S, D) of latents (B, d) and what the transformer adds, (B, S, D)."""
        return self.decode(z).view_as(correction) + self.decoder_gate * correction

    def start(self, code: LinearCode) -> None:
        """Begin from a code: the network is then exactly that code, for the gates are closed."""
        with torch.no_grad():
            self.encode.weight.copy_(code.encode)
            self.encode.bias.copy_(code.encode_bias)
            self.decode.weight.copy_(code.decode)
            self.decode.bias.copy_(code.decode_bias)
            self.encoder_gate.zero_()
            self.decoder_gate.zero_()


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
        self.mean_out = self.log_variance_out = self.linear = None
        if config.read_out == "own":
            self.mean_out, self.log_variance_out = nn.Linear(width, width), nn.Linear(width, width)
            nn.init.constant_(self.log_variance_out.bias, LOG_VARIANCE)
        if config.linear_rows:
            self.linear = LinearPath(config)

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
        mean, log_variance = out[:, 0], out[:, 1]
        if self.mean_out is not None and self.log_variance_out is not None:
            mean, log_variance = self.mean_out(mean), self.log_variance_out(log_variance)
        if self.linear is not None:
            mean = self.linear.mean(x, mean)
        return Posterior(mean=mean, std=torch.exp(0.5 * log_variance))

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
        if self.linear is not None:
            rows = self.linear.rows(z, rows)
        return rows if attend is None else rows * attend.view(z.shape[0], length, 1)

    def as_decoded(self, x: Tensor) -> Tensor:
        """Chunks in the columns that `decode` gives: as they are."""
        return x

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
        if self.linear is not None:
            # Rows of these belong to one number of the chunk each, row by row of the chunk.
            rows, width = self.config.linear_rows, self.config.features
            flat = (torch.arange(rows, device=index.device)[:, None] * width + index).flatten()
            state["linear.encode.weight"] = state["linear.encode.weight"][:, flat]
            for name in ("linear.decode.weight", "linear.decode.bias"):
                state[name] = state[name][flat]
        copy = InfoVAE(replace(self.config, features=len(columns))).to(index.device)
        copy.load_state_dict(state)
        return copy

    def _check_length(self, length: int) -> None:
        only = self.config.linear_rows
        if only and length != only:
            raise InputError(
                f"{length} rows",
                where="InfoVAE with a linear path",
                expected=f"{only} rows, as it was made for",
                fix="use chunks of that length, or a VAEConfig without linear_rows",
            )
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
