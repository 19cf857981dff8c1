"""Joint embedding of latents in the plane: a picture that accompanies the scorecard's numbers and never replaces them.

All points of a picture are embedded together: a fit to pre-training alone would place adaptation points inside it
wherever they are. A UMAP takes tens of seconds, so its coordinates are cached by the content that they depend on.
"""

import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ate.errors import unknown
from ate.runs import checkpoint
from ate.runs.files import array_digest, content_key

METHODS = ("pca", "umap")
MOST_POINTS = 2000
# UMAP's own default.
NEIGHBOURS = 15


def balanced(pretrain: int, adapt: int, seed: int, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Sorted rows to show of two sets of these sizes.

    The larger is thinned to at most twice the smaller, so that neither hides the other, and both to `most`.
    """
    random = np.random.default_rng(seed)
    cap = min(most, 2 * min(pretrain, adapt))
    pretrain_rows, adapt_rows = (np.sort(random.permutation(count)[:cap]) for count in (pretrain, adapt))
    return pretrain_rows, adapt_rows


def plane(points: np.ndarray, method: str = "pca", seed: int = 0, cache: Path | None = None) -> np.ndarray:
    """Coordinates (N, 2) of latents (N, d).

    Args:
        points: all points of the picture.
        method: `pca` or `umap`.
        seed: of UMAP, which is then reproducible.
        cache: folder that keeps UMAPs, named by the hash of latents, parameters and version of the package.

    Raises:
        InputError: an unknown method.
    """
    if method not in METHODS:
        raise unknown(method, METHODS, where="embedding method")
    if method == "pca":
        return PCA(2, svd_solver="full").fit_transform(points)
    neighbours = min(NEIGHBOURS, len(points) - 1)
    settings = [list(points.shape), str(points.dtype), seed, neighbours, version("umap-learn"), "exact neighbours"]
    key = content_key([*settings, array_digest(points)])[:16]
    file = None if cache is None else cache / f"umap-{key}.safetensors"
    if file is not None and file.exists():
        return checkpoint.load(file)["plane"].numpy()
    from umap import UMAP

    # Below 4,096 points UMAP measures every distance by a call of Python, which takes longer than all the rest.
    distance, index = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(points)
    with warnings.catch_warnings():
        # Of a map that no points will be added to.
        warnings.filterwarnings("ignore", "precomputed_knn")
        umap = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1, precomputed_knn=(index, distance))
        flat = np.asarray(umap.fit_transform(points))
    if file is not None:
        checkpoint.save(file, {"plane": torch.from_numpy(flat)})
    return flat
