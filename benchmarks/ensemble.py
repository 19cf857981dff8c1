"""A grid of 5 λ × 5 clamps over one guided run, methods one by one on a shared stream and stacked: `make bench`.

Medians of rounds taken in turn in one run, on the CPU and on a GPU where there is one. What is the same for any number
of methods, say reading data and encoding it once, is part of both sides, as it is in use.

    python -m benchmarks.ensemble [ROUNDS]
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from ate.align.config import preset
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data import load
from ate.experiments.settings import SHIPPED
from ate.policies import build
from ate.steer import Guidance, GuidedPolicy, OptimConfig, finetune_methods

ROUNDS, STEPS = 5, 40
LAMS, CLAMPS = (0.25, 0.5, 1.0, 2.0, 4.0), (0.02, 0.05, 0.1, 0.5, 2.0)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of all threads."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began, time.process_time() - worked


def measured(rounds: int) -> dict[str, object]:
    """Seconds of a single run, and the grid's in units of it."""
    new = load(SHIPPED / "lift" / "adapt" / "ur5e").select(range(25))
    policy, config = build([new], 16, seed=0, width=8), preset("demo")
    vae = InfoVAE(VAEConfig(8, config.latent, config.layers, config.heads, config.feedforward, 0.0))
    grid = {
        f"{lam} {clamp}": GuidedPolicy(policy, Guidance(vae, "paper", lam=lam, clamp=clamp))
        for lam in LAMS
        for clamp in CLAMPS
    }
    single = {"one": GuidedPolicy(policy, Guidance(vae, "paper", lam=2.0, clamp=0.1))}

    def run(methods: dict[str, GuidedPolicy], stacked: bool) -> tuple[float, float]:
        return seconds(lambda: finetune_methods(methods, new, OptimConfig(STEPS), stacked=stacked))

    run(single, False), run(grid, True)
    found = [(run(single, False), run(grid, False), run(grid, True)) for _ in range(rounds)]
    told: dict[str, object] = {"single run, seconds": round(statistics.median(one[0] for one, _, _ in found), 3)}
    for kind, name in enumerate(("time", "processor time")):
        told[f"grid one by one, {name} over single"] = round(
            statistics.median(b[kind] / a[kind] for a, b, _ in found), 2
        )
        told[f"grid stacked, {name} over single"] = round(statistics.median(c[kind] / a[kind] for a, _, c in found), 2)
    return told


def main() -> None:
    """Measure and print one JSON object."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    found = {}
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        os.environ["ATE_DEVICE"] = device
        found[device] = measured(rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
