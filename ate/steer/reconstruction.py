"""Reconstruction: how well an alignment brings chunks back, by which chunks that it cannot know are refused."""

import math

import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.errors import InputError

# Reconstruction of a first batch, RMS in normalised units: alignments reach a few hundredths; wrong units, tenths. One
# that was trained little leaves more on its own data, and in some joints (a gripper that switches) thrice the mean.
MISFIT, THRICE = 0.25, 3.0


@torch.no_grad()
def check_reconstruction(alignment: Alignment, chunks: Tensor, where: str, slack: float = 1.0) -> None:
    """Refuse chunks that the alignment cannot have been trained on: wrong units, order or statistics.

    Args:
        alignment: its network encodes and decodes them.
        chunks: clean chunks `(B, S, dof)` in the alignment's units.
        where: who gave them, for the message.
        slack: factor on both bounds.

    Raises:
        InputError: they come back with an RMS error above 0.25 normalised units in some joint, and above three times
            what the alignment left in training.
    """
    error = column_errors(alignment, chunks)
    worst = int(error.argmax())
    if float(error[worst]) <= slack * max(MISFIT, THRICE * left_by(alignment)):
        return
    values, column = alignment.inputs(chunks)[..., worst], "tool motion" if alignment.tool_spaces else "joint"
    raise InputError(
        f"actions of {column} {alignment.seen[-1].compact.embodiment.joint_names[worst]!r} from "
        f"{float(values.min()):.3g} to {float(values.max()):.3g}, which come back with an error of "
        f"{float(error[worst]):.2g}",
        where=where,
        expected="values that the alignment was trained on, in [-1, 1] by its statistics",
        fix="pass joints= in the policy's order and statistics= that it normalised by, or align on the episodes that "
        "the policy trains on",
    )


@torch.no_grad()
def column_errors(alignment: Alignment, chunks: Tensor) -> Tensor:
    """RMS error of each column that the networks see of chunks `(B, S, dof)`; 0 for columns that never move."""
    seen = alignment.inputs(chunks)
    error = (alignment.vae.decode(alignment.vae.encode(seen).mean, seen.shape[1]) - seen).square().mean((0, 1)).sqrt()
    return error * torch.from_numpy(alignment.seen[-1].compact.loss_mask).to(error.device)


def total_error(alignment: Alignment, chunks: Tensor) -> float:
    """RMS error over all columns."""
    return float(column_errors(alignment, chunks).square().mean().sqrt())


def left_by(alignment: Alignment) -> float:
    """What the last SmoothL1 in training stands for, as RMS over all columns; 0 where no metrics were kept."""
    rows = reversed(alignment.metrics.get("adapt") or alignment.metrics.get("pretrain", []))
    return math.sqrt(2 * next((row["reconstruction"] for row in rows if "reconstruction" in row), 0.0))
