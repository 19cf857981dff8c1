"""What a policy sees of the task state: normalised columns, and fine features of the offsets between its points.

    tanh((p − q) / 3 cm),  tanh((p − q) / 1 cm)        for every pair of points p, q that the columns name

Normalised by its range, a state in which an object lies anywhere on a table shows the last centimetre of a grasp as a
few hundredths: too little for a small network to act on. Offsets that saturate show nothing but that centimetre.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ate.data.episodes import Episodes
from ate.data.normalize import Normalizer, fit_rows

SCALES = (0.03, 0.01)
"""Metres at which the fine features saturate."""
# The object may lie outside the range of pre-training; far outside, the network would only extrapolate.
FARTHEST = 3.0
AXES = ("x", "y", "z")
# The rotation of the tool in the robot's own convention, which tool motion says in the shared one.
TOOL_ROTATION = re.compile(r"tool_r\d\d")


@dataclass(frozen=True, eq=False)
class StateFeatures:
    """From the task state to what the network is given of it.

    Attributes:
        normalizer: of every column of the state.
        kept: columns that are given to the network.
        offsets: pairs of columns whose difference, in metres, is given as fine features.
    """

    normalizer: Normalizer
    kept: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, sets: Sequence[Episodes], fine: bool = False, own_tool: bool = True) -> "StateFeatures | None":
        """Features of the states of these episodes; None where some have no state.

        Args:
            sets: pre-training robots, one set each.
            fine: give the offsets between points that the columns name, `object_x, object_y, object_z` and so on; a
                state without names has none.
            own_tool: keep columns of the tool's rotation, which are in each robot's own convention.
        """
        if not all(episodes.has("state") for episodes in sets):
            return None
        normalizer = fit_rows(episodes.extra(i, "state") for episodes in sets for i in range(len(episodes)))
        names = sets[0][0].column_names("state")
        count = len(normalizer.low)
        kept = tuple(i for i in range(count) if own_tool or not names or not TOOL_ROTATION.fullmatch(names[i]))
        return cls(normalizer, kept, offsets(names) if fine else ())

    @property
    def columns(self) -> int:
        """Columns of the state."""
        return len(self.normalizer.low)

    @property
    def width(self) -> int:
        """Numbers given to the network."""
        return len(self.kept) + len(SCALES) * len(self.offsets)

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """Features `(n, width)` float32 of states `(n, columns)` in metres."""
        state = state.astype(np.float32)
        coarse = np.clip(self.normalizer.normalize(state), -FARTHEST, FARTHEST)[:, list(self.kept)]
        if not self.offsets:
            return coarse
        to, start = (list(side) for side in zip(*self.offsets, strict=True))
        apart = state[:, to] - state[:, start]
        return np.concatenate([coarse, *(np.tanh(apart / np.float32(scale)) for scale in SCALES)], axis=-1)

    def to_tree(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        offsets = [list(pair) for pair in self.offsets]
        return {**self.normalizer.to_tree(), "kept": list(self.kept), "offsets": offsets}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "StateFeatures":
        """The inverse of `to_tree`; checkpoints up to version 0.1 hold the normaliser alone."""
        normalizer = Normalizer.from_tree(tree)
        pairs = tuple((int(to), int(start)) for to, start in tree.get("offsets", ()))
        return cls(normalizer, tuple(tree.get("kept", range(len(normalizer.low)))), pairs)


def offsets(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs of columns, by axis, of every pair of points among the columns of a state.

    A point is a word with the columns `<word>_x`, `<word>_y` and `<word>_z`; names of several words, such as
    `object_tool_x`, are offsets already and no points.
    """
    place = {name: i for i, name in enumerate(names)}
    words = [name[:-2] for name in names if name.endswith("_x") and "_" not in name[:-2]]
    points = [word for word in words if all(f"{word}_{axis}" in place for axis in AXES)]
    return tuple(
        (place[f"{to}_{axis}"], place[f"{start}_{axis}"]) for start, to in combinations(points, 2) for axis in AXES
    )
