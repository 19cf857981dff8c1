"""Pairs: a joint of this set and the same joint of the pre-training sets, by name, else by its unified slot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ate.data.doctor.checks.distances import MOST_ROWS
from ate.data.doctor.examined_set import ExaminedSet
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


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein-1 distance in data units."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(a, b))


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
