"""The code that the linear path of an Info-VAE starts from: a whitened PCA of chunks.

    z = Λ^(−1/2) Uᵀ (a − m)        â = U Λ^(1/2) z + m

Latents of the chunks have mean 0 and variance 1 in each dimension, as the method's prior has, and of all linear codes
of d dimensions none reconstructs them better in the mean square. Any rotation of z leaves both as they are.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ate.align.priors import posteriors
from ate.align.vae import InfoVAE, LinearCode
from ate.data.chunks import Chunks

BATCH = 1024
# Directions with less than this share of the largest variance are rounding, and get no dimension.
FLOOR = 1e-9


def whitened_pca(chunks: Chunks, dimensions: int) -> LinearCode:
    """The whitened PCA of all chunks in d dimensions; those that the chunks do not fill stay 0.

    Moments are summed in float64 on the device of the chunks; the eigenvectors are computed on the host.
    """
    flat = chunks.length * chunks.width
    total = torch.zeros(flat, dtype=torch.float64, device=chunks.rows.device)
    square = torch.zeros(flat, flat, dtype=torch.float64, device=chunks.rows.device)
    for index in torch.arange(len(chunks), device=chunks.rows.device).split(BATCH):
        rows = chunks.gather(index).flatten(1).double()
        total, square = total + rows.sum(0), square + rows.T @ rows
    mean = (total / len(chunks)).cpu()
    variance, axes = torch.linalg.eigh(square.cpu() / len(chunks) - mean[:, None] * mean)
    variance, axes = variance.flip(0)[:dimensions], axes.flip(1)[:, :dimensions]
    filled = variance > FLOOR * variance[0].clamp_min(torch.finfo(torch.float64).tiny)
    std = torch.where(filled, variance, 0.0).sqrt()
    inverse = torch.where(filled, 1 / std, 0.0)
    encode, decode = torch.zeros(dimensions, flat, dtype=torch.float64), torch.zeros(flat, dimensions).double()
    encode[: len(std)], decode[:, : len(std)] = (axes * inverse).T, axes * std
    return LinearCode(encode, -encode @ mean, decode, mean)


def turned(code: LinearCode, chunks: Chunks, towards: InfoVAE) -> LinearCode:
    """The code rotated so that its latents of the chunks are as near as possible to the means under a network.

    The rotation is the orthogonal one of least squares (Procrustes).
    """
    device, cross = chunks.rows.device, torch.zeros(len(code.encode), len(code.encode), dtype=torch.float64)
    stream = posteriors(towards, chunks, BATCH)
    for index, posterior in zip(torch.arange(len(chunks), device=device).split(BATCH), stream, strict=True):
        own = chunks.gather(index).flatten(1).double().cpu() @ code.encode.T + code.encode_bias
        cross += posterior.mean.double().cpu().T @ own
    left, _, right = torch.linalg.svd(cross)
    rotation: Tensor = left @ right
    return replace(
        code,
        encode=rotation @ code.encode,
        encode_bias=rotation @ code.encode_bias,
        decode=code.decode @ rotation.T,
    )
