"""Two-sample measures between latents: MMD, Fréchet distance, classifier test and coverage.

They ask whether two sets are *equal*. A robot that rightly visits only some of the pre-training modes fails them. They
are therefore reported, with what held-out pre-training episodes score, but no verdict depends on them.

Sources: MMD and its permutation test, Gretton et al., JMLR 13 (2012); Fréchet distance of Gaussians, Dowson and
Landau (1982); classifier two-sample tests, Lopez-Paz and Oquab, arXiv 1610.06545; coverage (PRDC), arXiv 2002.09797.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from ate.align.divergences import mmd, multiscale_kernel
from ate.align.evaluate.containment import NEIGHBOURS, Band, band, splits

MEASURES = ("mmd", "frechet", "classifier", "coverage")
PERMUTATIONS = 999
# Points a side in a split, and in the permutation test.
MOST_COMPARED, MOST_PERMUTED = 500, 1000
CLASSIFIER_NEIGHBOURS = 15
CLASSIFIER_FOLDS = 5


@dataclass(frozen=True)
class Differences:
    """Two-sample measures by name (`MEASURES`).

    Args:
        value: of adaptation, mean over the splits. The unbiased squared MMD is about 0 if the two agree. The squared
            Fréchet distance is that of moment-matched Gaussians. The area under the curve of a classifier between the
            two is 0.5 at chance. The coverage is the share of pre-training balls that hold an adaptation latent.
        null: band of held-out pre-training.
        mmd_p: permutation p-value of the MMD, by episode.
    """

    value: Mapping[str, float]
    null: Mapping[str, Band]
    mmd_p: float


def differences(
    pretrain: np.ndarray, group: np.ndarray, adapt: np.ndarray, adapt_group: np.ndarray, seed: int = 0
) -> Differences:
    """Compare pre-training latents (N, d) with adaptation latents (M, d), of episodes `group` and `adapt_group`.

    Each of five splits compares half of the pre-training episodes, once with adaptation and once with the other half.
    All sides have the same number of points, at most 500, because bias and coverage depend on it.

    Raises:
        InputError: fewer than four pre-training episodes.
    """
    random = np.random.default_rng(seed)
    scale = np.maximum(pretrain.std(0), np.finfo(np.float32).tiny)
    pretrain, adapt = (points.astype(np.float64) / scale for points in (pretrain, adapt))
    values: list[tuple[list[float], list[float]]] = []
    for half, quarter, rest in splits(group, random):
        held = np.flatnonzero(quarter | rest)
        most = min(MOST_COMPARED, len(held), len(adapt), int(half.sum()))
        a, b, c = (random.permutation(rows)[:most] for rows in (np.flatnonzero(half), held, np.arange(len(adapt))))
        values.append(
            (_all(pretrain[a], group[a], adapt[c], adapt_group[c]), _all(pretrain[a], group[a], pretrain[b], group[b]))
        )
    measured, null = np.array(values).transpose(1, 2, 0)
    return Differences(
        value=dict(zip(MEASURES, measured.mean(1).tolist(), strict=True)),
        null={name: band(row) for name, row in zip(MEASURES, null, strict=True)},
        mmd_p=mmd_p_value(pretrain, group, adapt, adapt_group, seed),
    )


def mmd_p_value(
    x: np.ndarray,
    x_group: np.ndarray,
    y: np.ndarray,
    y_group: np.ndarray,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> float:
    """p-value of the unbiased MMD under permutations of whole episodes between the two sides.

    A permutation needs only sums of the kernel over pairs of episodes, so 999 of them cost one matrix product.
    """
    random = np.random.default_rng(seed)
    kept = [random.permutation(len(z))[:MOST_PERMUTED] for z in (x, y)]
    points = np.concatenate([x[kept[0]], y[kept[1]]])
    names = [np.unique(g[k], return_inverse=True)[1] for g, k in zip((x_group, y_group), kept, strict=True)]
    first = int(names[0].max()) + 1
    row = np.concatenate([names[0], names[1] + first])
    member = np.eye(int(row.max()) + 1)[row]
    kernel = multiscale_kernel(torch.from_numpy(points), torch.from_numpy(points)).numpy()
    sums, size = member.T @ kernel @ member, member.sum(0)
    labels = np.zeros((1 + permutations, len(size)))
    labels[0, :first] = 1.0
    order = random.random((permutations, len(size))).argsort(1)
    np.put_along_axis(labels[1:], order[:, :first], 1.0, axis=1)
    row_sums, n, m = labels @ sums, labels @ size, (1.0 - labels) @ size
    within, across = (row_sums * labels).sum(1), (row_sums * (1.0 - labels)).sum(1)
    other = sums.sum() - within - 2.0 * across
    # The kernel of a point with itself is 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (within - n) / (n * (n - 1)) + (other - m) / (m * (m - 1)) - 2.0 * across / (n * m)
    values = np.nan_to_num(values, nan=np.inf)
    return float((values >= values[0] - 1e-12).mean())


def frechet_squared(x: np.ndarray, y: np.ndarray) -> float:
    """‖μ_x − μ_y‖² + tr(Σ_x + Σ_y − 2 (Σ_x^½ Σ_y Σ_x^½)^½) of samples (n, d) and (m, d)."""
    cov = [np.atleast_2d(np.cov(z, rowvar=False)) for z in (x, y)]
    root_values, vectors = np.linalg.eigh(cov[0])
    root = (vectors * np.sqrt(np.maximum(root_values, 0.0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov[1] @ root), 0.0)).sum()
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(max(shift + np.trace(cov[0]) + np.trace(cov[1]) - 2.0 * cross, 0.0))


def classifier_area(x: np.ndarray, x_group: np.ndarray, y: np.ndarray, y_group: np.ndarray) -> float:
    """Area under the curve of 15 nearest neighbours telling (n, d) from (m, d), cross-validated by episode.

    Episodes of the two sides are different ones, whatever their numbers. NaN with fewer than two episodes on a side.
    """
    label = np.repeat([0, 1], [len(x), len(y)])
    points = np.concatenate([x, y])
    folds = min(CLASSIFIER_FOLDS, len(np.unique(x_group)), len(np.unique(y_group)))
    if folds < 2:
        return float("nan")
    # Each side's episodes are spread evenly, so that all folds hold some of both.
    fold = np.concatenate([np.unique(group, return_inverse=True)[1] % folds for group in (x_group, y_group)])
    areas = []
    for number in range(folds):
        train, test = fold != number, fold == number
        classifier = KNeighborsClassifier(min(CLASSIFIER_NEIGHBOURS, int(train.sum())), weights="uniform")
        chance = classifier.fit(points[train], label[train]).predict_proba(points[test])[:, 1]
        areas.append(roc_auc_score(label[test], chance))
    return float(np.mean(areas))


def coverage(reference: np.ndarray, points: np.ndarray) -> float:
    """Share of the reference's k-nearest-neighbour balls that hold one of `points` or more."""
    k = min(NEIGHBOURS, len(reference) - 1)
    index = NearestNeighbors()
    radius = index.fit(reference).kneighbors(reference, k + 1)[0][:, -1]
    nearest = index.fit(points).kneighbors(reference, 1)[0][:, 0]
    return float((nearest <= radius).mean())


def _all(x: np.ndarray, x_group: np.ndarray, y: np.ndarray, y_group: np.ndarray) -> list[float]:
    return [
        float(mmd(torch.from_numpy(x), torch.from_numpy(y))),
        frechet_squared(x, y),
        classifier_area(x, x_group, y, y_group),
        coverage(x, y),
    ]
