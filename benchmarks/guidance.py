"""Guided over plain training steps, medians of rounds taken in turn in one run: `make bench`.

Both sides take the steps that fine-tuning takes (`Prefetcher`, `Trainer`), on the same number of cores. With two, the
plain side gives both to its network, and the guided side has k·g prepared ahead on one of them. Data are random: time
does not depend on what they say. Beside time stands the processor time of all threads, which says how much more work
guidance is, and which other work on the machine disturbs less.

    python -m benchmarks.guidance [ROUNDS] [THREADS,…]
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor, nn

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.chunks import Chunks
from ate.policies.networks import ConvUNet, FilmBlock
from ate.policies.noise import NoisePath
from ate.steer.batches import TrainingData
from ate.steer.guidance import Guidance
from ate.steer.optim_config import OptimConfig
from ate.steer.prefetch import Prefetcher
from ate.steer.shifted_target import ShiftedTargets
from ate.steer.trainer import GuidedPolicy, Trainer

# Steps of one turn: a multiple of the batches that are prepared at once.
ROUNDS, STEPS = 15, 8
CHUNKS, HORIZON, FEATURES, OBSERVATION = 256, 16, 14, 40
VAE = VAEConfig(features=FEATURES, latent=128, layers=9, heads=4, feedforward=1024)


class Twice(nn.Module):
    """Two blocks a level, as the U-Net of Diffusion Policy has them."""

    def __init__(self, block: FilmBlock) -> None:
        super().__init__()
        outside = block.second[0].out_channels
        self.first, self.second = block, FilmBlock(outside, outside, block.film[1].in_features)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.second(self.first(x, condition), condition)


def diffusion_policy_unet() -> ConvUNet:
    """Channels 128, 256, 512 and two blocks a level (Chi et al., arXiv 2303.04137); ours has one."""
    network = ConvUNet(HORIZON, FEATURES, OBSERVATION, 128)
    network.down, network.up = (nn.ModuleList(Twice(b) for b in blocks) for blocks in (network.down, network.up))
    network.middle = Twice(network.middle)
    return network


class Transformer(nn.Module):
    """Six layers of width 256 over the chunk's rows, the observation as one token more."""

    def __init__(self, feedforward: int) -> None:
        super().__init__()
        self.rows, self.condition = nn.Linear(FEATURES, 256), nn.Linear(OBSERVATION + 1, 256)
        self.positions = nn.Parameter(torch.zeros(1, HORIZON + 1, 256))
        layer = nn.TransformerEncoderLayer(256, 4, feedforward, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.leave = nn.Linear(256, FEATURES)

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        condition = self.condition(torch.cat([observation, t[:, None]], 1))[:, None]
        tokens = torch.cat([condition, self.rows(x)], 1) + self.positions
        return self.leave(self.layers(tokens)[:, 1:])


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "conv UNet 128-256-512, batch 32": (lambda: ConvUNet(HORIZON, FEATURES, OBSERVATION, 128), 32),
    "the same with two blocks a level": (diffusion_policy_unet, 32),
    "transformer 256 x 6, feed-forward 1024, batch 16": (lambda: Transformer(1024), 16),
    "the same with feed-forward 2048": (lambda: Transformer(2048), 16),
}


class Side:
    """One network in training, with or without guidance; a context in which batches are prepared ahead."""

    def __init__(self, network: nn.Module, batch: int, guidance: Guidance | None) -> None:
        path, generator = NoisePath("sample"), torch.Generator().manual_seed(0)
        rows = torch.randn(CHUNKS + HORIZON, FEATURES, generator=generator).clamp(-1, 1)
        index, zeros = torch.arange(CHUNKS), torch.zeros(CHUNKS, dtype=torch.long)
        chunks = Chunks(rows, index, zeros, index, zeros, torch.ones(1, FEATURES, dtype=torch.bool), HORIZON)
        data = TrainingData(chunks, index, torch.zeros(CHUNKS, OBSERVATION))
        shifted = ShiftedTargets([] if guidance is None else [guidance], data, path, 0)
        self.batches = Prefetcher(data, path, batch, 0, shifted)
        self.trainer = Trainer("one", GuidedPolicy(network, guidance), OptimConfig(), shifted, torch.device("cpu"))

    def seconds(self) -> tuple[float, float]:
        """Seconds and processor seconds a step, of `STEPS` steps after as many that fill what is prepared ahead."""
        with self.batches:
            self.run()
            began, worked = time.perf_counter(), time.process_time()
            self.run()
            return (time.perf_counter() - began) / STEPS, (time.process_time() - worked) / STEPS

    def run(self) -> None:
        for _ in range(STEPS):
            self.trainer.step([self.batches.take()])


def measured(build: Callable[[], nn.Module], batch: int, rounds: int) -> dict[str, float]:
    """Median milliseconds a step of both, and the median of the ratios, round by round."""
    torch.manual_seed(0)
    sides = [Side(build(), batch, guidance) for guidance in (None, Guidance(InfoVAE(VAE), "paper", lam=2.0, clamp=0.1))]
    rounds_of = [[side.seconds() for side in sides] for _ in range(rounds)]
    return {
        "plain ms": round(1e3 * statistics.median(plain[0] for plain, _ in rounds_of), 2),
        "guided ms": round(1e3 * statistics.median(guided[0] for _, guided in rounds_of), 2),
        "ratio": round(statistics.median(guided[0] / plain[0] for plain, guided in rounds_of), 3),
        "ratio of processor time": round(statistics.median(guided[1] / plain[1] for plain, guided in rounds_of), 3),
    }


def main() -> None:
    """Measure, and print one JSON object a line."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    for threads in map(int, (sys.argv[2] if sys.argv[2:] else "1,2").split(",")):
        torch.set_num_threads(threads)
        for name, (build, batch) in NETWORKS.items():
            print(json.dumps({f"{name}, threads: {threads}": measured(build, batch, rounds)}), flush=True)


if __name__ == "__main__":
    main()
