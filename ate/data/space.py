"""Action space: raw joint values of one robot ↔ normalised unified vectors that networks see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from ate.data.episodes import Episodes
from ate.data.normalize import Normalizer, fit
from ate.data.robots import Embodiment, unify

Array = TypeVar("Array", np.ndarray, torch.Tensor)


@dataclass(frozen=True, eq=False)
class ActionSpace:
    """An embodiment with its normaliser; it travels with every checkpoint that was trained in it.

    Attributes:
        embodiment: joints to slots.
        normalizer: data units to [−1, 1] per joint.
        source: the series the statistics were taken from, `"qpos"` or `"action"`.
    """

    embodiment: Embodiment
    normalizer: Normalizer
    source: str

    @property
    def width(self) -> int:
        """Width of the unified vector."""
        return self.embodiment.width

    @property
    def compact(self) -> "ActionSpace":
        """The same statistics over the robot's own columns, in the order of its data: no slots, nothing masked out."""
        e = self.embodiment
        return replace(self, embodiment=Embodiment(e.name, e.joint_names, tuple(range(len(e.slots))), len(e.slots)))

    @property
    def mask(self) -> np.ndarray:
        """True in slots that hold a joint which moves, bool `(width,)`: constant joints are not worth a loss."""
        mask = np.zeros(self.width, dtype=bool)
        mask[
            [s for s, constant in zip(self.embodiment.slots, self.normalizer.constant, strict=True) if not constant]
        ] = True
        return mask

    def encode(self, values: Array) -> Array:
        """Raw `(…, dof)` in data units → normalised unified `(…, width)`."""
        return self.embodiment.scatter(self.normalizer.normalize(values))

    def decode(self, values: Array) -> Array:
        """Normalised unified `(…, width)` → raw `(…, dof)` in data units."""
        return self.normalizer.denormalize(self.embodiment.gather(values))

    def to_tree(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        e = self.embodiment
        return {
            "name": e.name,
            "joint_names": list(e.joint_names),
            "slots": list(e.slots),
            "width": e.width,
            "normalizer": self.normalizer.to_tree(),
            "source": self.source,
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "ActionSpace":
        """The inverse of `to_tree`."""
        embodiment = Embodiment(tree["name"], tuple(tree["joint_names"]), tuple(tree["slots"]), tree["width"])
        return cls(embodiment, Normalizer.from_tree(tree["normalizer"]), tree["source"])


def spaces(sets: Sequence[Episodes], width: int | None = None) -> tuple[ActionSpace, ...]:
    """One action space a set, all of one unified width, each normalised by its own statistics.

    Raises:
        InputError: a robot does not fit into `width`.
    """
    return tuple(
        ActionSpace(embodiment, fit(episodes), episodes.source)
        for embodiment, episodes in zip(unify(sets, width), sets, strict=True)
    )
