"""Joint embedding of latents in the plane: a picture to stand beside the scorecard's numbers, never instead.

Everything that is shown together is embedded together: a fit to pre-training alone would place adaptation points inside
it wherever they are. A UMAP takes tens of seconds, so its coordinates are kept by the content that they depend on.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA

from ate.errors import InputError, unknown
from ate.runs import checkpoint
from ate.runs.files import array_digest, content_key

METHODS = ("pca", "umap")
MOST_POINTS = 2000
# UMAP's own default.
NEIGHBOURS = 15


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
    if min(len(pretrain), len(adapt)) < 2 or pretrain.shape[1] != adapt.shape[1]:
        raise InputError(
            f"latents of shape {pretrain.shape} and {adapt.shape}",
            where="embedding",
            expected="two sets of at least 2 points in one latent space",
            fix="encode both sets with one alignment",
        )
    old, new = balanced(len(pretrain), len(adapt), seed, most)
    flat = plane(np.concatenate([pretrain[old], adapt[new]]), method, seed)
    return Embedding(flat[: len(old)], flat[len(old) :], old, new)


def balanced(pretrain: int, adapt: int, seed: int, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Rows to show of two sets of these sizes, in order: the larger is thinned to twice the smaller at most, so that
    neither vanishes in the other, and both to `most`."""
    random = np.random.default_rng(seed)
    cap = min(most, 2 * min(pretrain, adapt))
    old, new = (np.sort(random.permutation(count)[:cap]) for count in (pretrain, adapt))
    return old, new


def plane(points: np.ndarray, method: str = "pca", seed: int = 0, cache: Path | None = None) -> np.ndarray:
    """Coordinates (N, 2) of latents (N, d).

    Args:
        points: everything that is shown together.
        method: `pca` or `umap`.
        seed: of UMAP, which is then reproducible.
        cache: folder that keeps UMAPs, named by the hash of latents, parameters and version of the package.

    Raises:
        InputError: an unknown method.
    """
    if method not in METHODS:
        raise unknown(method, METHODS, where="embedding method")
    if method == "pca":
        flat: np.ndarray = PCA(2, svd_solver="full").fit_transform(points)
        return flat
    neighbours = min(NEIGHBOURS, len(points) - 1)
    settings = [list(points.shape), str(points.dtype), seed, neighbours, version("umap-learn")]
    key = content_key([*settings, array_digest(points)])[:16]
    file = None if cache is None else cache / f"umap-{key}.safetensors"
    if file is not None and file.exists():
        kept: np.ndarray = checkpoint.load(file)["plane"].numpy()
        return kept
    from umap import UMAP

    flat = np.asarray(UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(points))
    if file is not None:
        checkpoint.save(file, {"plane": torch.from_numpy(flat)})
    return flat
