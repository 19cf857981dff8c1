"""An arm in a posture, as lines between its joints, in metres."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from ate.robots.kinematics import Kinematics
from ate.robots.posture import points
from ate.viz.style import BLUE, GREEN, INK, ORANGE, RED, SOFT, finish

# Lengths of the drawn axes as shares of the arm's extent.
TOOL_AXIS, JOINT_AXIS = 0.12, 0.06


def arm_figure(kinematics: Kinematics, qpos: ArrayLike | None = None) -> go.Figure:
    """The arm from base to tool: a line through its joints, an axis at each joint, and the tool's three axes.

    Args:
        kinematics: of the arm.
        qpos: (n,) posture; None for the resting one.

    Returns:
        A figure in the frame of the robot's base; x red, y green, z blue at the tool.
    """
    q = kinematics.rest if qpos is None else np.asarray(qpos, float)
    spots = points(kinematics, q)
    track = np.concatenate([np.zeros((1, 3)), spots])
    extent = max(float(np.ptp(track, axis=0).max()), 1e-3)
    position, rotation = kinematics.forward(q)
    figure = go.Figure()
    figure.add_scatter3d(
        x=track[:, 0], y=track[:, 1], z=track[:, 2], mode="lines+markers", name="arm",
        line={"color": INK, "width": 8}, marker={"size": 4, "color": SOFT}, hoverinfo="skip",
    )  # fmt: skip
    turns, _ = kinematics.products(q)
    for i, (spot, screw) in enumerate(zip(spots[:-1], kinematics.screws, strict=True)):
        slides = not screw[:3].any()
        axis = turns[i] @ (screw[3:] if slides else screw[:3])
        _line(figure, spot - JOINT_AXIS * extent * axis, spot + JOINT_AXIS * extent * axis, ORANGE,
              f"{_led_by(kinematics, i)}, {'slides' if slides else 'turns'}", i == 0)  # fmt: skip
    for axis, color, name in zip(rotation.T, (RED, GREEN, BLUE), "xyz", strict=True):
        _line(figure, position, position + TOOL_AXIS * extent * axis, color, f"tool {name}", True)
    scene = {f"{name}axis": {"title": {"text": f"{name} (m)"}} for name in "xyz"}
    return finish(
        figure, 620, scene={**scene, "aspectmode": "data"}, title={"text": f"{kinematics.name}, base frame"},
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
    )  # fmt: skip


def _led_by(kinematics: Kinematics, i: int) -> str:
    """The joint whose value moves the i-th screw."""
    return kinematics.joint_names[int(np.abs(kinematics.coupling[i]).argmax())]


def _line(figure: go.Figure, start: np.ndarray, end: np.ndarray, color: str, text: str, listed: bool) -> None:
    joint = color == ORANGE
    figure.add_scatter3d(
        x=[start[0], end[0]], y=[start[1], end[1]], z=[start[2], end[2]], mode="lines",
        name="joint axes" if joint else text, legendgroup="joints" if joint else text, showlegend=listed,
        line={"color": color, "width": 5}, hovertemplate=f"{text}<extra></extra>",
    )  # fmt: skip
