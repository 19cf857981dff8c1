"""Guided over plain training steps, medians of rounds taken in turn in one run: `make bench`.

Data are random: time does not depend on what they say. The latents of clean chunks are encoded once, before the clock
starts, as fine-tuning does.
"""

import json
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor, nn

from ate.align.vae import InfoVAE, VAEConfig
from ate.policies.networks import ConvUNet
from ate.steer.guidance import Guidance
from ate.steer.paths import Path

ROUNDS, STEPS = 15, 4
CHUNKS, HORIZON, FEATURES, OBSERVATION = 256, 16, 14, 40
VAE = VAEConfig(features=FEATURES, latent=128, layers=9, heads=4, feedforward=1024)


class Transformer(nn.Module):
    """Six layers of width 256 over the chunk's rows, the observation as one token more."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.condition = nn.Linear(FEATURES, 256), nn.Linear(OBSERVATION + 1, 256)
        self.positions = nn.Parameter(torch.zeros(1, HORIZON + 1, 256))
        layer = nn.TransformerEncoderLayer(256, 4, 1024, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.leave = nn.Linear(256, FEATURES)

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        condition = self.condition(torch.cat([observation, t[:, None]], 1))[:, None]
        tokens = torch.cat([condition, self.rows(x)], 1) + self.positions
        return self.leave(self.layers(tokens)[:, 1:])


def stepper(network: nn.Module, batch: int, guidance: Guidance | None) -> Callable[[], None]:
    """Runs `STEPS` training steps."""
    path = Path("sample")
    generator = torch.Generator().manual_seed(0)
    chunks = torch.randn(CHUNKS, HORIZON, FEATURES, generator=generator).clamp(-1, 1)
    latents = None if guidance is None else guidance.latents(chunks).detach()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)

    def run() -> None:
        for _ in range(STEPS):
            index = torch.randint(CHUNKS, (batch,), generator=generator)
            a0, t = chunks[index], path.time(torch.rand(batch, generator=generator))
            noise = torch.randn(a0.shape, generator=generator)
            x = path.noised(a0, noise, t)
            error = network(x, t, torch.zeros(batch, OBSERVATION)) - path.target(a0, noise, t)
            if guidance is not None and latents is not None:
                kg = path.coefficient(t) * guidance.gradient(x, a0, target=latents[index])
                error = error + guidance.scale(kg)
            optimizer.zero_grad(set_to_none=True)
            error.square().mean().backward()
            optimizer.step()

    return run


def measured(build: Callable[[], nn.Module], batch: int) -> dict[str, float]:
    """Median seconds a step of both, and the median of the ratios, round by round."""
    torch.manual_seed(0)
    guidance = Guidance(InfoVAE(VAE), lam=2.0, clamp=0.1)
    pair = [stepper(build(), batch, None), stepper(build(), batch, guidance)]
    rounds = []
    for index in range(ROUNDS + 2):
        seconds = []
        for run in pair:
            began = time.perf_counter()
            run()
            seconds.append((time.perf_counter() - began) / STEPS)
        if index >= 2:
            rounds.append(seconds)
    return {
        "plain ms": round(1e3 * statistics.median(a for a, _ in rounds), 2),
        "guided ms": round(1e3 * statistics.median(b for _, b in rounds), 2),
        "ratio": round(statistics.median(b / a for a, b in rounds), 3),
    }


if __name__ == "__main__":
    found = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found[f"conv UNet 128-256-512, batch 32, threads {threads}"] = measured(
            lambda: ConvUNet(HORIZON, FEATURES, OBSERVATION, 128), 32
        )
        found[f"transformer 256 x 6, batch 16, threads {threads}"] = measured(Transformer, 16)
    print(json.dumps(found, indent=1))
