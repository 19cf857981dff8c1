"""Later seeds: arms of a sweep on the training seeds that a first look did not have.

    python -m benchmarks.later_seeds RUN FIRST_SEED

prints every arm against λ = 0, and every guided arm against its random encoder, on seeds from FIRST_SEED on.
"""

import sys
from pathlib import Path

from ate.experiments.methods import DIRECT
from ate.experiments.stats.comparisons import differences, summarise, verdict
from ate.experiments.store import kept

if __name__ == "__main__":
    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    results = [result for result in kept(folder / "results") if result.seed >= first]
    for arm in summarise(results):
        print(f"{arm.arm}: {arm.successes} of {arm.trials}, {100 * arm.rate:.1f} %")
    for row in differences(results):
        print(verdict(row))
    for control in dict.fromkeys(r.arm for r in results if r.encoder == "random"):
        for row in differences([r for r in results if r.arm != DIRECT], baseline=control):
            print(verdict(row))
