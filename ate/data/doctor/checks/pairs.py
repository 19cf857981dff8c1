"""Pairs: a joint here and the same one of the pre-training sets, by name or unified slot; and columns exchanged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ate.data.doctor.checks.distances import MOST_ROWS, distance
from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.finding import FAIL, Finding
from ate.errors import InputError

# Rows a joint: every joint is compared with every other.
ROWS = 400
# The exchanged columns must together lie this much closer than as they stand.
CLOSER = 0.4
# And the plain distances be this share of the joints' spread at least: alike joints have no order.
APART = 0.25


@dataclass(frozen=True, eq=False)
class Pair:
    """One joint in both.

    Attributes:
        joint: its column here.
        columns: of each pre-training set that has it: which set, and its column there.
        named: whether they share its name, rather than only its place.
        own, other: rows here and there, at most `MOST_ROWS` each.
        spread, other_spread: ranges from 1st to 99th percentile; of several sets, the largest of them.
        least: range below which the joint counts as standing still.
        together: correlation of the mean motions over an episode's course.
        start, other_start: median first values.
    """

    joint: int
    columns: tuple[tuple[int, int], ...]
    named: bool
    own: np.ndarray
    other: np.ndarray
    spread: float
    other_spread: float
    least: float
    together: float
    start: float
    other_start: float


def pairs(data: ExaminedSet) -> list[Pair]:
    """Every joint of the data that some pre-training set has too."""
    slots = _slots(data)
    paired = []
    for j, name in enumerate(data.names):
        columns = [(i, o.names.index(name)) for i, o in enumerate(data.against) if name in o.names]
        named = bool(columns)
        if not columns and slots is not None:
            columns = [(i, row.index(slots[0][j])) for i, row in enumerate(slots[1:]) if slots[0][j] in row]
        if columns:
            paired.append(_pair(data, j, columns, named))
    return paired


def thinned(rows: np.ndarray, most: int = MOST_ROWS) -> np.ndarray:
    """Evenly strided rows, at most about `most`."""
    return rows[:: max(-(-len(rows) // most), 1)]


def _pair(data: ExaminedSet, j: int, columns: Sequence[tuple[int, int]], named: bool) -> Pair:
    most = max(MOST_ROWS // len(columns), 200)
    others = [thinned(data.against[i].facts.rows[:, c], most) for i, c in columns]
    own = thinned(data.facts.rows[:, j])
    courses = np.concatenate([[item.course[:, c] for item in data.against[i].facts.summaries] for i, c in columns])
    own_courses = np.array([item.course[:, j] for item in data.facts.summaries])
    return Pair(
        j,
        tuple(columns),
        named,
        own,
        np.concatenate(others),
        _spread(own),
        max(_spread(rows) for rows in others),
        float(data.near_ranges[j]),
        _correlation(own_courses.mean(0), courses.mean(0)),
        float(np.median(own_courses[:, 0])),
        float(np.median(courses[:, 0])),
    )


def _spread(rows: np.ndarray) -> float:
    low, high = np.quantile(rows, [0.01, 0.99])
    return float(high - low)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 1e-9 else 0.0


def _slots(data: ExaminedSet) -> list[tuple[int, ...]] | None:
    """Slots of this set's columns and of every pre-training set's, None where columns have no place."""
    from ate.robots.slots import unify

    sets = (data, *data.against)
    try:
        bodies = unify([item.episodes for item in sets], profiles=[item.profile for item in sets])
    except InputError:
        # Without places joints pair by name alone.
        return None
    return [body.slots for body in bodies]


def swaps(data: ExaminedSet, paired: list[Pair]) -> Iterator[Finding]:
    """Joints whose columns were exchanged, each with the one it fits; only among joints that share names."""
    from scipy.optimize import linear_sum_assignment

    named = [pair for pair in paired if pair.named and not np.isnan(pair.spread)]
    if len(named) < 2:
        return
    own = [thinned(pair.own, ROWS) for pair in named]
    other = [thinned(pair.other, ROWS) for pair in named]
    cost = np.array([[distance(a, b) for b in other] for a in own])
    _, columns = linear_sum_assignment(cost)
    for group in _cycles(columns.tolist()):
        plain = sum(cost[i, i] for i in group)
        crossed = sum(cost[i, columns[i]] for i in group)
        spread = sum(max(named[i].spread, named[i].other_spread) for i in group)
        if crossed < CLOSER * plain and plain > APART * spread:
            for i in group:
                yield _swap(data, named, i, int(columns[i]), cost)


def _cycles(mapping: list[int]) -> list[list[int]]:
    """Groups of joints that are exchanged among themselves."""
    left, groups = {i for i, k in enumerate(mapping) if i != k}, []
    while left:
        group = [min(left)]
        while mapping[group[-1]] != group[0]:
            group.append(mapping[group[-1]])
        left -= set(group)
        groups.append(group)
    return groups


def _swap(data: ExaminedSet, named: list[Pair], i: int, k: int, cost: np.ndarray) -> Finding:
    name, fits = data.names[named[i].joint], data.names[named[k].joint]
    own, other = ({side for side in ("left", "right") if side in joint.lower()} for joint in (name, fits))
    arms = own and other and own != other
    return Finding(
        FAIL, "against_order.left_right" if arms else "against_order.columns", name,
        f"{'left and right swapped' if arms else 'columns swapped'}: {name} fits {fits} of the pre-training set "
        f"({cost[i, k]:.3g} away, from {name} itself {cost[i, i]:.3g})",
        f"{name} like {name} there", f"move the column of {name} to {fits}" + (", arm by arm" if arms else ""),
        joint=name,
    )  # fmt: skip
