"""Distances of joints: how far the adaptation data lie from the pre-training data, with a null distribution."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ate.data.episodes import Episodes

# Rows a side: the distance of two samples of one distribution of this size is about a hundredth of its spread.
MOST_ROWS = 2000


@dataclass(frozen=True)
class JointDistance:
    """One joint of the adaptation set, compared with the same place of the pre-training sets.

    Attributes:
        joint: its name in the adaptation set.
        slot: its slot in the compact unified vector of all sets.
        distance: Wasserstein-1 distance to the rows of all pre-training sets that use the slot, data units; NaN where
            none does.
        null_median, null_high: median and 95 % quantile of that distance for pre-training episodes drawn at random, as
            many as the adaptation set has (at most half of them), against the rest.
        outside: share of adaptation rows outside the 1–99 % range of the pre-training rows.
    """

    joint: str
    slot: int
    distance: float
    null_median: float
    null_high: float
    outside: float


def joint_distances(
    pretrain: Sequence[Episodes], adapt: Episodes, seed: int = 0, draws: int = 200
) -> tuple[JointDistance, ...]:
    """Distances of every joint of `adapt`; joints are paired by their slots.

    Args:
        pretrain: the pre-training sets, one a robot.
        adapt: the adaptation set.
        seed: seed of the rows and episodes that are drawn.
        draws: draws of the null.

    Raises:
        InputError: values that cannot be read, or columns without a place.
    """
    from ate.robots.slots import unify

    bodies = unify([*pretrain, adapt])
    rng = np.random.default_rng(seed)
    groups = [_sampled(item, len(pretrain), rng) for item in pretrain]
    own = np.concatenate(_sampled(adapt, 1, rng))
    distances = []
    for j, (name, slot) in enumerate(zip(adapt.joint_names, bodies[-1].slots, strict=True)):
        parts = [
            rows[:, body.slots.index(slot)]
            for group, body in zip(groups, bodies[:-1], strict=True)
            if slot in body.slots
            for rows in group
        ]
        if not parts:
            distances.append(JointDistance(name, slot, np.nan, np.nan, np.nan, np.nan))
            continue
        rows, null = np.concatenate(parts), list(_null(parts, len(adapt), draws, rng)) or [np.nan]
        median, high = float(np.median(null)), float(np.quantile(null, 0.95))
        away, share = distance(rows, own[:, j]), outside(own[:, j], rows)
        distances.append(JointDistance(name, slot, away, median, high, share))
    return tuple(distances)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein-1 distance in data units."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(a, b))


def outside(own: np.ndarray, other: np.ndarray) -> float:
    """Share of `own` outside the 1–99 % range of `other`."""
    low, high = np.quantile(other, [0.01, 0.99])
    return float(((own < low) | (own > high)).mean())


def _sampled(episodes: Episodes, sets: int, rng: np.random.Generator) -> list[np.ndarray]:
    """About `MOST_ROWS / sets` rows of a set, spread over its episodes."""
    share = min(1.0, MOST_ROWS / sets / float(episodes.lengths.sum()))
    parts = []
    for index in range(len(episodes)):
        rows = episodes.series(index)
        count = max(round(share * len(rows)), 1)
        parts.append(rows[np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))])
    return parts


def _null(parts: list[np.ndarray], count: int, draws: int, rng: np.random.Generator) -> Iterator[float]:
    size = min(count, len(parts) // 2)
    if not size:
        return
    for _ in range(draws):
        order = rng.permutation(len(parts))
        held, rest = ([parts[i] for i in order[:size]], [parts[i] for i in order[size:]])
        yield distance(np.concatenate(held), np.concatenate(rest))
