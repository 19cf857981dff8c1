"""How often verdicts are wrong where the truth is known, and whether plans keep their power: `make truth`.

Fails where more than 5 % of sweeps without effect hold a false "helps" anywhere, or validate it on held-out seeds from
new start situations, or where plans for +10 points fall short of their power by more than Monte-Carlo error.
"""

import sys

import joblib

from ate.experiments.stats.power import POWER
from tests.experiments.simulated import ACTING, EFFECT, WORLDS, World, false_verdicts, kept_power, one_in_many


def main(sweeps: int) -> None:
    """Both cores of a small machine; every line has a generator of its own, so the numbers do not depend on that."""
    pool, job = joblib.Parallel(n_jobs=2, return_as="generator"), joblib.delayed
    print(f"No effect, {sweeps} sweeps of {World.cells} cells: false verdicts anywhere in a sweep; intervals holding 0")
    print(f"{'':30}  helps  hurts  validated  from the same starts | t, both levels  bootstrap  t over seeds alone")
    worst = 0.0
    for line, share in pool(job(false_verdicts)(name, world, sweeps) for name, world in WORLDS.items()):
        print(line, flush=True)
        worst = max(worst, share)
    print(f"\n+{100 * EFFECT:.0f} points, planned from a pilot of 8 seeds for {POWER:.0%} power")
    effects, lowest = {"noise 3 points": World(), "noise 8 points": ACTING}, 1.0
    plans = (job(kept_power)(name, world, m, sweeps) for name, world in effects.items() for m in (1, World.cells))
    for line, high in pool(plans):
        print(line, flush=True)
        lowest = min(lowest, high)
    for line in pool(job(one_in_many)(name, world, sweeps) for name, world in effects.items()):
        print(line, flush=True)
    if worst > 0.05 or lowest < POWER:
        sys.exit(f'false "helps" up to {worst:.1%}, power at most {lowest:.1%}')


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
