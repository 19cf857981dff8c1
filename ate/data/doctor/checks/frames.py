"""Frames against the pre-training sets: a tool whose axes are turned, a base that stands elsewhere.

Tools are compared in the frame that robots share, by recorded `ee_pose` or by kinematics (`ate.data.tool_poses`): the
direction of approach (z of the tool), the line on which the fingers move (y), and the workspace. A gripper that is
inverted is found where joints are compared (`checks.against`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.placements import placed, robot_of
from ate.data.tool_poses import ToolPoses, shared_poses
from ate.errors import InputError

Array = NDArray[np.float64]
# Approach axes that differ by more are another axis, not another way to grasp; radians.
TURNED = np.radians(30)
# Length of a mean direction (of a mean doubled angle) from which it is a direction at all.
AGREED, LINED = 0.9, 0.5
# Shift between mean positions in metres, and in standard errors over episodes.
SHIFTED, ERRORS = 0.03, 4.0
# Share of the rows inside the other workspace below which it is another one, and its margin in metres.
INSIDE, MARGIN = 0.5, 0.02


@dataclass(frozen=True, eq=False)
class _Tool:
    """Where the tools of one side are: positions (N, 3), rotations (N, 3, 3), mean positions (E, 3) of episodes."""

    position: Array
    rotation: Array
    means: Array

    @classmethod
    def of(cls, parts: list[ToolPoses]) -> "_Tool":
        means = [p.position[p.episode == i].mean(0) for p in parts for i in np.unique(p.episode)]
        return cls(np.concatenate([p.position for p in parts]), np.concatenate([p.rotation for p in parts]),
                   np.array(means))  # fmt: skip


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Nothing without a pre-training set; a note where tool poses are not known of both."""
    if not data.against:
        return
    try:
        mine = shared_poses(data.episodes)
        others = [shared_poses(other.episodes) for other in data.against]
    except InputError as error:
        yield Finding(PASS, "frames", "tool", f"not compared: {error.got}")
        return
    known = [poses for poses in others if poses is not None]
    if mine is None or not known:
        yield Finding(PASS, "frames", "tool", "not compared: neither ee_pose nor kinematics are known of both")
        return
    tool, other = _Tool.of([mine]), _Tool.of(known)
    robot = robot_of(data.episodes)
    place = placed(robot) if robot else None
    base, convention = (np.eye(4), np.eye(4)) if place is None else (place.base, place.tool)
    findings = [*_turned(convention, tool, other), *_shifted(base, tool, other)]
    yield from findings
    if not findings:
        yield Finding(PASS, "frames", "tool", "approach, fingers and workspace as in the pre-training set")


def _turned(convention: Array, tool: _Tool, other: _Tool) -> Iterator[Finding]:
    """A tool whose approach or finger axis is another one."""
    approach = other.rotation[:, :, 2].mean(0)
    if np.linalg.norm(approach) < AGREED:
        return
    approach /= np.linalg.norm(approach)
    seen = np.einsum("nij,i->nj", tool.rotation, approach).mean(0)
    if np.linalg.norm(seen) < AGREED:
        return
    seen /= np.linalg.norm(seen)
    off = float(np.arccos(np.clip(seen[2], -1, 1)))
    turn = _from_z(seen) if off > TURNED else np.eye(3)
    fingers = _fingers(tool.rotation @ turn, other.rotation, approach)
    turn = turn @ Rotation.from_euler("z", fingers).as_matrix()
    fix = f"write turn = {_numbers(convention[:3, 3], convention[:3, :3] @ turn)} into the robot's .toml profile"
    if off > TURNED:
        yield Finding(
            FAIL, "frames.turned", "tool",
            f"its z axis is {np.degrees(off):.0f}° off the direction of approach of the pre-training set, which is "
            f"{_axis(seen)} here", "z along the approach, y along the line of the fingers", fix,
        )  # fmt: skip
    elif fingers:
        yield Finding(
            WARN, "frames.fingers", "tool",
            f"its fingers move on a line {abs(np.degrees(fingers)):.0f}° off that of the pre-training set, about the "
            "direction of approach", "y along the line of the fingers", fix,
        )  # fmt: skip


def _fingers(rotation: Array, other: Array, approach: Array) -> float:
    """Angle about the tool's z from its line of fingers to the other's, radians; 0 where they agree or cannot tell."""
    across = np.cross(approach, [1.0, 0, 0] if abs(approach[0]) < 0.7 else [0, 1.0, 0])
    across /= np.linalg.norm(across)
    plane = np.stack([across, np.cross(approach, across)])
    doubled = []
    for matrices in (rotation, other):
        u, v = plane @ matrices[:, :, 1].T
        doubled.append(np.mean(np.exp(2j * np.arctan2(v, u))))
    if min(abs(value) for value in doubled) < LINED:
        return 0.0
    angle = float(np.angle(doubled[1] / doubled[0]) / 2)
    return angle if abs(angle) > TURNED else 0.0


def _shifted(base: Array, tool: _Tool, other: _Tool) -> Iterator[Finding]:
    """A workspace elsewhere, and the base that would bring it back."""
    shift = tool.means.mean(0) - other.means.mean(0)
    errors = [side.means.std(0) / np.sqrt(len(side.means)) for side in (tool, other)]
    if not (np.abs(shift) > np.maximum(SHIFTED, ERRORS * np.hypot(*errors))).any():
        return
    low, high = np.quantile(other.position, [0.01, 0.99], axis=0)
    inside = float(((tool.position > low - MARGIN) & (tool.position < high + MARGIN)).all(axis=1).mean())
    centimetres = ", ".join(f"{name} {100 * value:+.0f}" for name, value in zip("xyz", shift, strict=True))
    yield Finding(
        WARN if inside > INSIDE else FAIL, "frames.shifted", "base",
        f"the tool is on average {100 * np.linalg.norm(shift):.0f} cm away from where it is in the pre-training set "
        f"({centimetres} cm); {100 * inside:.0f} % of its rows are in that workspace", "one frame for all robots",
        "if the scene is the same, the base stands elsewhere: write "
        f"base = {_numbers(base[:3, 3] - shift, base[:3, :3])} into the robot's .toml profile",
    )  # fmt: skip


def _from_z(direction: Array) -> Array:
    """The smallest rotation (3, 3) that turns z into a direction; half a turn about x where it is −z."""
    axis = np.cross([0.0, 0.0, 1.0], direction)
    sine = float(np.linalg.norm(axis))
    axis = axis / sine if sine > 1e-6 else np.array([1.0, 0.0, 0.0])
    return Rotation.from_rotvec(np.arctan2(sine, direction[2]) * axis).as_matrix()


def _axis(direction: Array) -> str:
    """A direction in words: an axis where it is near one."""
    i = int(np.abs(direction).argmax())
    if abs(direction[i]) > np.cos(TURNED / 2):
        return f"{'−' if direction[i] < 0 else ''}{'xyz'[i]}"
    return "(" + ", ".join(f"{value:.2f}" for value in direction) + ")"


def _numbers(position: Array, rotation: Array) -> str:
    numbers = np.round([*position, *Rotation.from_matrix(rotation).as_euler("xyz")], 3) + 0.0
    return f"[{', '.join(f'{value:g}' for value in numbers)}]"
