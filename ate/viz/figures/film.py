"""Film strip: rollouts at a few moments, from above and from the side, in metres."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.errors import InputError
from ate.sim.tasks import RATE_HZ, TASKS
from ate.viz.figures.camera import picture_strip
from ate.viz.style import BLUE, GREEN, ORANGE, SOFT, faded, finish

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts

MOMENTS = 5
# Which of x, y, z is horizontal and which vertical on the page.
VIEWS = {"from above": (0, 1), "from the side": (0, 2)}
NAMES = ("x", "y", "z")
# Margin around the tracks in metres; then pixels of a column, of the space between two rows (a rollout's headline and
# times), and of the space around the strip.
ROOM, COLUMN, BETWEEN, AROUND = 0.03, 175, 54, 150


def film_strip(rollouts: "Rollouts", which: Sequence[int], moments: int = MOMENTS) -> go.Figure:
    """Small multiples to one scale: two rows for each rollout (from above, from the side), a column for each moment.

    Line and triangle: path and position of the tool. Dotted line and square: those of the object. Cross: the goal. In
    the frame of the table: the robot stands at negative x, the table top is z = 0. Of a simulator of the user's own its
    pictures are shown, or the joints over time where it gives none.

    Args:
        rollouts: recorded (`record=True`).
        which: rows of them, at least one.
        moments: columns, from the start to the end of each rollout.

    Raises:
        InputError: they were not recorded.
    """
    if rollouts.tracks is None:
        raise InputError(
            "rollouts without tracks", where="film strip", expected="recorded rollouts", fix="pass record=True"
        )
    if not rollouts.tracks.tool.shape[-1]:
        return _own(rollouts, which, moments)
    rows = [(index, view) for index in which for view in VIEWS]
    # Control steps, from 0 to the rollout's last.
    times = {i: np.linspace(0, int(rollouts.steps[i]), moments).round().astype(int).tolist() for i in which}
    spans = _spans(rollouts, which)
    heights = [spans[VIEWS[view][1]][1] - spans[VIEWS[view][1]][0] for _, view in rows]
    pixels = COLUMN / (spans[0][1] - spans[0][0])
    height = round(AROUND + sum(pixels * high + BETWEEN for high in heights))
    figure = make_subplots(
        rows=len(rows), cols=moments, horizontal_spacing=0.012, vertical_spacing=min(BETWEEN / height, 0.9 / len(rows)),
        row_heights=heights,
        subplot_titles=[f"{step / RATE_HZ:.1f} s" if view == "from above" else "" for index, view in rows
                        for step in times[index]],
    )  # fmt: skip
    for row, (index, view) in enumerate(rows, 1):
        across, up = VIEWS[view]
        for col, step in enumerate(times[index], 1):
            _moment(figure, rollouts, index, step, (across, up), {"row": row, "col": col})
        figure.update_yaxes(range=spans[up], row=row)
        figure.update_yaxes(title_text=f"{NAMES[up]} (m)<br>{view}", row=row, col=1)
    figure.update_xaxes(range=spans[0], showticklabels=False, dtick=0.1, constrain="domain")
    figure.update_xaxes(showticklabels=True, title_text="x (m)", row=len(rows))
    figure.update_yaxes(showticklabels=False, dtick=0.1, constrain="domain")
    figure.update_yaxes(showticklabels=True, title_font_size=12, col=1)
    # The same scale vertically and horizontally.
    figure.for_each_yaxis(lambda axis: axis.update(scaleanchor=axis.anchor))
    finish(figure, height, margin={"t": 96}, legend={"orientation": "h", "x": 0, "y": 1, "yref": "container",
                                                     "yanchor": "top"})  # fmt: skip
    for place, index in enumerate(which):
        seconds = int(rollouts.steps[index]) / RATE_HZ
        outcome = f"succeeded after {seconds:.1f} s" if rollouts.success[index] else "failed"
        what = f"seed {int(rollouts.seeds[index])}: {outcome}, tool within {100 * rollouts.closest[index]:.1f} cm"
        first: Any = figure.get_subplot(2 * place + 1, 1)
        figure.add_annotation(
            x=0, xref="paper", y=first.yaxis.domain[1], yref="paper", yshift=32, xanchor="left", showarrow=False,
            text=f"<b>rollout {what}</b>", font={"size": 13, "color": SOFT},
        )  # fmt: skip
    return figure


def _own(rollouts: "Rollouts", which: Sequence[int], moments: int) -> go.Figure:
    """Rollouts of a simulator that does not say where tool and object are."""
    tracks: Any = rollouts.tracks
    words = {True: "succeeded", False: "failed"}
    names = {
        i: f"seed {int(rollouts.seeds[i])}: {words[bool(rollouts.success[i])]}, {int(rollouts.steps[i])} steps"
        for i in which
    }
    if tracks.image is not None:
        times = {i: np.linspace(0, int(rollouts.steps[i]), moments).round().astype(int) for i in which}
        rows = {names[i]: tracks.image[i][times[i]] for i in which}
        return picture_strip(rows, ["start", *[""] * (moments - 2), "end"])
    figure = make_subplots(rows=len(which), cols=1, subplot_titles=list(names.values()), shared_xaxes=True)
    for row, i in enumerate(which, 1):
        for joint, values in enumerate(tracks.qpos[i][: int(rollouts.steps[i]) + 1].T):
            figure.add_scatter(y=values, mode="lines", name=f"column {joint}", legendgroup=str(joint),
                               showlegend=row == 1, row=row, col=1)  # fmt: skip
    figure.update_xaxes(title_text="control step", row=len(which))
    return finish(figure, AROUND + 200 * len(which))


def _spans(rollouts: "Rollouts", which: Sequence[int]) -> list[list[float]]:
    """Ends of x, y and z in metres that hold everything these rollouts show."""
    tracks: Any = rollouts.tracks
    parts = [part[list(which)].reshape(-1, 3) for part in (tracks.tool, tracks.object)]
    if TASKS[rollouts.task].goal is not None:
        parts.append(tracks.goal[list(which)])
    points = np.concatenate(parts)
    low, high = points.min(0) - ROOM, points.max(0) + ROOM
    return [[float(a), float(b)] for a, b in zip(low, high, strict=True)]


def _moment(
    figure: go.Figure, rollouts: "Rollouts", index: int, step: int, view: tuple[int, int], place: dict[str, int]
) -> None:
    tracks: Any = rollouts.tracks
    across, up = view
    first = place == {"row": 1, "col": 1}
    for name, path, color, dash, symbol in (
        ("object", tracks.object[index], ORANGE, "dot", "square"),
        ("tool", tracks.tool[index], BLUE, "solid", "triangle-down"),
    ):
        walked = path[: step + 1]
        figure.add_scatter(
            x=walked[:, across], y=walked[:, up], mode="lines",
            line={"color": faded(color, 0.8), "width": 2, "dash": dash}, showlegend=False, hoverinfo="skip",
            legendgroup=name, **place,
        )  # fmt: skip
        figure.add_scatter(
            x=walked[-1:, across], y=walked[-1:, up], mode="markers", name=name, showlegend=first, legendgroup=name,
            marker={"size": 11, "color": color, "symbol": symbol},
            hovertemplate=f"{name}: %{{x:.3f}} m, %{{y:.3f}} m<extra></extra>", **place,
        )  # fmt: skip
    if TASKS[rollouts.task].goal is not None:
        figure.add_scatter(
            x=tracks.goal[index : index + 1, across], y=tracks.goal[index : index + 1, up], mode="markers", name="goal",
            marker={"size": 11, "color": GREEN, "symbol": "x-thin", "line": {"width": 3, "color": GREEN}},
            showlegend=first, legendgroup="goal", hoverinfo="skip", **place,
        )  # fmt: skip
