"""Pairing: success of every rollout by method and training seed, and differences rollout by rollout.

Methods of one training seed share demonstrations, batches and noise, and all are rolled out from the same start
situations: rollout r of a method has its counterpart in rollout r of the baseline.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ate.errors import InputError
from ate.experiments.results import RunResult

WHERE = "results to compare"


def outcomes(results: Sequence[RunResult]) -> dict[str, dict[int, np.ndarray]]:
    """Success of every rollout, 0 or 1, `(R,)`, by method (in order of first appearance) and training seed (ascending).

    Raises:
        InputError: a result without rollouts, or a method that has a training seed twice.
    """
    tables: dict[str, dict[int, np.ndarray]] = {}
    for result in results:
        table = tables.setdefault(result.method, {})
        if not result.success or result.seed in table:
            expected, wrong = "rollouts of each method and training seed, once", "without rollouts"
            fix = "roll out in a robot and task of ate.sim, or judge by held-out errors"
            if result.success:
                wrong, fix = "twice", "compare one parameterisation, number of demonstrations and of steps at a time"
            got = f"training seed {result.seed} of {result.method!r} {wrong}"
            raise InputError(got, where=WHERE, expected=expected, fix=fix)
        table[result.seed] = np.asarray(result.success, float)
    return {method: dict(sorted(table.items())) for method, table in tables.items()}


def gaps(tables: Mapping[str, Mapping[int, np.ndarray]], method: str, baseline: str) -> np.ndarray:
    """Paired differences of single rollouts, −1, 0 or 1, `(n, R)`: training seeds × rollout seeds.

    Args:
        tables: `outcomes` of both methods.
        method: its name.
        baseline: the other's.

    Raises:
        InputError: a method that is not there, or other training seeds or numbers of rollouts than the baseline's.
    """
    for name in (method, baseline):
        if name not in tables:
            expected = f"{'the baseline ' if name == baseline else ''}{name!r} among them"
            fix = "train it with the same seeds"
            raise InputError(f"methods {sorted(tables)}", where=WHERE, expected=expected, fix=fix)
    own, base = tables[method], tables[baseline]
    shapes = [{seed: len(row) for seed, row in table.items()} for table in (own, base)]
    if shapes[0] != shapes[1] or len(set(shapes[0].values())) > 1:
        got = f"{_counts(shapes[0])} of {method!r} against {_counts(shapes[1])} of {baseline!r}"
        expected = "the same training seeds, each with the same rollout seeds"
        fix = "train and roll out both methods with the same seeds"
        raise InputError(got, where=WHERE, expected=expected, fix=fix)
    return np.stack([own[seed] - base[seed] for seed in own])


def _counts(shape: Mapping[int, int]) -> str:
    return f"seeds {list(shape)} with {sorted(set(shape.values()))} rollouts"
