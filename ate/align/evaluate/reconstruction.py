"""Reconstruction error per joint, or per column of tool motion, compared with a PCA of equal dimension.

A PCA is the best linear code of its dimension in the mean square. It shows how much of the error is due to the
dimension of the latent, and how much to the network and its alignment. Both are evaluated on the same held-out
episodes; the PCA is fitted to the training episodes of the adaptation set only.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from ate.align.alignment import Alignment
from ate.data.chunks import Chunks
from ate.data.episodes import Episodes
from ate.data.units import joints_now, profile_for
from ate.robots.frames import POSITION, TOOL_NAMES

BATCH = 1024
# Chunks that the PCA is fitted to at most.
MOST_FITTED = 10_000


def reconstruction_error(alignment: Alignment, adapt: Episodes) -> dict[str, float]:
    """Mean absolute error of D(μ(a)) per joint that moves, in the data's units (radians; gripper as recorded).

    Of an alignment by tool motion: per column of it, before any inverse kinematics (metres; entries of the rotation).
    """

    def decoded(x: Tensor) -> Tensor:
        return alignment.vae.decode(alignment.vae.encode(x).mean, x.shape[1])

    return _errors(alignment, decoded, alignment.chunks(adapt))


def pca_error(
    alignment: Alignment, train: Episodes, adapt: Episodes, dimension: int, seed: int = 0
) -> dict[str, float]:
    """The same error of a PCA with `dimension` components, or as many as chunks or values allow if those are fewer.

    Args:
        alignment: whose normalisation and chunk length are used.
        train: episodes that the PCA is fitted to.
        adapt: episodes whose chunks are reconstructed.
        dimension: components.
        seed: seed of the solver, and of the subsample where there are more than 10,000 chunks.
    """
    chunks = alignment.chunks(train)
    random = np.random.default_rng(seed)
    index = torch.from_numpy(np.sort(random.permutation(len(chunks))[:MOST_FITTED])).to(chunks.rows.device)
    rows = chunks.gather(index).flatten(1).cpu().double().numpy()
    pca = PCA(min(dimension, *rows.shape), svd_solver="full").fit(rows)

    def decoded(x: Tensor) -> Tensor:
        flat = pca.inverse_transform(pca.transform(x.flatten(1).cpu().double().numpy()))
        return torch.from_numpy(flat).to(x).reshape(x.shape)

    return _errors(alignment, decoded, alignment.chunks(adapt))


def column_units(alignment: Alignment, adapt: Episodes) -> Mapping[str, str]:
    """The unit of each column that ψ sees."""
    if not alignment.tool_spaces:
        return joint_units(adapt)
    return {**dict.fromkeys(TOOL_NAMES, "of 1"), **dict.fromkeys(TOOL_NAMES[POSITION], "m")}


def joint_units(adapt: Episodes) -> Mapping[str, str]:
    """The unit of each joint: from the robot's profile, or "data units" for robots and joints without one."""
    joints = joints_now(adapt, profile_for(adapt))
    return {
        name: "data units" if joint is None else joint.unit
        for name, joint in zip(adapt.joint_names, joints, strict=True)
    }


def _errors(alignment: Alignment, decoded: Callable[[Tensor], Tensor], chunks: Chunks) -> dict[str, float]:
    space = alignment.seen[-1].compact
    total, count = torch.zeros(()), 0
    with torch.no_grad():
        for index in torch.arange(len(chunks), device=alignment.device).split(BATCH):
            x = chunks.gather(index)
            # Errors in the data's units, of the columns that the network sees.
            error = (decoded(x) - x).abs().mean(1) * torch.from_numpy(space.normalizer.half_range).to(x)
            total, count = total + error.sum(0).cpu().double(), count + len(x)
    named = zip(space.embodiment.joint_names, total / count, space.loss_mask, strict=True)
    return {column: float(value) for column, value, moves in named if moves}
