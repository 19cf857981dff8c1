"""Correlations of the columns of two series."""

import numpy as np


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of each column of a with each of b, 0 where one does not move, `(ka, kb)`.

    Args:
        a, b: rows of one moment each, `(n, ka)` and `(n, kb)`; rows that are not finite are left out.
    """
    keep = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    a, b = (x[keep].astype(np.float64) - x[keep].mean(0, dtype=np.float64) for x in (a, b))
    sizes = [np.linalg.norm(x, axis=0) for x in (a, b)]
    scale = np.outer(*sizes)
    return np.where(scale > 1e-9, a.T @ b / np.where(scale > 1e-9, scale, 1), 0.0)
