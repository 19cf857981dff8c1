"""Frames: robots meet in one frame, and their tools in one convention.

    shared pose of the tool = base · T(q) · tool

`base` is where the robot's base stands in the frame that all robots share (a base, a table, a camera). `tool` turns the
robot's own tool frame into the convention: z is the direction of approach, y the line on which the fingers move, the
origin between their pads. A gripper with two equal fingers looks the same after half a turn about z; which of the two a
robot's postures stand for is part of `tool`. The opening of a gripper is 0 when closed and 1 when open.

A row of tool motion is ten numbers: position (3), first and second column of the rotation (6), opening (1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from ate.errors import InputError
from ate.robots import chain
from ate.robots.inverse import Residual, follow, residual
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from ate.robots.model_text import is_model
from ate.robots.profile import profile

Array = NDArray[np.float64]
Values = TypeVar("Values", np.ndarray, Tensor)
TOOL_NAMES = ("x", "y", "z", "r11", "r21", "r31", "r12", "r22", "r32", "opening")
POSITION, TURN, OPENING = slice(0, 3), slice(3, 9), 9
HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Placement:
    """A robot where it stands, with its tool in the convention.

    Attributes:
        kinematics: of the robot.
        base: (4, 4) pose of its base in the shared frame, metres.
        tool: (4, 4) pose of the conventional tool in the robot's own tool frame.
    """

    kinematics: Kinematics
    base: Array
    tool: Array

    @classmethod
    def of(
        cls,
        robot: str | Path | Kinematics,
        tool: str | None = None,
        base: ArrayLike | None = None,
        turn: ArrayLike | None = None,
    ) -> "Placement":
        """A robot placed in the shared frame.

        Args:
            robot: a built-in robot, a URDF or MJCF file, a profile that names one, or kinematics.
            tool: link of the tool, of a file.
            base: (4, 4) pose of the base in the shared frame. None: a built-in robot stands where its simulated scene
                puts it on the table, another where its profile says, else in the origin.
            turn: (4, 4) pose of the conventional tool in the robot's tool frame. None: of a built-in robot the half
                turn that its home posture needs, of another what its profile says, else the identity.

        Raises:
            InputError: as `Kinematics.of`, or a pose that is none.
        """
        kinematics = robot if isinstance(robot, Kinematics) else Kinematics.of(robot, tool)
        known = None if isinstance(robot, Kinematics) or is_model(robot) or robot in ROBOTS else profile(robot)
        table = ROBOTS.get(robot) if isinstance(robot, str) else None
        place, convention = np.eye(4), np.eye(4)
        if table is not None:
            place[:3, 3] = table.base
            _, matrix = chain.pose(table, chain.home(table.name))
            # In the home posture the fingers move along the y axis of the table, whichever of them is on the left.
            convention = HALF_TURN if matrix[1, 1] > 0 else np.eye(4)
        elif known is not None:
            place, convention = origin(known.base), origin(known.turn)
        return cls(kinematics, _pose(base, place, "base"), _pose(turn, convention, "turn"))

    def forward(self, qpos: Values) -> tuple[Values, Values]:
        """Position (…, 3) and rotation (…, 3, 3) of the conventional tool in the shared frame; as `Kinematics`."""
        return self.shared(*self.kinematics.forward(qpos))

    def shared(self, position: Values, rotation: Values) -> tuple[Values, Values]:
        """Poses (…, 3) and (…, 3, 3) of the robot's own tool, base frame → of the conventional tool, shared frame."""
        base, tool = self._poses(position)
        moved = (rotation @ tool[:3, 3]) + position
        return (base[:3, :3] @ moved[..., None])[..., 0] + base[:3, 3], base[:3, :3] @ rotation @ tool[:3, :3]

    def own(self, position: Array, rotation: Array) -> tuple[Array, Array]:
        """The inverse of `shared`: poses of the robot's own tool in the frame of its base."""
        matrix = self.base[:3, :3].T @ rotation @ self.tool[:3, :3].T
        return (position - self.base[:3, 3]) @ self.base[:3, :3] - matrix @ self.tool[:3, 3], matrix

    def rows(self, arm: Values, opening: Values) -> Values:
        """Tool motion (…, 10) of arm joints (…, n) and openings (…,)."""
        position, rotation = self.forward(arm)
        parts = [position, rotation[..., 0], rotation[..., 1], opening[..., None]]
        return torch.cat(parts, -1) if isinstance(position, Tensor) else np.concatenate(parts, -1)

    @cached_property
    def _kept(self) -> dict[tuple[torch.device, torch.dtype], tuple[Tensor, ...]]:
        return {}

    def _poses(self, like: Values) -> tuple[Values, ...]:
        """`base` and `tool` of the kind of another array; they go to a device once, not at every step."""
        if not isinstance(like, Tensor):
            return self.base, self.tool
        key = (like.device, like.dtype)
        if key not in self._kept:
            self._kept[key] = tuple(
                torch.as_tensor(p, device=like.device, dtype=like.dtype) for p in (self.base, self.tool)
            )
        return self._kept[key]

    def follow(self, rows: Array, start: Array | None, period: float | None = None) -> tuple[Array, Residual]:
        """Joints (E, T, n) that follow tool motions (E, T, 10), and what they miss.

        They start from the joints before the first row, (n,) or (E, n); None: from any that reach the first row.
        """
        position, rotation = self.own(rows[..., POSITION], rotation_of(rows[..., TURN]))
        if start is None:
            start = self.kinematics.inverse(position[:, 0], rotation[:, 0], self.kinematics.rest)
        q = follow(self.kinematics, position, rotation, start, period)
        return q, residual(self.kinematics, q, position, rotation)


def origin(numbers: Sequence[float]) -> Array:
    """Pose (4, 4) of x y z in metres and roll pitch yaw in radians about fixed axes; of none the identity."""
    pose = np.eye(4)
    if len(numbers):
        pose[:3, 3] = numbers[:3]
        pose[:3, :3] = Rotation.from_euler("xyz", numbers[3:]).as_matrix()
    return pose


def rotation_of(columns: Array) -> Array:
    """Rotation matrices (…, 3, 3) of their first two columns (…, 6), made orthonormal (Gram and Schmidt)."""
    x = columns[..., :3] / np.maximum(np.linalg.norm(columns[..., :3], axis=-1, keepdims=True), 1e-9)
    y = columns[..., 3:] - (columns[..., 3:] * x).sum(-1, keepdims=True) * x
    y = y / np.maximum(np.linalg.norm(y, axis=-1, keepdims=True), 1e-9)
    return np.stack([x, y, np.cross(x, y)], -1)


def _pose(given: ArrayLike | None, default: Array, name: str) -> Array:
    if given is None:
        return default
    pose = np.asarray(given, float)
    rigid = pose.shape == (4, 4) and np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-6)
    if not rigid or np.linalg.det(pose[:3, :3]) < 0:
        raise InputError(
            np.array2string(pose, precision=3),
            where=f"placement, {name}",
            expected="a pose: (4, 4) with a rotation in its upper left",
            fix="give a rotation matrix and a translation in metres",
        )
    return pose
