"""Unseen modes: is a share of the adaptation chunks where pre-training has never been, and which chunks are?

Chunks of one episode resemble each other, so whole episodes are counted and permuted:

1. Pre-training and adaptation episodes are assigned at random to the same folds. The episodes of one fold are tested;
   of the other folds, one sets a threshold and the rest are the reference.
2. A chunk's distance from the reference is measured in the local spacing: min_j ‖x − r_j‖ / R_j, with R_j the distance
   of reference point r_j to its k-th neighbour. A chunk is *far* above the 99 % quantile of the fold that sets the
   threshold. A sparse mode has wide spacing, so a robot that only visits that mode is not far.
3. There are two statistics. The share of far adaptation chunks detects a few episodes that are far as a whole. The mean
   rank of the episodes by their shares detects a part of each episode. The null permutes the labels "adaptation" and
   "pre-training" within each fold. The p-value is that of the smaller of the two, in the same permutations.

Given reference and threshold, all permutations are equally likely if adaptation episodes are distributed as
pre-training episodes are. The p-value is then exact; for a subset of modes, as far as local spacing makes modes alike.

Limit: k episodes that are far as a whole, among M of N + M, have no p-value below about (M / (N + M))^k.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from scipy.stats import rankdata, wasserstein_distance
from sklearn.neighbors import NearestNeighbors

from ate.align.alignment import Alignment
from ate.align.evaluate.containment import (
    MOST_POINTS,
    NEIGHBOURS,
    TAIL,
    Band,
    band,
    distances,
    enough_episodes,
    splits,
    subsample,
)
from ate.align.latents import Latents
from ate.data.episodes import Episodes

FOLDS = 5
PERMUTATIONS = 4999
MOST_TESTED = 10_000
# The level at which an unseen mode is reported.
LEVEL = 0.01
# For single chunks; wider than `TAIL`, because one odd pre-training episode may be 1 % of them and hide all others.
OUTSIDE_TAIL = 0.05
# Chunks inside and outside that are needed to compare their joints.
FEWEST_CHUNKS = 5


@dataclass(frozen=True)
class UnseenMode:
    """Result of the test.

    Args:
        p: p-value, one-sided.
        share: far adaptation chunks, as a share.
        null: the same share of held-out pre-training episodes, about 1 %: mean, lowest and highest of the folds.
        attainable: smallest p-value that these numbers of episodes and permutations allow.
        episodes: pre-training and adaptation episodes that were tested.
    """

    p: float
    share: float
    null: Band
    attainable: float
    episodes: tuple[int, int]


def unseen_mode(
    pretrain: np.ndarray,
    group: np.ndarray,
    adapt: np.ndarray,
    adapt_group: np.ndarray,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> UnseenMode:
    """Test whether adaptation latents hold a mode that pre-training lacks.

    Args:
        pretrain: pre-training latents (N, d).
        group: episode of each, (N,); at least 4 different ones.
        adapt: adaptation latents (M, d).
        adapt_group: episode of each, (M,).
        seed: seed of folds, subsamples and permutations.
        permutations: of the null.

    Raises:
        InputError: fewer than four pre-training episodes.
    """
    episodes, random = len(enough_episodes(group)), np.random.default_rng(seed)
    folds = min(FOLDS, episodes)
    pretrain_fold, adapt_fold = _folds(group, folds, random), _folds(adapt_group, folds, random)
    # One cap for all episodes of both sides, or episodes would no longer be exchangeable.
    cap = max(1, MOST_TESTED // (episodes + len(np.unique(adapt_group))))
    sides = ((pretrain, group, pretrain_fold), (adapt, adapt_group, adapt_fold))
    tested = []
    for fold in range(folds):
        threshold = pretrain_fold == (fold + 1) % folds
        reference = (pretrain_fold != fold) & ~threshold
        far = Far.beyond(subsample(pretrain[reference], random), subsample(pretrain[threshold], random))
        for side, (points, names, fold_of) in enumerate(sides):
            counts = _by_episode(points[fold_of == fold], names[fold_of == fold], far, cap, random)
            tested.append(np.column_stack([np.full(len(counts), fold), np.full(len(counts), side), counts]))
    return _permutation_test(np.concatenate(tested), permutations, random)


@dataclass(frozen=True, eq=False)
class Far:
    """Which latents are far from a reference, in its local spacing.

    Args:
        reference: (n, d).
        radius: distance of each reference point to its k-th neighbour, (n,).
        threshold: ratio above which a point is far.
    """

    reference: np.ndarray
    radius: np.ndarray
    threshold: float

    @classmethod
    def beyond(cls, reference: np.ndarray, others: np.ndarray, tail: float = TAIL) -> "Far":
        """The threshold leaves the share `tail` of `others`' ratios above it."""
        k = min(NEIGHBOURS, len(reference) - 1)
        radius = NearestNeighbors().fit(reference).kneighbors(reference, k + 1)[0][:, -1]
        unset = cls(reference, np.maximum(radius, np.finfo(np.float32).tiny), np.inf)
        return cls(reference, unset.radius, float(np.quantile(unset.ratio(others), 1.0 - tail)))

    def ratio(self, points: np.ndarray) -> np.ndarray:
        """min_j ‖x − r_j‖ / R_j of each point, (n,)."""
        return (distances(points, self.reference) / self.radius).min(1)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Whether each point is far, bool (n,)."""
        return self.ratio(points) > self.threshold


def _folds(group: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """A fold for each row, the same for all rows of an episode, folds of equal numbers of episodes."""
    episodes, row = np.unique(group, return_inverse=True)
    return ((random.permutation(len(episodes)) + random.integers(folds)) % folds)[row]


def _by_episode(points: np.ndarray, group: np.ndarray, far: Far, cap: int, random: np.random.Generator) -> np.ndarray:
    """Far chunks and chunks of each episode, (n_episodes, 2), at most `cap` chunks of each."""
    if not len(group):
        return np.empty((0, 2))
    kept = np.concatenate([random.permutation(np.flatnonzero(group == name))[:cap] for name in np.unique(group)])
    _, row = np.unique(group[kept], return_inverse=True)
    return np.column_stack([np.bincount(row, far(points[kept])), np.bincount(row)])


def _permutation_test(tested: np.ndarray, permutations: int, random: np.random.Generator) -> UnseenMode:
    """The permutation test on rows (fold, adaptation or not, far chunks, chunks), one an episode."""
    fold, is_adapt, far, chunks = tested.T
    share, is_pretrain = far / chunks, is_adapt == 0
    # Column 0 holds the observed labels, which count as one permutation: otherwise p could be 0.
    sums = np.zeros((3, 1 + permutations))
    possible = 1.0
    for number in np.unique(fold):
        inside = fold == number
        adapt_count = int(is_adapt[inside].sum())
        keys = random.random((1 + permutations, int(inside.sum())))
        keys[0] = -is_adapt[inside]
        chosen = keys.argsort(1)[:, :adapt_count]
        sums += np.stack([values[inside][chosen].sum(1) for values in (far, chunks, rankdata(share))])
        possible *= comb(int(inside.sum()), adapt_count)
    ps = np.stack([_upper(sums[0] / sums[1]), _upper(sums[2])])
    null = [far[is_pretrain & (fold == f)].sum() / chunks[is_pretrain & (fold == f)].sum() for f in np.unique(fold)]
    return UnseenMode(
        p=float(_upper(-ps.min(0))[0]),
        share=float(sums[0, 0] / sums[1, 0]),
        null=band(np.array(null)),
        attainable=max(1.0 / possible, 1.0 / (1 + permutations)),
        episodes=(int(is_pretrain.sum()), int(is_adapt.sum())),
    )


def _upper(values: np.ndarray) -> np.ndarray:
    """Share of all values that are at least as large as each, (n,): its one-sided p-value among them."""
    rounded = np.round(values, 9)
    return 1.0 - np.searchsorted(np.sort(rounded), rounded) / len(values)


@dataclass(frozen=True)
class Outliers:
    """Which adaptation episodes and joints are outside the pre-training distribution; the worst first.

    Args:
        share: outside chunks as a share of all; held-out pre-training has about 5 %.
        episodes: share of outside chunks of each adaptation episode that has any.
        joints: distance between a joint's standardised values in outside and in inside chunks (first Wasserstein
            distance, in standard deviations over all chunks); empty if nearly all are inside, or nearly all
            outside.
    """

    share: float
    episodes: dict[str, float]
    joints: dict[str, float]


def outliers(alignment: Alignment, pretrain: Latents, adapt: Latents, episodes: Episodes, seed: int = 0) -> Outliers:
    """Find the outside chunks by a vote of five splits of the pre-training episodes, by their distance in `Far`.

    Args:
        alignment: whose latents they are.
        pretrain: pre-training latents.
        adapt: adaptation latents, of all chunks of `episodes` in their order.
        episodes: the adaptation episodes.
        seed: seed of splits and subsamples.

    Raises:
        InputError: fewer than four pre-training episodes.
    """
    random = np.random.default_rng(seed)
    kept = np.sort(random.permutation(len(adapt))[:MOST_POINTS])
    outside = votes(pretrain.mean, pretrain.group, adapt.mean[kept], random)
    names = adapt.episode[kept]
    shares = {str(name): float(outside[names == name].mean()) for name in dict.fromkeys(names)}
    return Outliers(
        share=float(outside.mean()),
        episodes=_worst({name: share for name, share in shares.items() if share > 0}),
        joints=_joints(alignment, episodes, kept, outside),
    )


def votes(pretrain: np.ndarray, group: np.ndarray, adapt: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Whether most of five splits of pre-training (N, d), episodes `group`, find each of `adapt` (M, d) far, (M,)."""
    ballots = []
    for half, quarter, _ in splits(group, random):
        far = Far.beyond(subsample(pretrain[half], random), subsample(pretrain[quarter], random), OUTSIDE_TAIL)
        ballots.append(far(adapt.astype(np.float64)))
    return np.mean(ballots, axis=0) > 0.5


def _joints(alignment: Alignment, episodes: Episodes, kept: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    if min(outside.sum(), (~outside).sum()) < FEWEST_CHUNKS:
        return {}
    chunks = alignment.chunks(episodes)
    values = chunks.gather(torch.from_numpy(kept).to(chunks.rows.device)).cpu().double().numpy()
    scale = values.std((0, 1))
    distance = {
        name: float(wasserstein_distance(values[outside, :, j].ravel(), values[~outside, :, j].ravel()) / scale[j])
        for j, name in enumerate(alignment.seen[-1].embodiment.joint_names)
        if scale[j] > 0
    }
    return _worst(distance)


def _worst(named: dict[str, float]) -> dict[str, float]:
    return dict(sorted(named.items(), key=lambda item: -item[1]))
