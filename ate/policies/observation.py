"""What a policy sees of the task state: normalised columns, and fine features of how its points lie to each other.

    tanh((p − q) / s)                            offset of every pair of points p, q        s = 3 cm, 1 cm
    u = (q − p) / |q − p|, cos 4θ, sin 4θ        direction of every line between two things, θ its angle on the table
    tanh(((tool − p)·u) / s), tanh((tool − p − ((tool − p)·u)·u) / s)        where the tool is along and off that line

Normalised by its range, a state in which an object lies anywhere on a table shows the last centimetre of a grasp as a
few hundredths: too little for a small network to act on. Offsets that saturate show nothing but that centimetre. To
push a thing to its goal one has to be on the line through both. A gripper that stands across a line may as well stand
along it: the angle is given by its fourth harmonic too, as the state gives the yaw of a cube.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episodes
from ate.data.normalize import Normalizer, fit_rows

Rows = NDArray[np.float32]
SCALES = (0.03, 0.01)
"""Metres at which the fine features saturate."""
# The object may lie outside the range of pre-training; far outside, the network would only extrapolate.
FARTHEST = 3.0
AXES = ("x", "y", "z")
TOOL = "tool"
# The rotation of the tool in the robot's own convention, which tool motion says in the shared one.
TOOL_ROTATION = re.compile(r"tool_r\d\d")
# Below a millimetre, where something lies from something else has no direction.
NEAREST = 1e-3


@dataclass(frozen=True, eq=False)
class StateFeatures:
    """From the task state to what the network is given of it.

    Attributes:
        normalizer: of every column of the state.
        kept: columns that are given to the network.
        points: columns x, y, z, in metres, of the points whose fine features are given; the tool first if it is one.
        tool: whether the first point is the tool.
    """

    normalizer: Normalizer
    kept: tuple[int, ...]
    points: tuple[tuple[int, int, int], ...] = ()
    tool: bool = False

    @classmethod
    def of(cls, sets: Sequence[Episodes], fine: bool = False, own_tool: bool = True) -> "StateFeatures | None":
        """Features of the states of these episodes; None where some have no state.

        Args:
            sets: pre-training robots, one set each.
            fine: give fine features of the points that the columns name and that move: `object_x, object_y, object_z`
                and so on. A state without names has none.
            own_tool: keep columns of the tool's rotation, which are in each robot's own convention.
        """
        if not all(episodes.has("state") for episodes in sets):
            return None
        normalizer = fit_rows(episodes.extra(i, "state") for episodes in sets for i in range(len(episodes)))
        names = sets[0][0].column_names("state")
        count = len(normalizer.low)
        kept = tuple(i for i in range(count) if own_tool or not names or not TOOL_ROTATION.fullmatch(names[i]))
        known = points(names) if fine else {}
        moving = {word: at for word, at in known.items() if not normalizer.constant[list(at)].all()}
        return cls(normalizer, kept, tuple(moving.values()), TOOL in moving)

    @property
    def columns(self) -> int:
        """Columns of the state."""
        return len(self.normalizer.low)

    @property
    def width(self) -> int:
        """Numbers given to the network."""
        return self(np.zeros((1, self.columns), np.float32)).shape[1]

    def __call__(self, state: np.ndarray) -> Rows:
        """Features `(n, width)` float32 of states `(n, columns)`."""
        state = state.astype(np.float32)
        coarse = np.clip(self.normalizer.normalize(state), -FARTHEST, FARTHEST)[:, list(self.kept)]
        places = [state[:, list(at)] for at in self.points]
        apart = [b - a for a, b in combinations(places, 2)]
        things = places[1:] if self.tool else places
        lines = [part for a, b in combinations(things, 2) for part in _line(a, b, places[0] if self.tool else None)]
        return np.concatenate([coarse, *(_saturated(offset) for offset in apart), *lines], axis=-1)

    def to_tree(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        own = {"kept": list(self.kept), "points": [list(at) for at in self.points], "tool": self.tool}
        return {**self.normalizer.to_tree(), **own}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "StateFeatures":
        """The inverse of `to_tree`; checkpoints up to version 0.1 hold the normaliser alone."""
        normalizer = Normalizer.from_tree(tree)
        known = tuple((int(x), int(y), int(z)) for x, y, z in tree.get("points", ()))
        return cls(normalizer, tuple(tree.get("kept", range(len(normalizer.low)))), known, tree.get("tool", False))


def points(names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Columns of the points among the columns of a state, by name, the tool first.

    A point is a word with the columns `<word>_x`, `<word>_y` and `<word>_z`; names of several words, such as
    `object_tool_x`, are offsets already and no points.
    """
    place = {name: i for i, name in enumerate(names)}
    words = [name[:-2] for name in names if name.endswith("_x") and "_" not in name[:-2]]
    words.sort(key=lambda word: word != TOOL)
    named = {word: [place.get(f"{word}_{axis}") for axis in AXES] for word in words}
    return {word: (x, y, z) for word, (x, y, z) in named.items() if None not in (x, y, z)}  # type: ignore[misc]


def _saturated(offset: Rows) -> Rows:
    """Offsets `(n, k)` in metres at every scale, `(n, 2·k)`."""
    return np.concatenate([np.tanh(offset / np.float32(scale)) for scale in SCALES], axis=-1)


def _line(start: Rows, end: Rows, tool: Rows | None) -> list[Rows]:
    """Direction of the line between two points `(n, 3)`, its fourth harmonic, and the tool along and off it."""
    apart = end - start
    unit = apart / np.maximum(np.linalg.norm(apart, axis=-1, keepdims=True), NEAREST)
    angle = 4 * np.arctan2(apart[:, 1], apart[:, 0])
    given = [unit, np.stack([np.cos(angle), np.sin(angle)], -1)]
    if tool is None:
        return given
    offset = tool - start
    along = (offset * unit).sum(-1, keepdims=True)
    return [*given, _saturated(along), _saturated(offset - along * unit)]
