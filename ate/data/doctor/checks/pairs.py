"""Pairs: a joint of this set beside the same joint of the pre-training sets, by name, else by its unified slot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ate.data.doctor.case import Case
from ate.data.doctor.checks.constants import near_ranges
from ate.data.doctor.checks.distances import MOST_ROWS
from ate.errors import InputError


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


def pairs(case: Case) -> list[Pair]:
    """Every joint of the case that some pre-training set has too."""
    slots = _slots(case)
    found = []
    for j, name in enumerate(case.names):
        columns = [(i, o.names.index(name)) for i, o in enumerate(case.against) if name in o.names]
        named = bool(columns)
        if not columns and slots is not None:
            columns = [(i, row.index(slots[0][j])) for i, row in enumerate(slots[1:]) if slots[0][j] in row]
        if columns:
            found.append(_pair(case, j, columns, named))
    return found


def thinned(rows: np.ndarray, most: int = MOST_ROWS) -> np.ndarray:
    """Every so manieth row, at most about `most`."""
    return rows[:: max(-(-len(rows) // most), 1)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein-1 distance in data units."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(a, b))


def _pair(case: Case, j: int, columns: Sequence[tuple[int, int]], named: bool) -> Pair:
    most = max(MOST_ROWS // len(columns), 200)
    others = [thinned(case.against[i].facts.rows[:, c], most) for i, c in columns]
    own = thinned(case.facts.rows[:, j])
    courses = np.concatenate([[item.course[:, c] for item in case.against[i].facts.looks] for i, c in columns])
    mine = np.array([item.course[:, j] for item in case.facts.looks])
    return Pair(
        j,
        tuple(columns),
        named,
        own,
        np.concatenate(others),
        _spread(own),
        max(_spread(rows) for rows in others),
        float(near_ranges(case)[j]),
        _correlation(mine.mean(0), courses.mean(0)),
        float(np.median(mine[:, 0])),
        float(np.median(courses[:, 0])),
    )


def _spread(rows: np.ndarray) -> float:
    low, high = np.quantile(rows, [0.01, 0.99])
    return float(high - low)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 1e-9 else 0.0


def _slots(case: Case) -> list[tuple[int, ...]] | None:
    """Slots of this set's columns and of every pre-training set's, None where columns have no place."""
    from ate.robots.slots import unify

    cases = (case, *case.against)
    try:
        bodies = unify([item.episodes for item in cases], profiles=[item.profile for item in cases])
    except InputError:
        # Without places there is nothing to put side by side; names still pair.
        return None
    return [body.slots for body in bodies]
