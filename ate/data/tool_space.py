"""Tool space: an action space whose columns are the motion of the tool, the same ten for every robot.

    joints (…, dof)  →  m(a) (…, 10)  →  normalised        D_r: inverse kinematics of the decoded motion

Equal tool motion is what two robots share; joints are how each of them does it. Networks that see this space are of no
robot; what turns their numbers into joints is the robot's kinematics (`ate.robots.frames`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.normalize import Normalizer
from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.robots import GRIPPER, Embodiment
from ate.robots.frames import OPENING, POSITION, TOOL_NAMES, Placement
from ate.robots.kinematics import Kinematics

Array = TypeVar("Array", np.ndarray, Tensor)
WIDTH = len(TOOL_NAMES)


@dataclass(frozen=True, eq=False)
class ToolSpace(ActionSpace):
    """Tool motion of one robot.

    Attributes:
        placement: kinematics of the robot and where it stands.
        columns: names of the columns of its data.
    """

    placement: Placement = field(kw_only=True)
    columns: tuple[str, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        missing = [name for name in self.placement.kinematics.joint_names if name not in self.columns]
        if missing:
            raise InputError(
                f"columns {', '.join(self.columns)}",
                where=f"tool motion of {self.embodiment.name}",
                expected=f"a column for every joint that moves the tool; {', '.join(missing)} not among them",
                fix="name the columns as the robot's kinematics do, in the file or by a profile",
            )

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Columns of the data."""
        return self.columns

    @property
    def still(self) -> np.ndarray:
        """None of them, bool `(dof,)`: the statistics are of tool motion."""
        return np.zeros(len(self.columns), bool)

    @property
    def compact(self) -> "ToolSpace":
        """Itself: tool motion has no slots."""
        return self

    @property
    def loss_mask(self) -> np.ndarray:
        """The loss mask, bool `(10,)`: all but the opening of a robot without a gripper column."""
        mask = np.ones(WIDTH, bool)
        mask[OPENING] = GRIPPER in self.columns
        return mask

    def encode(self, values: Array) -> Array:
        """Raw joints `(…, dof)` → normalised tool motion `(…, 10)`; differentiable."""
        arm = values[..., self._arm]
        opening = values[..., self.columns.index(GRIPPER)] if GRIPPER in self.columns else 0 * values[..., 0] + 1
        rows = self.placement.rows(arm, opening)
        return self.normalizer.normalize(rows.astype(values.dtype) if isinstance(rows, np.ndarray) else rows)

    def decode(self, values: Array, start: np.ndarray | None = None) -> Array:
        """Normalised tool motion `(…, S, 10)` → raw joints `(…, S, dof)`, by inverse kinematics row after row.

        Args:
            values: chunks of tool motion.
            start: `(…, dof)` raw joints before the first row; None: the first row is searched from the robot's rest.
        """
        host = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        rows = self.normalizer.denormalize(host.astype(np.float64))
        flat = rows.reshape(-1, *rows.shape[-2:])
        begin = np.zeros((len(flat), len(self.columns))) if start is None else start.reshape(-1, len(self.columns))
        q, _ = self.placement.follow(flat, None if start is None else begin[:, self._arm].astype(float))
        joints = np.repeat(begin[:, None].astype(float), flat.shape[1], axis=1)
        joints[..., self._arm] = q
        if GRIPPER in self.columns:
            joints[..., self.columns.index(GRIPPER)] = np.clip(flat[..., OPENING], 0.0, 1.0)
        out = joints.reshape(*rows.shape[:-1], len(self.columns)).astype(np.float32)
        return torch.from_numpy(out).to(values.device) if isinstance(values, Tensor) else out

    def of_robot(self, episodes: Episodes, placement: Placement) -> "ToolSpace":
        """The same statistics for another robot."""
        embodiment = replace(self.embodiment, name=episodes.robot)
        return replace(
            self,
            embodiment=embodiment,
            placement=placement,
            columns=episodes.joint_names,
            converted=episodes.conversion,
        )

    def to_tree(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        p = self.placement
        poses = {"base": p.base.tolist(), "tool": p.tool.tolist()}
        return {**super().to_tree(), "columns": list(self.columns), "kinematics": p.kinematics.to_tree(), **poses}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "ToolSpace":
        """The inverse of `to_tree`."""
        known = ActionSpace.from_tree(tree)
        base, tool = (np.asarray(tree[name], float) for name in ("base", "tool"))
        placement = Placement(Kinematics.from_tree(tree["kinematics"]), base, tool)
        values = {name: getattr(known, name) for name in ("embodiment", "normalizer", "source", "data", "converted")}
        return cls(**values, placement=placement, columns=tuple(tree["columns"]))

    @property
    def _arm(self) -> slice | list[int]:
        index = [self.columns.index(name) for name in self.placement.kinematics.joint_names]
        first, count = index[0], len(index)
        # On a GPU a list would be copied to the device at every step.
        return slice(first, first + count) if index == list(range(first, first + count)) else index


def tool_spaces(sets: Sequence[Episodes], placements: Sequence[Placement]) -> tuple[ToolSpace, ...]:
    """One tool space a set, all of one normaliser: positions on one scale, rotations as they are, openings 0 to 1.

    Raises:
        InputError: a set without a column for every joint that moves the tool.
    """
    low, high = np.full(WIDTH, -1.0), np.ones(WIDTH)
    low[OPENING] = 0.0
    unit = Normalizer(np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))
    made = [
        ToolSpace(Embodiment(s.robot, TOOL_NAMES, tuple(range(WIDTH)), WIDTH), unit, s.source, s.digest,
                  s.conversion, placement=placement, columns=s.joint_names)
        for s, placement in zip(sets, placements, strict=True)
    ]  # fmt: skip
    rows = [
        space.placement.forward(s.series(i)[:, space._arm].astype(float))[0]
        for s, space in zip(sets, made, strict=True)
        for i in range(len(s))
    ]
    least, most = np.min([r.min(0) for r in rows], axis=0), np.max([r.max(0) for r in rows], axis=0)
    half = (most - least).max() / 2
    low[POSITION], high[POSITION] = (least + most) / 2 - half, (least + most) / 2 + half
    normalizer = Normalizer(low.astype(np.float32), high.astype(np.float32))
    return tuple(replace(space, normalizer=normalizer) for space in made)


def space_of(tree: Mapping[str, Any]) -> ActionSpace:
    """The action space in a checkpoint: of joints, or of tool motion."""
    return ToolSpace.from_tree(tree) if "kinematics" in tree else ActionSpace.from_tree(tree)
