"""Speed as ratios, each pair measured in turn in one run on one thread: `make bench`."""

import json
import os
import statistics
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
from ate.sim.rollout import rollout
from ate.steer import Guidance, GuidedPolicy, OptimConfig, finetune, finetune_methods

ROUNDS = 5


def ratio(one: Callable[[], object], other: Callable[[], object]) -> dict[str, float]:
    """Median seconds of both and the median of their ratios, round by round, after one warm-up."""
    pairs = []
    for index in range(ROUNDS + 1):
        seconds = []
        for work in (one, other):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        if index:
            pairs.append(seconds)
    return {
        "seconds": statistics.median(a for a, _ in pairs),
        "other_seconds": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def main() -> None:
    """Measure and print one JSON object."""
    torch.set_num_threads(1)
    new = load(SHIPPED / "lift" / "adapt" / "ur5e").select(range(25))
    policy = build([new], 16, seed=0, width=8)
    config = preset("demo")
    vae = InfoVAE(VAEConfig(8, config.latent, config.layers, config.heads, config.feedforward, 0.0))
    steps, lams = 40, (0.25, 0.5, 1.0, 2.0)

    def guided(lam: float) -> Guidance:
        return Guidance(vae, "paper", lam=lam, clamp=0.1)

    methods = {f"{lam}": GuidedPolicy(policy, guided(lam)) for lam in lams}
    generator = torch.Generator().manual_seed(0)
    results = {
        "guided over plain fine-tuning step": ratio(
            lambda: finetune(policy, new, guided(2.0), steps=steps), lambda: finetune(policy, new, steps=steps)
        ),
        "4 methods on a shared stream over 4 runs of their own": ratio(
            lambda: finetune_methods(methods, new, OptimConfig(steps)),
            lambda: [finetune(policy, new, guided(lam), steps=steps) for lam in lams],
        ),
        "100 rollouts over 400 fine-tuning steps": ratio(
            lambda: rollout(
                lambda q, s: policy.moved_to(policy.spaces[0]).act(q, s, generator),
                "ur5e",
                "lift",
                range(100),
                threads=1,
            ),
            lambda: finetune(policy, new, steps=400),
        ),
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
