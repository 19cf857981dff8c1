"""Grounding: what cameras say, each in its own frame, as one statement in the frame of the table.

    table:  o = p + R·o_tool                       p, R: pose of the tool, known from the joints
    fused:  o = (Σ_c o_c/σ_c²) / (Σ_c 1/σ_c²)      over cameras c

A yaw ψ of a cube that looks the same after a quarter turn is r·(cos 4ψ, sin 4ψ). The camera in the hand sees it about
the tool's axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ate.policies.vision.encoder import GROUPS, WRIST

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is where, N moments, in the frame of the table.

    Attributes:
        mean: of each of `GROUPS` (N, n), positions in metres.
        spread: σ of each (N,), likewise.
    """

    mean: Mapping[str, Array]
    spread: Mapping[str, Array]


def in_tool_frame(point: Array, position: Array, rotation: Array) -> Array:
    """Points (N, 3) of the table's frame in that of the tool, whose pose is (N, 3) and (N, 3, 3)."""
    return np.einsum("nji,nj->ni", rotation, point - position)


def in_table_frame(point: Array, position: Array, rotation: Array) -> Array:
    """The inverse of `in_tool_frame`."""
    return np.einsum("nij,nj->ni", rotation, point) + position


def turned(yaw: Array, rotation: Array) -> Array:
    """r·(cos 4ψ, sin 4ψ) (N, 2) about z, as seen in a frame that is turned by `rotation` (N, 3, 3)."""
    angle, length = np.arctan2(yaw[:, 1], yaw[:, 0]) / 4, np.hypot(yaw[:, 0], yaw[:, 1])
    axis = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], -1)
    seen = np.einsum("nij,nj->ni", rotation, axis)
    angle = 4 * np.arctan2(seen[:, 1], seen[:, 0])
    return length[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def of_camera(name: str, mean: Mapping[str, Array], position: Array, rotation: Array) -> dict[str, Array]:
    """What one camera says, in the frame of the table; a camera in the hand says it in the tool's."""
    if name != WRIST:
        return dict(mean)
    moved = {key: in_table_frame(mean[key], position, rotation) for key in ("object", "goal")}
    return {**moved, "yaw": turned(mean["yaw"], rotation)}


def for_camera(name: str, mean: Mapping[str, Array], position: Array, rotation: Array) -> dict[str, Array]:
    """The inverse of `of_camera`: what a camera shall say."""
    if name != WRIST:
        return dict(mean)
    moved = {key: point_for(name, mean[key], position, rotation) for key in ("object", "goal")}
    return {**moved, "yaw": turned(mean["yaw"], np.swapaxes(rotation, 1, 2))}


def point_for(name: str, point: Array, position: Array, rotation: Array) -> Array:
    """Points (N, 3) of the table's frame in that of a camera."""
    return in_tool_frame(point, position, rotation) if name == WRIST else point


def fused(cameras: Sequence[Seen]) -> Seen:
    """What several cameras say, in one frame, weighted by their precision."""
    precision = {name: sum(1 / own.spread[name] ** 2 for own in cameras) for name in GROUPS}
    weighted = {name: sum(own.mean[name] / own.spread[name][:, None] ** 2 for own in cameras) for name in GROUPS}
    mean = {name: np.asarray(weighted[name] / np.asarray(precision[name])[:, None]) for name in GROUPS}
    return Seen(mean, {name: np.asarray(precision[name]) ** -0.5 for name in GROUPS})
