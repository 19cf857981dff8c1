"""Containment: do adaptation latents lie inside the pre-training distribution?

Two numbers, each compared with what held-out pre-training episodes score:

* precision (PRDC): share of points inside the k-nearest-neighbour balls of the pre-training latents;
* tail: share of points whose k-nearest-neighbour log density, log p = −d · log r_k + const, lies below the 1 %
  quantile of pre-training.

The null is computed in several splits by episode, so that overlapping chunks of one episode are never on both sides.

Source: precision of Kynkäänniemi et al., arXiv 1904.06991, as in PRDC, arXiv 2002.09797.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ate.errors import InputError

NEIGHBOURS = 5
TAIL = 0.01
SPLITS = 5
MOST_POINTS = 2000
Band = tuple[float, float, float]


@dataclass(frozen=True)
class Containment:
    """Numbers over the splits: the mean for adaptation, and for held-out pre-training mean and band.

    Args:
        precision: of the adaptation latents.
        precision_null: mean, lowest and highest precision of held-out pre-training latents.
        tail: share of the adaptation latents in the 1 % tail of pre-training density.
        tail_null: mean, lowest and highest of the same share of held-out pre-training latents.
    """

    precision: float
    precision_null: Band
    tail: float
    tail_null: Band


def containment(pretrain: np.ndarray, group: np.ndarray, adapt: np.ndarray, seed: int = 0) -> Containment:
    """Precision and tail of `adapt` (M, d) in `pretrain` (N, d), whose rows belong to the episodes `group` (N,).

    Each of five splits takes half of the episodes as the reference, a quarter to set the 1 % threshold and a quarter
    as the null, and at most 2,000 points of each.

    Raises:
        InputError: fewer than four pre-training episodes.
    """
    random = np.random.default_rng(seed)
    scores = []
    for parts in splits(group, random):
        reference, calibrate, null = (subsample(pretrain[part], random) for part in parts)
        scores.append(_score(reference, calibrate, null, subsample(adapt, random)))
    precision, precision_null, tail, tail_null = np.array(scores).T
    return Containment(float(precision.mean()), band(precision_null), float(tail.mean()), band(tail_null))


def _score(
    reference: np.ndarray, calibrate: np.ndarray, null: np.ndarray, adapt: np.ndarray
) -> tuple[float, float, float, float]:
    """Precision of `adapt` and of `null`, then their tails, all against `reference`."""
    index = NearestNeighbors().fit(reference)
    k = min(NEIGHBOURS, len(reference) - 1)
    radii = index.kneighbors(reference, k + 1)[0][:, -1]
    # Density falls with the distance to the k-th neighbour, so its 1 % quantile is the distances' 99 % one.
    threshold = np.quantile(index.kneighbors(calibrate, k)[0][:, -1], 1.0 - TAIL)

    def precision(points: np.ndarray) -> float:
        return float((distances(points, reference) <= radii[None, :]).any(1).mean())

    def tail(points: np.ndarray) -> float:
        return float((index.kneighbors(points, k)[0][:, -1] > threshold).mean())

    return precision(adapt), precision(null), tail(adapt), tail(null)


def splits(
    group: np.ndarray, random: np.random.Generator, count: int = SPLITS
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of a half, a quarter and the last quarter of the episodes in `group` (N,), as bool (N,), `count` times.

    Raises:
        InputError: fewer than four episodes.
    """
    episodes = enough_episodes(group)
    for _ in range(count):
        order = random.permutation(episodes)
        half, quarter = len(order) // 2, max(1, len(order) // 4)
        yield (
            np.isin(group, order[:half]),
            np.isin(group, order[half : half + quarter]),
            np.isin(group, order[half + quarter :]),
        )


def enough_episodes(group: np.ndarray) -> np.ndarray:
    """The different episodes of `group` (N,).

    Raises:
        InputError: fewer than four.
    """
    episodes = np.unique(group)
    if len(episodes) < 4:
        raise InputError(
            f"{len(episodes)} pre-training episodes",
            where="scorecard",
            expected="at least 4",
            fix="pass more pre-training episodes: the null is taken from held-out ones",
        )
    return episodes


def subsample(points: np.ndarray, random: np.random.Generator, most: int = MOST_POINTS) -> np.ndarray:
    """At most `most` rows of `points` (N, d), float64."""
    if len(points) <= most:
        return points.astype(np.float64)
    return points[random.choice(len(points), most, replace=False)].astype(np.float64)


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖x_i − y_j‖, (n, d) and (m, d) -> (n, m)."""
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2.0 * x @ y.T
    return np.sqrt(np.maximum(squares, 0.0))


def band(values: np.ndarray) -> Band:
    """Mean, lowest and highest of some values."""
    return float(values.mean()), float(values.min()), float(values.max())
