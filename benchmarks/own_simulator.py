"""Any gymnasium environment by its address, without data or training: a policy that holds its position.

python -m benchmarks.own_simulator ADDRESS --rollouts 10 --steps 50

It shows whether an address is right, what an observation holds, how many steps a second there are, and the success of
doing nothing, with its interval.
"""

import argparse
import time

import numpy as np

from ate.experiments.stats.comparisons import wilson
from ate.sim.gym_address import GymAddress
from ate.sim.gym_simulator import describe
from ate.sim.rollout import rollout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--rollouts", type=int, default=10)
    parser.add_argument("--steps", type=int, default=None)
    given = parser.parse_args()
    print(describe(GymAddress.parse(given.address)))
    began = time.monotonic()
    outcome = rollout(
        lambda qpos, state: np.repeat(qpos[:, None], 8, axis=1), "robot", given.address, range(given.rollouts),
        horizon_steps=given.steps,
    )  # fmt: skip
    seconds, successes = time.monotonic() - began, int(outcome.success.sum())
    low, high = wilson(successes, given.rollouts)
    print(f"holding still: {successes} of {given.rollouts} (95 % Wilson interval {low:.0%} to {high:.0%}), ", end="")
    print(f"{outcome.steps.sum()} steps, {outcome.steps.sum() / seconds:.1f} a second")


if __name__ == "__main__":
    main()
