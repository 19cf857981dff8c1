"""Chunks a second of stage 1, compared with the step of the released code, in torch's own modules: `make bench`.

Its network has queries, keys and a softmax for the cross-attention to the one latent token, keeps every token to the
end of the encoder, and uses `MultiheadAttention` and the default AdamW. It trains without dropout, and so do both here:
dropout costs either a different part of a step. Both are measured in turn in the same run; the result is their ratio,
and the share of the peak that a large matrix product reaches in the same run: float32 on a CPU, bf16 on a GPU.
"""

import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor, nn
from torch.nn import functional

from ate.align.config import AlignConfig
from ate.align.losses import Target, losses
from ate.align.priors import standard
from ate.align.trainer import network as forward_of
from ate.align.vae import InfoVAE, Posterior
from ate.align.vae_config import VAEConfig
from ate.runs.working_copy import WorkingCopy

ROUNDS = 5


class PlainBlock(nn.Module):
    """A post-norm block of torch's modules; with `cross` it attends to the latent token by full attention."""

    def __init__(self, config: VAEConfig, cross: bool) -> None:
        super().__init__()
        width, p = config.latent, config.dropout
        self.attention = nn.MultiheadAttention(width, config.heads, p, batch_first=True)
        self.cross = nn.MultiheadAttention(width, config.heads, p, batch_first=True) if cross else None
        self.up, self.down = nn.Linear(width, config.feedforward), nn.Linear(config.feedforward, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))
        self.drop = nn.Dropout(p)

    def forward(self, x: Tensor, z: Tensor | None) -> Tensor:
        x = self.norms[0](x + self.drop(self.attention(x, x, x, need_weights=False)[0]))
        if self.cross is not None:
            x = self.norms[1](x + self.drop(self.cross(x, z, z, need_weights=False)[0]))
        return self.norms[-1](x + self.drop(self.down(self.drop(functional.gelu(self.up(x))))))


class PlainStack(nn.Module):
    """Blocks with skips between the halves."""

    def __init__(self, config: VAEConfig, cross: bool) -> None:
        super().__init__()
        self.half = config.layers // 2
        self.blocks = nn.ModuleList(PlainBlock(config, cross) for _ in range(config.layers))
        self.merges = nn.ModuleList(nn.Linear(2 * config.latent, config.latent) for _ in range(self.half))
        self.norm = nn.LayerNorm(config.latent)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        kept: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            if i > self.half:
                x = self.merges[i - self.half - 1](torch.cat([x, kept.pop()], -1))
            x = block(x, z)
            if i < self.half:
                kept.append(x)
        return self.norm(x)


class PlainVAE(nn.Module):
    """The Info-VAE of torch's modules, with the interface that `losses` calls."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.embed, self.read_out = nn.Linear(config.features, config.latent), nn.Linear(config.latent, config.features)
        self.tokens = nn.Parameter(torch.randn(2, config.latent))
        self.positions = nn.ParameterList(torch.rand(config.positions, config.latent) for _ in range(2))
        self.encoder, self.decoder = PlainStack(config, False), PlainStack(config, True)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Posterior, Tensor]:
        tokens = torch.cat([self.tokens.expand(len(x), -1, -1), self.embed(x)], 1)
        out = self.encoder(tokens + self.positions[0][: tokens.shape[1]])
        posterior = Posterior(out[:, 0], torch.exp(0.5 * out[:, 1]))
        z = posterior.sample(noise)
        queries = torch.zeros(len(x), x.shape[1], z.shape[1], device=x.device) + self.positions[1][: x.shape[1]]
        return self.read_out(self.decoder(queries, z[:, None])), posterior, z


def stepper(
    vae: nn.Module, width: int, config: AlignConfig, device: torch.device, fused: bool, capturable: bool = False
) -> Callable[[], None]:
    """A stage-1 step on chunks that are on the device; bf16 on a GPU, where `capturable` lets a CUDA graph hold it."""
    vae = vae.to(device).train()
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=1e-4, weight_decay=1e-4, fused=fused or None, capturable=capturable
    )
    working = WorkingCopy(vae) if config.precision == "bfloat16_copy" else None
    network: Any = vae if working is None else forward_of(working.network, config)
    prior = standard(config.latent).to(device)
    x = torch.randn(config.batch, config.chunk, width, device=device)
    mask, shape = torch.ones(config.batch, 1, width, dtype=torch.bool, device=device), (config.batch, config.latent)

    def step() -> None:
        noise, reference = torch.randn(shape, device=device), torch.randn(shape, device=device)
        if working is not None:
            working.take_weights()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" and working is None):
            terms = losses(network, x, mask, Target(prior, prior), noise, reference, config)
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        if working is not None:
            working.give_gradients()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], device: torch.device, repeats: int) -> float:
    """Seconds a step."""
    began = time.perf_counter()
    for _ in range(repeats):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def case(width: int, config: AlignConfig, device: torch.device, repeats: int) -> dict[str, float]:
    """Chunks a second of both networks, and the median of their ratios round by round."""
    torch.manual_seed(0)
    shape = VAEConfig(width, config.latent, config.layers, config.heads, config.feedforward, 0.0)
    steps = [
        stepper(InfoVAE(shape), width, config, device, True), stepper(PlainVAE(shape), width, config, device, False),
    ]  # fmt: skip
    for step in steps:
        seconds(step, device, 3)
    pairs = [[seconds(step, device, repeats) for step in steps] for _ in range(ROUNDS)]
    ours, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "chunks/s": round(config.batch / ours, 1),
        "plain chunks/s": round(config.batch / plain, 1),
        "ratio": round(statistics.median(b / a for a, b in pairs), 2),
    }


def measured_peak(device: torch.device) -> float:
    """FLOP/s of a large matrix product, at its fastest: bf16 on a GPU, float32 on a CPU."""
    cuda = device.type == "cuda"
    size, repeats, dtype = (8192, 50, torch.bfloat16) if cuda else (1024, 5, torch.float32)
    a = torch.randn(size, size, device=device, dtype=dtype)

    def product() -> None:
        a @ a

    return 2 * size**3 / min(seconds(product, device, repeats) for _ in range(2 * ROUNDS))


def flops(width: int, config: AlignConfig) -> float:
    """Multiply-adds of the linear maps of a step, counted twice, forward and twice that backward; attention apart."""
    d, f, tokens = config.latent, config.feedforward, 2 * config.chunk + 2
    block = tokens * (4 * d * d + 2 * d * f) + 2 * d * d
    merges = (config.layers // 2) * tokens * 2 * d * d
    return 6 * config.batch * (config.layers * block + merges + 2 * config.chunk * width * d)


def main() -> None:
    """Measure and print one JSON object."""
    cases = [(14, AlignConfig(chunk=16, latent=64, batch=32, dropout=0.0), "cpu", threads, 2) for threads in (1, 2)]
    if torch.cuda.is_available():
        sizes = {"chunk": 64, "latent": 512, "dropout": 0.0}
        cases += [(128, AlignConfig(batch=batch, **sizes), "cuda", 1, 20) for batch in (64, 1024)]
    results: dict[str, object] = {}
    for width, config, kind, threads, repeats in cases:
        torch.set_num_threads(threads)
        device = torch.device(kind)
        peak, speed = measured_peak(device), case(width, config, device, repeats)
        speed["share of measured peak"] = round(flops(width, config) * speed["chunks/s"] / config.batch / peak, 3)
        name = f"{width}-d chunks of {config.chunk}, latent {config.latent}, batch {config.batch}, {kind}"
        results[f"{name}, threads {threads}" if kind == "cpu" else f"{name}, bf16"] = speed
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
