"""Kinematics by screw axes: the product of exponentials.

    T(q) = Π_i exp(ξ_i · e_i) · M        e = coupling · q − zero

ξ_i = (ω_i, v_i) is the screw of one moving joint in the base frame: a unit ω_i with v_i = −ω_i × (a point of the axis)
for a hinge, ω_i = 0 with a unit v_i for a slide. `e` are the exponents, one a moving joint; `coupling` is the identity
unless one joint mimics another. Batched over leading dimensions and differentiable in torch, on the device of its
input. Radians and metres, in the frame of the robot's base.

Source: Lynch and Park, Modern Robotics, chapters 4 to 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ate.errors import InputError, unknown
from ate.robots import chain
from ate.robots.kinematic_table import ROBOTS, Robot
from ate.robots.model_text import is_model
from ate.robots.profile import Profile, available, profile

Array = NDArray[np.float64]
Values = TypeVar("Values", np.ndarray, Tensor)
ARRAYS = ("screws", "mount", "coupling", "zero", "limits", "speed", "rest")


@dataclass(frozen=True, eq=False)
class Kinematics:
    """From joints to the pose of the tool, for one robot.

    Attributes:
        name: of the robot.
        joint_names: the n joints that move the tool, in the order of q.
        screws: (m, 6) ω and v of each moving joint, base frame, in the order from base to tool.
        mount: (4, 4) pose M of the tool where all exponents are 0.
        coupling: (m, n) exponents by joints; the identity without mimic joints.
        zero: (m,) subtracted from them, radians or metres.
        limits: (n, 2) lowest and highest position; infinite where not known.
        speed: (n,) highest speed, rad/s or m/s; infinite where not known.
        rest: (n,) posture that joints which the tool does not need are pulled to.
    """

    name: str
    joint_names: tuple[str, ...]
    screws: Array
    mount: Array
    coupling: Array
    zero: Array
    limits: Array
    speed: Array
    rest: Array

    @classmethod
    def of(cls, robot: str | Path | Robot, tool: str | None = None) -> "Kinematics":
        """Kinematics of a built-in robot by name, or of a URDF or MJCF file.

        Args:
            robot: a name of `ate.robots.kinematic_table`, the path of a `.urdf`, `.xml` or `.mjcf` file or of a `.json`
                file that `ate identify` wrote, or a profile (name or `.toml` file) that names one of these.
            tool: link (or site) whose frame is the tool, of models; None chooses at the end of the longest chain (see
                `ate.robots.tool_link`). The tool of a built-in robot is the point between the pads of the common
                gripper.

        Raises:
            InputError: an unknown robot, a file that cannot be read, or a link that it does not have.
        """
        if isinstance(robot, Robot) or (isinstance(robot, str) and robot in ROBOTS):
            arm = robot if isinstance(robot, Robot) else ROBOTS[robot]
            if tool is not None:
                raise InputError(f"tool {tool!r}", where=f"kinematics of {arm.name}, which is built in",
                                 expected="no tool: it lies between the pads of the common gripper",
                                 fix="leave the tool out, or give the robot's URDF")  # fmt: skip
            return _of_table(arm)
        if is_model(robot):
            from ate.robots.model_file import read_kinematics

            return read_kinematics(robot, tool)
        if str(robot).endswith(".toml") or str(robot) in available():
            return _of_profile(profile(robot), tool)
        raise unknown(str(robot), ROBOTS, where="robot (built in, or a .urdf, .xml, .mjcf, .json or .toml file)")

    @property
    def joints(self) -> int:
        """How many joints move the tool, n."""
        return len(self.joint_names)

    @property
    def slides(self) -> NDArray[np.bool_]:
        """Which of them slide, bool (n,): positions in metres; the others turn."""
        turning = np.linalg.norm(self.screws[:, :3], axis=1) > 0
        slides: NDArray[np.bool_] = ~((self.coupling != 0) & turning[:, None]).any(axis=0)
        return slides

    def forward(self, qpos: Values) -> tuple[Values, Values]:
        """Position (…, 3) in metres and rotation matrix (…, 3, 3) of the tool, in the base frame.

        Args:
            qpos: (…, n) joints; a trailing gripper column (…, n + 1) is ignored. Arrays give arrays of float64, tensors
                give tensors of their own type and device, with gradients.

        Raises:
            InputError: another number of columns.
        """
        q = self._arm(qpos)
        rotation, position = self._compose(*self._exponentials(q))
        return _like(position, qpos), _like(rotation, qpos)

    def jacobian(self, qpos: Values) -> tuple[Values, Values, Values]:
        """Geometric Jacobian (…, 6, n), linear rows first, with position and rotation of the tool as `forward`."""
        q = self._arm(qpos)
        turns, shifts = self._exponentials(q)
        screws, coupling = self._constants(q)[:2]
        columns = [screws[0].expand(*q.shape[:-1], 6)]
        rotation, position = turns[0], shifts[0]
        for screw, turn, shift in zip(screws[1:], turns[1:], shifts[1:], strict=True):
            omega = rotation @ screw[:3]
            columns.append(torch.cat([omega, rotation @ screw[3:] + torch.linalg.cross(position, omega)], -1))
            rotation, position = rotation @ turn, _point(rotation, position, shift)
        rotation, position = self._mounted(rotation, position)
        spatial = torch.stack(columns, -1)
        linear = spatial[..., 3:, :] + torch.linalg.cross(spatial[..., :3, :], position[..., None], dim=-2)
        jacobian = torch.cat([linear, spatial[..., :3, :]], -2) @ coupling
        return _like(jacobian, qpos), _like(position, qpos), _like(rotation, qpos)

    def products(self, qpos: Values) -> tuple[Values, Values]:
        """Products of the first 1 … m exponentials: rotations (…, m, 3, 3) and translations (…, m, 3), base frame.

        The i-th moves whatever the first i joints move from where it is when all exponents are 0.
        """
        turns, shifts = self._exponentials(self._arm(qpos))
        rotations, positions = turns[:1], shifts[:1]
        for turn, shift in zip(turns[1:], shifts[1:], strict=True):
            positions.append(_point(rotations[-1], positions[-1], shift))
            rotations.append(rotations[-1] @ turn)
        return _like(torch.stack(rotations, -3), qpos), _like(torch.stack(positions, -2), qpos)

    def inverse(self, position: ArrayLike, rotation: ArrayLike, start: ArrayLike) -> Array:
        """Joints (N, n) that put the tool at N poses, each found on its own from its start, within the limits.

        Args:
            position: (N, 3) metres, base frame.
            rotation: (N, 3, 3).
            start: (n,) or (N, n) where the search starts; redundant joints are pulled to `rest`.

        Poses out of reach end as near as damped steps get: see `ate.robots.inverse.residual`.
        """
        from ate.robots.inverse import solve

        return solve(self, np.asarray(position, float), np.asarray(rotation, float), np.asarray(start, float))

    @classmethod
    def identify(cls, qpos: ArrayLike, position: ArrayLike, rotation: ArrayLike) -> "Kinematics":
        """Kinematics from recorded joints and tool poses, by least squares (`ate.robots.identify`).

        Args:
            qpos: (N, n) arm joints, radians.
            position: (N, 3) of the tool, metres, in any fixed frame, which becomes the base frame.
            rotation: (N, 3, 3).

        Raises:
            InputError: too few rows, or joints that do not explain the poses within 15 mm.
        """
        from ate.robots.identify import identify

        return identify(np.asarray(qpos, float), np.asarray(position, float), np.asarray(rotation, float)).kinematics

    def renamed(self, name: str, joint_names: tuple[str, ...]) -> "Kinematics":
        """The same kinematics under another name, with joints called what the recordings call them."""
        if len(joint_names) != self.joints:
            raise InputError(
                f"{len(joint_names)} joint names",
                where=f"kinematics of {self.name}",
                expected=f"{self.joints}",
                fix="name every joint that moves the tool",
            )
        return replace(self, name=name, joint_names=joint_names)

    def to_tree(self) -> dict[str, Any]:
        """Plain values, for a checkpoint or a file."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: _plain(value) if isinstance(value, np.ndarray) else value for name, value in own.items()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Kinematics":
        """The inverse of `to_tree`."""
        arrays = {name: np.asarray(tree[name], float) for name in ARRAYS}
        return cls(name=tree["name"], joint_names=tuple(tree["joint_names"]), **arrays)

    def _arm(self, qpos: np.ndarray | Tensor) -> Tensor:
        values = qpos if isinstance(qpos, Tensor) else torch.as_tensor(np.require(qpos, np.float64, "W"))
        if values.ndim == 0 or values.shape[-1] not in (self.joints, self.joints + 1):
            raise InputError(
                f"an array of shape {tuple(values.shape)}",
                where=f"kinematics of {self.name}",
                expected=f"{self.joints} joints (and optionally the gripper) in the last dimension",
                fix=f"pass {', '.join(self.joint_names)}",
            )
        return values[..., : self.joints]

    @cached_property
    def _kept(self) -> dict[tuple[torch.device, torch.dtype], tuple[Tensor, ...]]:
        return {}

    def _constants(self, like: Tensor) -> tuple[Tensor, ...]:
        """Screws, coupling, zero, mount, the unit matrix, [ω] and [ω]², v, [ω]v and [ω]²v of every joint.

        On the device and of the type of a tensor; each made once.
        """
        key = (like.device, like.dtype)
        if key not in self._kept:
            arrays = (self.screws, self.coupling, self.zero, self.mount, np.eye(3), [_hat(s[:3]) for s in self.screws])
            made = [torch.as_tensor(np.array(a), device=like.device, dtype=like.dtype) for a in arrays]
            hats, v = made[-1], made[0][:, 3:, None]
            squares = hats @ hats
            self._kept[key] = (*made, squares, *(part[..., 0] for part in (v, hats @ v, squares @ v)))
        return self._kept[key]

    def _exponentials(self, q: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Rotations (…, 3, 3) and translations (…, 3) of the exponential of every moving joint."""
        _, coupling, zero, _, eye, hats, squares, v, once, twice = self._constants(q)
        e = (q @ coupling.T - zero)[..., None]
        sine, versine = torch.sin(e), 1 - torch.cos(e)
        rotations = eye + sine[..., None] * hats + versine[..., None] * squares
        translations = e * v + versine * once + (e - sine) * twice
        return list(rotations.unbind(-3)), list(translations.unbind(-2))

    def _compose(self, turns: list[Tensor], shifts: list[Tensor]) -> tuple[Tensor, Tensor]:
        rotation, position = turns[0], shifts[0]
        for turn, shift in zip(turns[1:], shifts[1:], strict=True):
            rotation, position = rotation @ turn, _point(rotation, position, shift)
        return self._mounted(rotation, position)

    def _mounted(self, rotation: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        mount = self._constants(rotation)[3]
        return rotation @ mount[:3, :3], rotation @ mount[:3, 3] + position


def _plain(values: Array) -> list[Any]:
    """Nested lists of numbers; the infinite ones, which JSON lacks, as text that numpy reads back."""
    plain: list[Any] = np.where(np.isfinite(values), values.astype(object), values.astype(str)).tolist()
    return plain


def _point(rotation: Tensor, position: Tensor, shift: Tensor) -> Tensor:
    return (rotation @ shift[..., None])[..., 0] + position


def _hat(omega: Array) -> Array:
    x, y, z = omega
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _like(values: Tensor, given: Values) -> Values:
    return values if isinstance(given, Tensor) else values.numpy()


def _of_profile(known: Profile, tool: str | None) -> Kinematics:
    """Kinematics of the file that a profile names, with the profile's names of joints."""
    from ate.robots.model_file import read_kinematics

    if not known.model:
        raise InputError("no model", where=f"profile {known.name}", expected="the file of the robot's kinematics",
                         fix='add model = "arm.urdf" to a .toml profile, or give the URDF itself')  # fmt: skip
    read = read_kinematics(known.model, tool or known.tool or None)
    joints = known.match(read.joint_names)
    names = tuple(joint.name if joint else name for joint, name in zip(joints, read.joint_names, strict=True))
    return read.renamed(known.name, names)


def _of_table(arm: Robot) -> Kinematics:
    """Screws of a robot of the table: every joint turns about the z axis of its own frame at q = 0."""
    frames, tool = chain.joint_frames(arm, np.zeros(arm.joints))
    axes, points = frames[:, :3, 2], frames[:, :3, 3]
    rest = chain.home(arm.name) if ROBOTS.get(arm.name) is arm else arm.seed
    n = arm.joints
    return Kinematics(
        name=arm.name,
        joint_names=arm.joint_names[:-1],
        screws=np.concatenate([axes, np.cross(points, axes)], axis=1),
        mount=tool,
        coupling=np.eye(n),
        zero=np.zeros(n),
        limits=arm.limits,
        speed=np.full(n, np.inf),
        rest=np.asarray(rest, float),
    )
