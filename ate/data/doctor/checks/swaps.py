"""Swaps: columns that fit another joint of the pre-training set better than their own, left and right above all."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.checks.pairs import Pair, distance, thinned
from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.report import FAIL, Finding

# Rows a joint: every joint is compared with every other.
ROWS = 400
# The exchanged columns must together lie this much closer than as they stand.
CLOSER = 0.4
# And the plain distances be this share of the joints' spread at least: alike joints have no order.
APART = 0.25


def swaps(data: ExaminedSet, paired: list[Pair]) -> Iterator[Finding]:
    """Joints whose columns were exchanged, each with the one it fits; only among joints that share names."""
    from scipy.optimize import linear_sum_assignment

    named = [pair for pair in paired if pair.named and not np.isnan(pair.spread)]
    if len(named) < 2:
        return
    own = [thinned(pair.own, ROWS) for pair in named]
    other = [thinned(pair.other, ROWS) for pair in named]
    cost = np.array([[distance(a, b) for b in other] for a in own])
    rows, columns = linear_sum_assignment(cost)
    for group in _cycles(dict(zip(rows.tolist(), columns.tolist(), strict=True))):
        plain = sum(cost[i, i] for i in group)
        crossed = sum(cost[i, columns[i]] for i in group)
        spread = sum(max(named[i].spread, named[i].other_spread) for i in group)
        if crossed < CLOSER * plain and plain > APART * spread:
            for i in group:
                yield _finding(data, named, i, int(columns[i]), cost)


def _cycles(mapping: dict[int, int]) -> list[list[int]]:
    """Groups of joints that are exchanged among themselves."""
    left, groups = {i for i, k in mapping.items() if i != k}, []
    while left:
        start = min(left)
        group = [start]
        while mapping[group[-1]] != start:
            group.append(mapping[group[-1]])
        left -= set(group)
        groups.append(group)
    return groups


def _finding(data: ExaminedSet, named: list[Pair], i: int, k: int, cost: np.ndarray) -> Finding:
    name, fits = data.names[named[i].joint], data.names[named[k].joint]
    sides = (
        {side for side in ("left", "right") if side in name.lower()},
        {side for side in ("left", "right") if side in fits.lower()},
    )
    arms = sides[0] and sides[1] and sides[0] != sides[1]
    return Finding(
        FAIL, "against_order.left_right" if arms else "against_order.columns", name,
        f"{'left and right swapped' if arms else 'columns swapped'}: {name} fits {fits} of the pre-training set "
        f"({cost[i, k]:.3g} away, from {name} itself {cost[i, i]:.3g})",
        f"{name} like {name} there", f"move the column of {name} to {fits}" + (", arm by arm" if arms else ""),
        joint=name,
    )  # fmt: skip
