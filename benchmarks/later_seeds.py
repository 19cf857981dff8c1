"""Later seeds: methods of a sweep on the training seeds that a first look did not have.

    python -m benchmarks.later_seeds RUN FIRST_SEED

prints every method against λ = 0, and every guided method against its random encoder, on seeds from FIRST_SEED on.
"""

import sys
from pathlib import Path

from ate.experiments.methods import DIRECT
from ate.experiments.stats.comparisons import differences, summarise, verdict
from ate.experiments.store import load_results

if __name__ == "__main__":
    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    results = [result for result in load_results(folder / "results") if result.seed >= first]
    for method in summarise(results):
        print(f"{method.method}: {method.successes} of {method.trials}, {100 * method.rate:.1f} %")
    for row in differences(results):
        print(verdict(row))
    for control in dict.fromkeys(r.method for r in results if r.encoder == "random"):
        for row in differences([r for r in results if r.method != DIRECT], baseline=control):
            print(verdict(row))
