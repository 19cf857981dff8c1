"""Unseen modes: is a share of the adaptation chunks where pre-training has never been?

Chunks of one episode resemble each other, so episodes are what is counted and what is exchanged:

1. Pre-training episodes and adaptation episodes are dealt, by chance and whole, into the same folds. A fold's own
   episodes are put to the test; of the other folds, one sets a threshold and the rest are the reference.
2. A chunk's distance from the reference is measured in the local spacing: min_j ‖x − r_j‖ / R_j, with R_j the
   distance of reference point r_j to its k-th neighbour. A chunk is *far* above the 99 % quantile of the fold that
   sets the threshold. A sparse mode has wide spacing, so that a robot which only visits that mode is not far.
3. Two statistics look for it: the share of far adaptation chunks, for a few episodes that are far as a whole, and the
   mean rank of the episodes by their shares, for a part of every episode. Their null deals the labels "adaptation" and
   "pre-training" anew within each fold; the p-value is that of the smaller of the two in the same deals. Given
   reference and threshold, every deal is equally likely if adaptation episodes are drawn as pre-training episodes
   are, so the p-value is exact for that hypothesis, and for a subset of modes as far as local spacing makes modes
   alike.

What it cannot do: k episodes that are far as a whole, among M of N + M, have no p-value below about (M / (N + M))^k.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from ate.align.evaluate.containment import NEIGHBOURS, TAIL, Band, band, distances, enough_episodes, subsample

FOLDS = 5
PERMUTATIONS = 4999
MOST_REFERENCE = 2000
MOST_TESTED = 10_000
# The level at which an unseen mode is reported.
LEVEL = 0.01


@dataclass(frozen=True)
class UnseenMode:
    """What the test found.

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
    before: np.ndarray,
    group: np.ndarray,
    after: np.ndarray,
    after_group: np.ndarray,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> UnseenMode:
    """Test whether adaptation latents hold a mode that pre-training lacks.

    Args:
        before: pre-training latents (N, d).
        group: episode of each, (N,); at least 4 different ones.
        after: adaptation latents (M, d).
        after_group: episode of each, (M,).
        seed: seed of folds, subsamples and permutations.
        permutations: deals of the null.
    """
    enough_episodes(group)
    random = np.random.default_rng(seed)
    folds = min(FOLDS, len(np.unique(group)))
    old, new = _deal(group, folds, random), _deal(after_group, folds, random)
    # One cap for every episode of either side, or episodes would no longer be exchangeable.
    cap = max(1, MOST_TESTED // (len(np.unique(group)) + len(np.unique(after_group))))
    tested = []
    for fold in range(folds):
        rest, threshold = (old != fold) & (old != (fold + 1) % folds), old == (fold + 1) % folds
        far = Far.beyond(subsample(before[rest], random), subsample(before[threshold], random))
        for side, (points, names, dealt) in enumerate(((before, group, old), (after, after_group, new))):
            counts = _by_episode(points[dealt == fold], names[dealt == fold], far, cap, random)
            tested.append(np.column_stack([np.full(len(counts), fold), np.full(len(counts), side), counts]))
    return _judge(np.concatenate(tested), permutations, random)


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


def _deal(group: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """A fold for each row, the same for all rows of an episode, folds of equal numbers of episodes."""
    episodes, row = np.unique(group, return_inverse=True)
    return ((random.permutation(len(episodes)) + random.integers(folds)) % folds)[row]


def _by_episode(points: np.ndarray, group: np.ndarray, far: Far, cap: int, random: np.random.Generator) -> np.ndarray:
    """Far chunks and chunks of each episode, (n_episodes, 2), at most `cap` chunks of each."""
    kept = np.concatenate(
        [random.permutation(np.flatnonzero(group == episode))[:cap] for episode in np.unique(group)]
        or [np.empty(0, int)]
    )
    if not len(kept):
        return np.empty((0, 2))
    _, row = np.unique(group[kept], return_inverse=True)
    return np.column_stack([np.bincount(row, far(points[kept])), np.bincount(row)])


def _judge(tested: np.ndarray, permutations: int, random: np.random.Generator) -> UnseenMode:
    """The permutation test on rows (fold, adaptation or not, far chunks, chunks), one an episode."""
    fold, new, far, chunks = tested.T
    share, old = far / chunks, new == 0
    # Column 0 is the deal that was found, which counts as one of them: without it p could be 0.
    sums = np.zeros((3, 1 + permutations))
    deals = 1.0
    for number in np.unique(fold):
        mine = fold == number
        drawn = int(new[mine].sum())
        keys = random.random((1 + permutations, int(mine.sum())))
        keys[0] = -new[mine]
        chosen = keys.argsort(1)[:, :drawn]
        sums += np.stack([values[mine][chosen].sum(1) for values in (far, chunks, rankdata(share))])
        deals *= comb(int(mine.sum()), drawn)
    ps = np.stack([_upper(sums[0] / sums[1]), _upper(sums[2])])
    return UnseenMode(
        p=float(_upper(-ps.min(0))[0]),
        share=float(sums[0, 0] / sums[1, 0]),
        null=band(np.array([far[old & (fold == f)].sum() / chunks[old & (fold == f)].sum() for f in np.unique(fold)])),
        attainable=max(1.0 / deals, 1.0 / (1 + permutations)),
        episodes=(int(old.sum()), int(new.sum())),
    )


def _upper(values: np.ndarray) -> np.ndarray:
    """Share of all values that are at least as large as each, (n,): its one-sided p-value among them."""
    rounded = np.round(values, 9)
    return 1.0 - np.searchsorted(np.sort(rounded), rounded) / len(values)
