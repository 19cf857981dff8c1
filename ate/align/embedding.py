"""Joint embedding of latents in the plane: a picture to stand beside the scorecard's numbers, never instead.

Pre-training and adaptation latents are embedded together, in equal numbers where the larger set can be thinned:
a fit to pre-training alone would place adaptation points inside it wherever they are.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from ate.errors import InputError, unknown

METHODS = ("pca", "umap")
MOST_POINTS = 2000


@dataclass(frozen=True, eq=False)
class Embedding:
    """Coordinates in the plane, and which latents they belong to.

    Args:
        pretrain: (n, 2).
        adapt: (m, 2).
        pretrain_index: rows of the pre-training latents shown, (n,).
        adapt_index: rows of the adaptation latents shown, (m,).
    """

    pretrain: np.ndarray
    adapt: np.ndarray
    pretrain_index: np.ndarray
    adapt_index: np.ndarray


def embed(
    pretrain: np.ndarray, adapt: np.ndarray, method: str = "pca", seed: int = 0, most: int = MOST_POINTS
) -> Embedding:
    """Embed latents (N, d) and (M, d) jointly; both are thinned to at most `most` points, balanced.

    Args:
        pretrain: pre-training latents.
        adapt: adaptation latents.
        method: `pca`, at once, or `umap`, tens of seconds, which needs the package umap-learn.
        seed: seed of thinning and of UMAP.
        most: points kept of each set.
    """
    if method not in METHODS:
        raise unknown(method, METHODS, where="embedding method")
    if min(len(pretrain), len(adapt)) < 2 or pretrain.shape[1] != adapt.shape[1]:
        raise InputError(
            f"latents of shape {pretrain.shape} and {adapt.shape}",
            where="embedding",
            expected="two sets of at least 2 points in one latent space",
            way_out="encode both sets with one alignment",
        )
    random = np.random.default_rng(seed)
    # The larger set is thinned to twice the smaller at most, so that neither vanishes in the other.
    cap = min(most, 2 * min(len(pretrain), len(adapt)))
    old, new = (np.sort(random.permutation(len(x))[:cap]) for x in (pretrain, adapt))
    points = np.concatenate([pretrain[old], adapt[new]])
    if method == "pca":
        flat = PCA(2, svd_solver="full").fit_transform(points)
    else:
        from umap import UMAP

        flat = UMAP(n_neighbors=min(15, len(points) - 1), random_state=seed, n_jobs=1).fit_transform(points)
    return Embedding(flat[: len(old)], flat[len(old) :], old, new)
