"""Embodiments: which slot of the unified action vector each named joint of a robot takes.

Robots of different widths share one policy through a vector that is wide enough for all of them; what a robot
lacks is masked and stays exactly zero. `ate.robots.slots` says which slot a joint takes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ate.errors import InputError

if TYPE_CHECKING:
    import torch

# Arrays and tensors alike; torch itself is not needed to map names to slots.
Array = TypeVar("Array", np.ndarray, "torch.Tensor")
GRIPPER = "gripper"


@dataclass(frozen=True)
class Embodiment:
    """The mapping of one robot's joints into the unified vector.

    Attributes:
        name: the robot.
        joint_names: its columns, in the order of the data.
        slots: the slot of each column, all different.
        width: width of the unified vector.
    """

    name: str
    joint_names: tuple[str, ...]
    slots: tuple[int, ...]
    width: int

    def __post_init__(self) -> None:
        if len(set(self.slots)) != len(self.slots) or len(self.slots) != len(self.joint_names):
            raise InputError(
                f"slots {self.slots} for joints {self.joint_names}",
                where=f"embodiment {self.name}",
                expected="one slot of its own for every joint",
                fix="give as many different slots as there are joints",
            )
        if self.slots and not (min(self.slots) >= 0 and max(self.slots) < self.width):
            raise InputError(
                f"slots {self.slots}",
                where=f"embodiment {self.name}",
                expected=f"slots from 0 to {self.width - 1}",
                fix="widen the unified vector",
            )

    @property
    def used(self) -> np.ndarray:
        """True where the unified vector holds a joint of this robot, bool `(width,)`."""
        used = np.zeros(self.width, dtype=bool)
        used[list(self.slots)] = True
        return used

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The joint in each slot, `"-"` where there is none."""
        names = ["-"] * self.width
        for slot, joint in zip(self.slots, self.joint_names, strict=True):
            names[slot] = joint
        return tuple(names)

    def scatter(self, values: Array) -> Array:
        """`(…, dof)` → `(…, width)`, zeros in the slots this robot does not use."""
        self._check(values.shape[-1], len(self.slots), "joint columns")
        shape = (*values.shape[:-1], self.width)
        out = np.zeros(shape, dtype=values.dtype) if isinstance(values, np.ndarray) else values.new_zeros(shape)
        out[..., list(self.slots)] = values
        return out

    def gather(self, values: Array) -> Array:
        """`(…, width)` → `(…, dof)`; the inverse of `scatter`."""
        self._check(values.shape[-1], self.width, "unified slots")
        return values[..., list(self.slots)]

    def _check(self, got: int, expected: int, what: str) -> None:
        if got != expected:
            raise InputError(
                f"{got} columns",
                where=f"embodiment {self.name}",
                expected=f"{expected} {what}",
                fix="check that the data belong to this robot",
            )
