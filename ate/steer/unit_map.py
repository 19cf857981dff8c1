"""Units: the columns of a policy's actions that an alignment knows, and the affine map between their normalisations.

    encoder value = scale · policy value + offset          a0, so that x = α·a0 + σ·ε maps with offset α·offset

Both normalise the same joints, each by statistics of its own; guidance must see what the encoder was trained on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.errors import InputError, nearest

# Reconstruction of a first batch, RMS in normalised units: alignments reach a few hundredths; wrong units, tenths. One
# that was trained little leaves more on its own data, and in some joints (a gripper that switches) thrice the mean.
MISFIT, THRICE = 0.25, 3.0


@dataclass(frozen=True, eq=False)
class Units:
    """The map.

    Attributes:
        columns: of the policy's action vector, one a joint of the alignment, in the alignment's order.
        scale: encoder units a policy unit, float32 `(D,)` over all of the policy's columns, 1 where none is known.
        offset: encoder value of a policy value of 0, same shape.
    """

    columns: tuple[int, ...]
    scale: Tensor
    offset: Tensor

    def enter(self, values: Tensor, alpha: Tensor | None = None) -> Tensor:
        """Policy's `(B, S, D)` in the encoder's units; α `(B,)` for noised values, None for clean ones."""
        offset = self.offset.to(values.device)
        return values * self.scale.to(values.device) + (offset if alpha is None else alpha[:, None, None] * offset)


def units_of(
    alignment: Alignment,
    width: int,
    joints: Sequence[str] | None,
    statistics: tuple[Sequence[float], Sequence[float]] | None,
) -> Units:
    """The map from a policy's actions to an alignment's.

    Args:
        alignment: with the robot's joints and their normaliser.
        width: D, columns of the policy's actions, padding included.
        joints: names of the policy's first columns, in its order; None where they are the alignment's joints in order.
        statistics: centre and half-range (or mean and standard deviation) that the policy normalised each of `joints`
            by, in the alignment's data units; None where it used the alignment's own statistics.

    Raises:
        InputError: joints that differ from the alignment's, more joints than columns, or statistics of another length.
    """
    ours = alignment.space.embodiment.joint_names
    names = tuple(ours if joints is None else joints)
    if joints is None and len(ours) != width:
        raise InputError(
            f"{width} columns and no joint names",
            where="actions of the policy",
            expected=f"the {len(ours)} joints of the alignment: {', '.join(ours)}",
            fix="pass joints=, the names of the policy's columns in its order",
        )
    missing = [name for name in ours if name not in names]
    if missing:
        raise InputError(
            f"joints {', '.join(names)}",
            where="actions of the policy",
            expected=f"every joint of the alignment, {missing[0]!r} among them",
            fix=nearest(missing[0], names),
        )
    if len(names) > width or len(set(names)) != len(names):
        raise InputError(
            f"{len(names)} joint names for {width} columns",
            where="actions of the policy",
            expected="different names, at most one a column",
            fix="name the columns without their padding",
        )
    columns = tuple(names.index(name) for name in ours)
    scale, offset = torch.ones(width), torch.zeros(width)
    if statistics is not None:
        center, spread = (np.asarray(part, np.float64) for part in statistics)
        if center.shape != (len(names),) or spread.shape != (len(names),) or (spread < 0).any():
            raise InputError(
                f"statistics of shapes {center.shape} and {spread.shape}",
                where="statistics of the policy",
                expected=f"two vectors of {len(names)}, a centre and a positive spread a joint",
                fix="give them in the order of joints=",
            )
        own = alignment.space.normalizer
        inverse = np.where(own.constant, 0.0, 1.0 / np.where(own.constant, 1.0, own.half_range))
        index = list(columns)
        scale[index] = torch.from_numpy(spread[index] * inverse).float()
        offset[index] = torch.from_numpy((center[index] - own.center) * inverse).float()
    return Units(columns, scale, offset)


@torch.no_grad()
def check_fit(alignment: Alignment, chunks: Tensor, where: str) -> None:
    """Refuse chunks that the alignment cannot have been trained on: wrong units, order or statistics.

    Args:
        alignment: its network encodes and decodes them.
        chunks: clean chunks `(B, S, dof)` in the alignment's units.
        where: who gave them, for the message.

    Raises:
        InputError: they come back with an RMS error above 0.25 normalised units in some joint, and above three times
            what the alignment left in training.
    """
    seen, space = alignment.inputs(chunks), alignment.seen[-1].compact
    posterior = alignment.vae.encode(seen)
    error = (alignment.vae.decode(posterior.mean, seen.shape[1]) - seen).square().mean((0, 1)).sqrt()
    moving = torch.from_numpy(space.loss_mask).to(error.device)
    worst = int((error * moving).argmax())
    # What the last SmoothL1 in training stands for, as RMS over all columns; 0 where no metrics were kept.
    rows = reversed(alignment.metrics.get("adapt") or alignment.metrics.get("pretrain", []))
    left = math.sqrt(2 * next((row["reconstruction"] for row in rows if "reconstruction" in row), 0.0))
    if float(error[worst]) > max(MISFIT, THRICE * left):
        values, column = seen[..., worst], "tool motion" if alignment.tool_spaces else "joint"
        raise InputError(
            f"actions of {column} {space.embodiment.joint_names[worst]!r} from {float(values.min()):.3g} to "
            f"{float(values.max()):.3g}, which come back with an error of {float(error[worst]):.2g}",
            where=where,
            expected="values that the alignment was trained on, in [-1, 1] by its statistics",
            fix="pass joints= in the policy's order and statistics= that it normalised by",
        )
