"""Units: the columns of a policy's actions that an alignment knows, and the affine map between their normalisations.

    encoder value = scale · policy value + offset          a0, so that x = α·a0 + σ·ε maps with offset α·offset

Both normalise the same joints, each by statistics of its own; guidance must see what the encoder was trained on. Of a
policy whose actions are relative to a state, that state joins the offset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.errors import InputError, nearest

# Of a policy that normalised by the alignment's own statistics.
OWN = "alignment"
# Keys of a mapping of statistics, as lerobot keeps them: centre and spread, or the two ends of a range.
PAIRS = (("mean", "std"), ("min", "max"), ("q01", "q99"))
# Attributes under which policies keep statistics of their own.
NORMALIZERS = ("normalizer", "normalize_targets", "unnormalize_outputs", "dataset_stats", "norm_stats", "stats")

Statistics = str | tuple[Sequence[float], Sequence[float]] | Mapping[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class Units:
    """The map.

    Attributes:
        columns: of the policy's action vector, one a joint of the alignment, in the alignment's order.
        scale: encoder units a policy unit, float32 `(D,)` over all of the policy's columns, 1 where none is known.
        offset: encoder value of a policy value of 0, same shape.
        inverse: encoder units a data unit, same shape, 0 where none is known.
        named: how many of the policy's first columns have a name.
    """

    columns: tuple[int, ...]
    scale: Tensor
    offset: Tensor
    inverse: Tensor
    named: int

    def to(self, device: torch.device | str) -> "Units":
        """The map on a device, so that no step fetches it from the host."""
        names = ("scale", "offset", "inverse")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @cached_property
    def index(self) -> Tensor:
        """The columns as a tensor on the device of the map."""
        return torch.tensor(self.columns, device=self.scale.device)

    def enter(self, values: Tensor, alpha: Tensor | None = None, state: Tensor | None = None) -> Tensor:
        """Policy's `(B, S, D)` in the encoder's units.

        Args:
            values: in the policy's units, on the device of the map.
            alpha: α `(B,)` for noised values, None for clean ones.
            state: data units `(B, named)`, what the policy subtracted from each row of a chunk; None for nothing.
        """
        offset = self.offset
        if state is not None:
            padded = torch.nn.functional.pad(state.to(offset), (0, len(offset) - self.named))
            offset = (offset + padded * self.inverse)[:, None]
        return values * self.scale + (offset if alpha is None else alpha[:, None, None] * offset)


def ask_for(alignment: Alignment, policy: object, joints: Sequence[str] | None, statistics: Statistics | None) -> None:
    """Refuse a policy of strangers without the names of its columns, or without what it normalised them by.

    Raises:
        InputError: one of them is missing; says what to write.
    """
    ours = ", ".join(map(repr, alignment.space.embodiment.joint_names))
    if joints is None:
        raise InputError(
            "no joints=",
            where="attach",
            expected=f"the names of the policy's action columns in its order, among them {ours}",
            fix="pass joints=[…]; joints=alignment.joint_names where the policy has these joints in this order",
        )
    if statistics is None:
        own = next((name for name in NORMALIZERS if getattr(policy, name, None) is not None), None)
        hint = "" if own is None else f"; {type(policy).__name__}.{own} holds them"
        raise InputError(
            "no statistics=",
            where="attach",
            expected=f"the centre and the spread that the policy normalised each of joints= by{hint}",
            fix="pass statistics=(centre, half_range), (mean, std) or a mapping with 'mean' and 'std' or 'min' and "
            f"'max'; statistics={OWN!r} where it normalised by alignment.space.normalizer",
        )


def units_of(alignment: Alignment, width: int, joints: Sequence[str], statistics: Statistics) -> Units:
    """The map from a policy's actions to an alignment's.

    Args:
        alignment: with the robot's joints and their normaliser.
        width: D, columns of the policy's actions, padding included.
        joints: names of the policy's first columns, in its order.
        statistics: centre and half-range (or mean and standard deviation) that the policy normalised each of `joints`
            by, in the alignment's data units, as a pair or a mapping (`PAIRS`); `"alignment"` for the alignment's own.

    Raises:
        InputError: joints that differ from the alignment's, more joints than columns, or statistics of another length.
    """
    ours, names = alignment.space.embodiment.joint_names, tuple(joints)
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
    index, own = [names.index(name) for name in ours], alignment.space.normalizer
    scale, offset, inverse = torch.ones(width), torch.zeros(width), torch.zeros(width)
    unit = np.where(own.constant, 0.0, 1.0 / np.where(own.constant, 1.0, own.half_range))
    inverse[index] = torch.from_numpy(unit).float()
    if statistics != OWN:
        center, spread = _checked(statistics, len(names))
        scale[index] = torch.from_numpy(spread[index] * unit).float()
        offset[index] = torch.from_numpy((center[index] - own.center) * unit).float()
    return Units(tuple(index), scale, offset, inverse, len(names))


def _checked(statistics: Statistics, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Centre and spread, each `(count,)`."""
    got, pair = "", None
    fix = f"give them in the order of joints=, as a pair or a mapping with {' or '.join(map(' and '.join, PAIRS))}"
    if isinstance(statistics, Mapping):
        got = f"a mapping of {', '.join(map(str, statistics))}"
        keys = next((pair for pair in PAIRS if set(pair) <= set(statistics)), None)
        inner = next((name for name, value in statistics.items() if isinstance(value, Mapping)), None)
        if keys is not None:
            low, high = (np.asarray(statistics[name], np.float64) for name in keys)
            pair = (low, high) if keys == PAIRS[0] else ((low + high) / 2, (high - low) / 2)
        elif inner is not None:
            # lerobot's and openpi's: a feature each.
            inner = "action" if "action" in statistics else "actions" if "actions" in statistics else inner
            fix = f"give those of the actions alone: statistics=statistics[{inner!r}]"
    elif isinstance(statistics, str) or len(statistics) != 2:
        got = repr(statistics) if isinstance(statistics, str) else f"{len(statistics)} vectors"
    else:
        pair = np.asarray(statistics[0], np.float64), np.asarray(statistics[1], np.float64)
    if pair is not None:
        center, spread = pair
        if center.shape == spread.shape == (count,) and np.isfinite(pair).all() and (spread >= 0).all():
            return center, spread
        got = f"statistics of shapes {center.shape} and {spread.shape}"
        if center.shape == spread.shape and center.ndim == 1 and len(center) > count:
            fix = f"leave the padding away, of each the first {count} values; or name more columns in joints="
        elif center.shape == spread.shape == (count,):
            wrong = np.flatnonzero(~(np.isfinite(center) & np.isfinite(spread) & (spread >= 0)))
            got = f"a centre of {center[wrong[0]]:g} and a spread of {spread[wrong[0]]:g} in column {wrong[0]}"
            fix = (
                "give the centre first, then a spread of 0 or more; two ends as statistics={'min': …, 'max': …}, the "
                "lower one as min"
            )
    raise InputError(
        got,
        where="statistics of the policy",
        expected=f"two vectors of {count}, a centre and a positive spread a joint, or {OWN!r}",
        fix=fix,
    )
