"""Action space: raw joint values of one robot ↔ normalised unified vectors that networks see."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from ate.data.episodes import Episodes
from ate.data.normalize import CONSTANT_RANGE, Normalizer, fit
from ate.errors import InputError
from ate.robots import Embodiment, unify

Array = TypeVar("Array", np.ndarray, torch.Tensor)


class ConstantMoved(UserWarning):
    """A joint that was constant in training has moved since."""


@dataclass(frozen=True, eq=False)
class ActionSpace:
    """An embodiment with its normaliser; it travels with every checkpoint that was trained in it.

    Attributes:
        embodiment: joints to slots.
        normalizer: data units to [−1, 1] per joint.
        source: the series the statistics were taken from, `"qpos"` or `"action"`.
        data: SHA-256 of the episodes they were taken from; empty where they were given.
        converted: what was done to the recorded values before, and who declared it; empty where they are as recorded.
    """

    embodiment: Embodiment
    normalizer: Normalizer
    source: str
    data: str = ""
    converted: str = ""

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
    def loss_mask(self) -> np.ndarray:
        """Loss mask: true in slots that hold a joint which moves, bool `(width,)`; constant joints have no loss."""
        return self.embodiment.scatter(~self.normalizer.constant)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Columns of the data."""
        return self.embodiment.joint_names

    @property
    def still(self) -> np.ndarray:
        """Columns of the data that never moved in training, bool `(dof,)`."""
        return self.normalizer.constant

    def encode(self, values: Array) -> Array:
        """Raw `(…, dof)` in data units → normalised unified `(…, width)`.

        Warns where a joint that was constant in training has moved: it still normalises to 0, and the network that
        gets the 0 knows nothing of it.
        """
        if isinstance(values, np.ndarray):
            self._watch_constants(values)
        return self.embodiment.scatter(self.normalizer.normalize(values))

    def decode(self, values: Array, start: np.ndarray | None = None) -> Array:
        """Normalised unified `(…, S, width)` → raw `(…, S, dof)` in data units.

        `start` `(…, dof)`, the joints before the first row, is for spaces whose joints depend on it.
        """
        return self.normalizer.denormalize(self.embodiment.gather(values))

    def _watch_constants(self, values: np.ndarray) -> None:
        for column in np.flatnonzero(self.normalizer.constant):
            was = self.normalizer.center[column]
            away = float(np.abs(values[..., column] - was).max(initial=0.0))
            if away > CONSTANT_RANGE:
                warnings.warn(
                    f"{self.embodiment.name}: joint {self.embodiment.joint_names[column]!r} was constant at {was:.4g} "
                    f"in training and is now up to {away:.4g} away; it still normalises to 0 and counts in no loss, "
                    "metric or guidance. Train on data in which it moves, or hold it still",
                    ConstantMoved,
                    stacklevel=3,
                )

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
            "data": self.data,
            **({"converted": self.converted} if self.converted else {}),
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "ActionSpace":
        """The inverse of `to_tree`."""
        embodiment = Embodiment(tree["name"], tuple(tree["joint_names"]), tuple(tree["slots"]), tree["width"])
        normalizer, converted = Normalizer.from_tree(tree["normalizer"]), tree.get("converted", "")
        return cls(embodiment, normalizer, tree["source"], tree["data"], converted)


def spaces(sets: Sequence[Episodes], width: int | None = None) -> tuple[ActionSpace, ...]:
    """One action space a set, all of one unified width, each normalised by its own statistics.

    Raises:
        InputError: a robot does not fit into `width`.
    """
    return tuple(
        ActionSpace(embodiment, fit(episodes), episodes.source, episodes.digest, episodes.conversion)
        for embodiment, episodes in zip(unify(sets, width), sets, strict=True)
    )


def check_joints(episodes: Episodes, space: ActionSpace) -> None:
    """Refuse episodes whose joints or series are not those of the space."""
    expected, got = space.joint_names, episodes.joint_names
    if got != expected or episodes.source != space.source:
        raise InputError(
            f"joints {', '.join(got)} from {episodes.source!r}",
            where=f"episodes of {episodes.robot} ({episodes[0].path.parent})" if len(episodes) else "an empty set",
            expected=f"joints {', '.join(expected)} from {space.source!r}",
            fix="pass episodes of the robot and series that the statistics belong to",
        )
