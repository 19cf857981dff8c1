"""Distances between latent distributions: KL of diagonal Gaussians, and MMD between samples.

    KL(q ‖ p) = log(σ_p/σ_q) + (σ_q² + (μ_q − μ_p)²) / (2 σ_p²) − ½            per dimension
    MMD²(X, Y) = mean_{i≠j} k(x_i, x_j) + mean_{i≠j} k(y_i, y_j) − 2 mean_{ij} k(x_i, y_j)

Sources: Align-Then-stEer, arXiv 2509.02055; Gretton et al., JMLR 13 (2012), eq. 3; inverse multiquadric
kernels on latents: Wasserstein auto-encoders, arXiv 1711.01558.
"""

import torch
from torch import Tensor

from ate.errors import InputError, unknown

OCTAVES = (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)
KERNELS = ("multiscale", "released")


def kl(q_mean: Tensor, q_std: Tensor, p_mean: Tensor, p_std: Tensor) -> Tensor:
    """KL(N(q_mean, q_std²) ‖ N(p_mean, p_std²)) per dimension, in nats; shapes broadcast, nothing is summed."""
    ratio = (q_std / p_std).square()
    shift = ((q_mean - p_mean) / p_std).square()
    return 0.5 * (ratio + shift - 1.0 - ratio.log())


def mmd(x: Tensor, y: Tensor, kernel: str = "multiscale", scale: Tensor | float = 1.0) -> Tensor:
    """Squared maximum mean discrepancy between samples x (n, d) and y (m, d); a scalar.

    Args:
        x: samples of the first distribution, n ≥ 2.
        y: samples of the second, m ≥ 2.
        kernel: `multiscale`, a sum of inverse multiquadrics C/(C + ‖x−y‖²) with C from 1/16 to 2 times
            2·d, the expected squared distance of two standard normal points: characteristic, and sensitive
            to collapse and shift at any d. The unbiased estimate, so about 0 (and at times below) when
            the distributions agree. `released`: the kernel of the released code, C/(C + mean_d (x−y)²)
            with C = 4·d, almost constant in high dimensions, and the biased estimate; kept to reproduce its
            numbers.
        scale: standard deviation, scalar or (d,), by which both samples are divided before the multiscale
            kernel, so that its bandwidths fit a reference that is not the standard normal.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise InputError(
            f"samples of shape {tuple(x.shape)} and {tuple(y.shape)}",
            where="mmd",
            expected="(n, d) and (m, d) with n, m of 2 or more",
            fix="use a larger batch",
        )
    if kernel not in KERNELS:
        raise unknown(kernel, KERNELS, where="MMD kernel")
    if kernel == "released":
        return _released_kernel(x, x).mean() + _released_kernel(y, y).mean() - 2.0 * _released_kernel(x, y).mean()
    x, y = x / scale, y / scale
    within = _off_diagonal_mean(multiscale_kernel(x, x)) + _off_diagonal_mean(multiscale_kernel(y, y))
    return within - 2.0 * multiscale_kernel(x, y).mean()


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """‖x_i − y_j‖², (n, d) and (m, d) -> (n, m)."""
    squares = x.square().sum(-1)[:, None] + y.square().sum(-1)[None, :]
    return (squares - 2.0 * (x @ y.T)).clamp_min(0.0)


def multiscale_kernel(x: Tensor, y: Tensor) -> Tensor:
    """Mean over bandwidths of C/(C + ‖x−y‖²), so that k(x, x) = 1."""
    distances = squared_distances(x, y)
    wide = 2.0 * x.shape[1]
    return torch.stack([wide * o / (wide * o + distances) for o in OCTAVES]).mean(0)


def _released_kernel(x: Tensor, y: Tensor) -> Tensor:
    """C/(1e-7 + C + mean_d (x−y)²) with C = 2·d·2, as released."""
    c = 4.0 * x.shape[1]
    return c / (1e-7 + c + squared_distances(x, y) / x.shape[1])


def _off_diagonal_mean(matrix: Tensor) -> Tensor:
    """Mean of a (n, n) matrix without its diagonal."""
    n = len(matrix)
    return (matrix.sum() - matrix.diagonal().sum()) / (n * (n - 1))
