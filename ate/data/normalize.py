"""Normaliser: min–max per joint to [−1, 1], computed once from training episodes and kept with every checkpoint.

A joint that never moves has no range; it normalises to exactly 0 and comes back as its constant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from ate.data.episodes import Episodes
from ate.errors import InputError

Array = TypeVar("Array", np.ndarray, torch.Tensor)
# A joint whose whole range is below this (rad or m) is sensor noise at best; scaling it to [-1, 1] would explode it.
CONSTANT_RANGE = 1e-4


@dataclass(frozen=True, eq=False)
class Normalizer:
    """Per-column affine map to [−1, 1].

    Attributes:
        low: smallest training value of each column, float32 `(dof,)`, in the data's units.
        high: largest training value, same shape.
    """

    low: np.ndarray
    high: np.ndarray

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape or self.low.ndim != 1 or np.any(self.low > self.high):
            got, fix = f"low {self.low.shape} and high {self.high.shape}", "fit the normaliser on episodes"
            raise InputError(got, where="normaliser", expected="two vectors of one width with low <= high", fix=fix)

    @property
    def constant(self) -> np.ndarray:
        """True for columns without a range, bool `(dof,)`."""
        return (self.high - self.low) < CONSTANT_RANGE

    @cached_property
    def center(self) -> np.ndarray:
        """Middle of each range, float32 `(dof,)`."""
        return ((self.low + self.high) / 2).astype(np.float32)

    @cached_property
    def half_range(self) -> np.ndarray:
        """Data units per normalised unit, float32 `(dof,)`; 0 for constant columns."""
        return np.where(self.constant, 0.0, (self.high - self.low) / 2).astype(np.float32)

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.where(self.constant, 0.0, 1.0 / np.where(self.constant, 1.0, self.half_range)).astype(np.float32)

    def normalize(self, values: Array) -> Array:
        """Data units `(…, dof)` → [−1, 1] on the training range."""
        return (values - self._constant("center", values)) * self._constant("_inverse", values)

    def denormalize(self, values: Array) -> Array:
        """Normalised `(…, dof)` → data units."""
        return values * self._constant("half_range", values) + self._constant("center", values)

    @cached_property
    def _kept(self) -> dict[tuple[str, torch.device, torch.dtype], torch.Tensor]:
        return {}

    def _constant(self, name: str, like: Array) -> Array:
        """An array of this normaliser of the kind of another; each goes to a device once, not at every step."""
        values: np.ndarray = getattr(self, name)
        if not isinstance(like, torch.Tensor):
            return values
        key = (name, like.device, like.dtype)
        if key not in self._kept:
            self._kept[key] = torch.as_tensor(values, dtype=like.dtype, device=like.device)
        return self._kept[key]

    def to_tree(self) -> dict[str, Any]:
        """Plain lists, for a checkpoint."""
        return {"low": self.low.tolist(), "high": self.high.tolist()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Normalizer":
        """The inverse of `to_tree`."""
        return cls(np.asarray(tree["low"], np.float32), np.asarray(tree["high"], np.float32))


def fit_rows(parts: Iterable[np.ndarray]) -> Normalizer:
    """The normaliser of rows `(n, dof)` that come in parts, one part in memory at a time."""
    ranges = [(rows.min(0), rows.max(0)) for rows in parts]
    lows, highs = (np.stack(side) for side in zip(*ranges, strict=True))
    return Normalizer(lows.min(0).astype(np.float32), highs.max(0).astype(np.float32))


def fit(episodes: Episodes) -> Normalizer:
    """The normaliser of all rows of the chosen series of these episodes."""
    return fit_rows(episodes.series(i) for i in range(len(episodes)))
