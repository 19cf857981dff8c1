"""Misfit: why chunks are not those that an alignment knows, as far as their numbers show it.

A wrong unit, order or sense of one column or of all, and commands that are no positions. Each comes with what to do.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.robots.roles import Role, roles
from ate.steer.column_order import better_order

# The alignment's episodes span [-1, 1]. Few values lie beyond of what a policy was trained on, whatever its episodes.
BEYOND, OUTLIERS = 1.5, 0.02
# A column that fills less than a tenth of [-BEYOND, BEYOND] is in other units, or hardly moves.
FILLED = 0.3
# So many chunks are looked at for another order of columns.
TRIED = 32
# Units that are taken for others: what a value times the factor is.
FACTORS = {
    "degrees where the alignment has radians": math.pi / 180,
    "radians where the alignment has degrees": 180 / math.pi,
    "millimetres where the alignment has metres": 1e-3,
    "metres where the alignment has millimetres": 1e3,
}
# Of a gripper, the alignment's value is slope · value + offset.
OPENINGS = {
    "how far it is closed": (-1.0, 1.0),
    "-1 (closed) to 1 (open)": (0.5, 0.5),
    "-1 (open) to 1 (closed)": (-0.5, 0.5),
    "per cent of the opening": (0.01, 0.0),
    "per cent, 100 where it is closed": (-0.01, 1.0),
}
# A finger that slides less is measured in metres.
FINGER = 0.15
# The ends of a column that is read right lie this close to those of the alignment's, -1 and 1, in sum.
NEAR = 1.0
# Changes and speeds are as large as the alignment's joints change from row to row, within this factor.
ALIKE = 2.0


def ends(chunks: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest value of each column `(dof,)` of chunks `(B, S, dof)`, some outliers left out on each side."""
    rows = chunks.flatten(0, 1).float()
    return rows.quantile(OUTLIERS, 0), rows.quantile(1 - OUTLIERS, 0)


def remedy(alignment: Alignment, chunks: Tensor, names: Sequence[str], worst: int) -> str:
    """The fix of a cause that the numbers show; empty where none does.

    Args:
        alignment: whose units and columns are right.
        chunks: clean chunks `(B, S, dof)` in the alignment's units and order.
        names: what the policy's columns were called, in its order.
        worst: the column that fits least.
    """
    space = alignment.space.compact
    raw, moving = space.normalizer.denormalize(chunks), torch.from_numpy(space.loss_mask).to(chunks.device)
    for words, factor in FACTORS.items():
        low, high = ends(space.normalizer.normalize(raw * factor))
        fits = (low > -BEYOND) & (high < BEYOND) & (high - low > FILLED)
        # A gripper has units of its own.
        if 2 * int(fits[moving].sum()) > int(moving.sum()):
            return f"these are {words}: give statistics= in the alignment's units ({factor:.4g} times as much)"
    if changes := _changes(alignment, raw, moving):
        return changes
    order = better_order(alignment, chunks[:TRIED], names)
    if order is not None:
        return f"name the columns in the policy's order: joints={list(order)}"
    return _column(alignment, raw, worst)


def _changes(alignment: Alignment, raw: Tensor, moving: Tensor) -> str:
    """Whether the arm's columns are changes from row to row, or speeds."""
    pace, space = alignment.pace, alignment.space.compact
    if pace is None:
        return ""
    grippers = torch.tensor([_is_gripper(role) for role in roles(alignment.joint_names)], device=raw.device)
    known = torch.tensor(pace.steps, device=raw.device)
    arm = moving & ~grippers & (known > 0)
    if not arm.any():
        return ""
    half = torch.from_numpy(space.normalizer.half_range).to(raw.device)
    ratio = float((raw.float().square().mean((0, 1)).sqrt() / half / known)[arm].median())
    for words, factor in (("changes from row to row", 1.0), ("speeds, a second", pace.rate_hz or 0.0)):
        if factor and 1 / ALIKE < ratio / factor < ALIKE:
            return (
                f"these are {words}, and no alignment of positions guides them: train on positions, or align on such "
                "commands of both robots, load(…, source='action') of sets that record them"
            )
    return ""


def _column(alignment: Alignment, raw: Tensor, worst: int) -> str:
    """One column in another unit, or of another sense, than the alignment has it."""
    space, name = alignment.space.compact, alignment.joint_names[worst]

    def apart(slope: float, offset: float) -> float:
        """How far the ends of the column lie from the alignment's, were it this much of what it is."""
        changed = raw.clone()
        changed[..., worst] = slope * raw[..., worst] + offset
        low, high = (float(side[worst]) for side in ends(space.normalizer.normalize(changed)))
        return abs(low + 1) + abs(high - 1)

    if _is_gripper(roles(alignment.joint_names)[worst]):
        known, (_, most) = dict(OPENINGS), ends(raw)
        if 0 < float(most[worst]) < FINGER:
            known["metres of a finger"] = (float(space.normalizer.high[worst]) / float(most[worst]), 0.0)
        least, words = min((apart(*way), words) for words, way in known.items())
        slope, offset = known[words]
        return "" if least > NEAR else _opening(name, words, slope, offset)
    ways: dict[str, float] = {words.partition(" ")[0]: factor for words, factor in FACTORS.items()}
    least, words = min((apart(factor, 0.0), words) for words, factor in {**ways, "": -1.0}.items())
    if least > NEAR:
        return ""
    if not words:
        return _turned(f"{name} counts in the other sense", f"−{name}")
    return f"{name} alone is in {words}: give its statistics in the alignment's unit ({ways[words]:.4g} times as much)"


def _opening(name: str, words: str, slope: float, offset: float) -> str:
    if slope < 0:
        times = "" if slope == -1 else f"{-slope:g} · "
        return _turned(f"{name} is {words}", f"{offset:g} − {times}{name}")
    more = f" and {offset:g} more" if offset else ""
    return (
        f"{name} is {words}, where the alignment has openings from 0 to 1: give its centre {slope:.4g} times as much"
        f"{more}, and its spread {slope:.4g} times as much"
    )


def _turned(got: str, wanted: str) -> str:
    return f"{got}: train on {wanted}, or align on episodes that count as the policy does"


def _is_gripper(role: Role | None) -> bool:
    return role is not None and role.part == "gripper"
