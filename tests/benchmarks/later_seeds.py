"""Later seeds: arms of a sweep on the training seeds that a first look did not have.

    python -m tests.benchmarks.later_seeds RUN FIRST_SEED

prints every arm against λ = 0, and every guided arm against its random encoder, on seeds from FIRST_SEED on.
"""

import sys
from pathlib import Path

from ate.ablate.cells import kept
from ate.ablate.grid import DIRECT
from ate.ablate.statistics import differences, summarise, verdict

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
