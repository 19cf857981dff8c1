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
        columns = [
            [rows[:, body.slots.index(slot)] for rows in group]
            for group, body in zip(groups, bodies[:-1], strict=True)
            if slot in body.slots
        ]
        distances.append(_distance(name, slot, columns, own[:, j], len(adapt), draws, rng))
    return tuple(distances)


def _sampled(episodes: Episodes, sets: int, rng: np.random.Generator) -> list[np.ndarray]:
    """About `MOST_ROWS / sets` rows of a set, spread over its episodes."""
    share = min(1.0, MOST_ROWS / sets / float(episodes.lengths.sum()))
    parts = []
    for index in range(len(episodes)):
        rows = episodes.series(index)
        count = max(round(share * len(rows)), 1)
        parts.append(rows[np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))])
    return parts


def _distance(
    name: str,
    slot: int,
    columns: list[list[np.ndarray]],
    own: np.ndarray,
    count: int,
    draws: int,
    rng: np.random.Generator,
) -> JointDistance:
    if not columns:
        return JointDistance(name, slot, np.nan, np.nan, np.nan, np.nan)
    from scipy.stats import wasserstein_distance

    parts = [part for group in columns for part in group]
    rows = np.concatenate(parts)
    low, high = np.quantile(rows, [0.01, 0.99])
    null = list(_null(parts, count, draws, rng))
    return JointDistance(
        name,
        slot,
        float(wasserstein_distance(rows, own)),
        float(np.median(null)) if null else np.nan,
        float(np.quantile(null, 0.95)) if null else np.nan,
        float(((own < low) | (own > high)).mean()),
    )


def _null(parts: list[np.ndarray], count: int, draws: int, rng: np.random.Generator) -> Iterator[float]:
    from scipy.stats import wasserstein_distance

    size = min(count, len(parts) // 2)
    if not size:
        return
    for _ in range(draws):
        order = rng.permutation(len(parts))
        held, rest = ([parts[i] for i in order[:size]], [parts[i] for i in order[size:]])
        yield float(wasserstein_distance(np.concatenate(held), np.concatenate(rest)))
