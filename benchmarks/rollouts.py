"""Rollouts of several policies together over one after the other, on one thread and on all cores: `make bench`.

python -m benchmarks.rollouts [ROUNDS [EPISODES]]
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from ate.data import load
from ate.experiments.settings import SHIPPED
from ate.policies import build
from ate.sim.rollout import rollout, rollout_many

ROUNDS, EPISODES, POLICIES = 3, 25, 4


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of all threads."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - worked


def measured(rounds: int, episodes: int) -> dict[str, float]:
    """Medians over rounds taken in turn; the policies are untrained, so that no episode ends early."""
    new = load(SHIPPED / "lift" / "adapt" / "ur5e").select([0, 1])
    networks = [build([new], 16, seed=seed, width=8) for seed in range(POLICIES)]

    def acting(seed: int) -> Callable[..., object]:
        generator = torch.Generator().manual_seed(seed)
        return lambda qpos, state: networks[seed].act(qpos, state, generator)

    def one_by_one(threads: int) -> None:
        for seed in range(POLICIES):
            rollout(acting(seed), "ur5e", "lift", range(episodes), threads=threads)

    def together(threads: int) -> None:
        rollout_many([acting(seed) for seed in range(POLICIES)], "ur5e", "lift", range(episodes), threads=threads)

    found: dict[str, float] = {}
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        pairs = [
            (seconds(lambda n=threads: together(n)), seconds(lambda n=threads: one_by_one(n))) for _ in range(rounds)
        ]
        for kind, name in enumerate(("time", "processor time")):
            ratio = statistics.median(a[kind] / b[kind] for a, b in pairs)
            found[f"together over one by one, {name}, threads: {threads}"] = round(ratio, 3)
    return found


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    print(json.dumps(measured(*(given + [ROUNDS, EPISODES][len(given) :])), indent=1))
