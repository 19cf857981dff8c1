"""One episode joint by joint, with the robot's limits and the range of the other episodes."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.data.episodes import Episodes
from ate.data.units import joints_now
from ate.errors import InputError
from ate.robots import Joint, Profile
from ate.viz.style import BLUE, RED, SOFT, finish, short

# Points along an episode at which the set is summarised, and episodes that are read for it.
POINTS = 60
SUMMARISED = 200
# Most points of a curve; longer ones are drawn by the extremes of their intervals.
DRAWN = 1500
# Numbers beyond this are not positions; they would flatten all other curves.
ABSURD = 1e30
# A joint with a smaller range stands still; the axis does not zoom in further.
LEAST_SPAN = 0.02
UNITS = {"rad": "rad", "deg": "°", "m": "m", "mm": "mm", "fraction": "opening", "percent": "%", "ticks": "ticks",
         "range": "% of range"}  # fmt: skip
DASH = "6px,4px"
BEYOND = "beyond a limit"
BESIDE = "rgba(92,103,115,0.18)"


def episode_joints(
    episodes: Episodes, index: int, profile: Profile | None = None, *, narrow: bool = False
) -> go.Figure:
    """Each joint of one episode over time, the robot's limits, and in the background the set at the same stage.

    The band holds 98 % of the set's episodes at the same share of their length; its middle line is the median. Values
    are as recorded; limits are brought into the units of the recording as the profile declares them. A limit that is
    far off is named in the panel's title only; the button above shows the whole range.

    Args:
        episodes: the set.
        index: which of its episodes.
        profile: the robot's; None where it is not known.
        narrow: for half the width of a page: fewer panels in a row.
    """
    values = recorded(episodes, index)
    time = np.arange(len(values)) / (episodes.rate_hz or 1.0)
    low, middle, high = set_band(episodes)
    stage = np.linspace(0, time[-1] if len(time) else 0, POINTS)
    limits = joint_limits(episodes, profile)
    columns = 3 if episodes.dof <= 9 else 4 if episodes.dof <= 16 else 6
    columns -= narrow
    rows = -(-episodes.dof // columns)
    height = min(160 + rows * max(105, min(205, 1050 // rows)), 1190)
    # Narrow panels need a larger share of their width for the tick labels.
    gap = (0.2 if columns < 6 else 0.36) / columns
    figure = make_subplots(
        rows, columns, horizontal_spacing=gap, vertical_spacing=68 / (height - 180) if rows > 1 else 0,
        subplot_titles=panel_titles(episodes, profile, columns),
    )  # fmt: skip
    near, whole = {}, {}
    for column, limit in enumerate(limits):
        place = {"row": column // columns + 1, "col": column % columns + 1}
        band = [low[:, column], middle[:, column], high[:, column]]
        _band(figure, stage, band, column == 0, **place)
        where = _thinned(values[:, column])
        figure.add_scatter(
            x=time[where], y=values[where, column], mode="lines", line={"color": BLUE, "width": 2},
            name="this episode", showlegend=column == 0, **place,
        )  # fmt: skip
        _draw_limits(figure, time, values[:, column], limit, **place)
        axis = f"yaxis{column + 1 if column else ''}"
        near[f"{axis}.range"], whole[f"{axis}.range"] = ranges(values[:, column], band, limit)
        figure.update_yaxes(range=near[f"{axis}.range"], **place)
    views = [] if np.isnan(limits).all() else [near, whole]
    if views:
        key = {"color": RED, "width": 1.5, "dash": DASH}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=key, name="limit of the robot")
    for col in range(1, min(columns, episodes.dof) + 1):
        last = (episodes.dof - col) // columns + 1
        figure.update_xaxes(title_text="Time (s)" if episodes.rate_hz else "Step", row=last, col=col)
    figure.update_xaxes(title_font={"size": 12}, title_standoff=4, tickfont={"size": 11})
    figure.update_yaxes(tickfont={"size": 11}, nticks=5 if columns < 6 else 3)
    labels = ("Zoom on the movement", "Whole range of the joints")
    buttons = [{"label": name, "method": "relayout", "args": [view]} for name, view in zip(labels, views, strict=False)]
    menu = {"type": "buttons", "direction": "right", "buttons": buttons, "x": 1, "xanchor": "right", "y": 1,
            "yanchor": "bottom", "pad": {"b": 78}, "font": {"size": 11}}  # fmt: skip
    legend = {"orientation": "h", "x": 0, "y": 1 + 44 / (height - 180), "yanchor": "bottom"}
    finish(figure, height, margin={"t": 130, "b": 50, "l": 50}, updatemenus=[menu] if views else [], legend=legend)
    return figure.update_annotations(font_size=12)


def recorded(episodes: Episodes, index: int) -> np.ndarray:
    """The chosen series of one episode as it stands in the file, float64 `(n_steps, dof)`; NaN for what is no number.

    Unlike `Episodes.series` this refuses nothing but what cannot be read at all, so that a person can look at it.
    """
    series = episodes[index].series[episodes.source]
    values = np.array(series.fetch(0, len(series)), dtype=np.float64)
    values[~(np.abs(values) < ABSURD)] = np.nan
    return values


@lru_cache(maxsize=4)
def set_band(episodes: Episodes) -> np.ndarray:
    """The 1 %, 50 % and 99 % quantiles over episodes at 60 stages of their length, float64 `(3, 60, dof)`.

    Of sets with more than 200 episodes, 200 spread over the set are read; episodes that cannot be read are left out.
    """
    chosen = np.unique(np.linspace(0, len(episodes) - 1, min(len(episodes), SUMMARISED)).round().astype(int))
    stages = []
    for index in chosen:
        try:
            rows = recorded(episodes, int(index))
        except InputError:
            continue
        stages.append(rows[np.linspace(0, len(rows) - 1, POINTS).round().astype(int)])
    stack = np.array(stages or [np.full((POINTS, episodes.dof), np.nan)])
    # A column that is nowhere a number has no quantiles, and none is drawn.
    empty = np.isnan(stack).all(axis=0)
    band = np.nanquantile(np.where(empty, 0.0, stack), [0.01, 0.5, 0.99], axis=0)
    band[:, empty] = np.nan
    return band


def joint_limits(episodes: Episodes, profile: Profile | None) -> list[tuple[float, float]]:
    """Lowest and highest value of each joint in the units of its values, NaN where unknown."""
    return [_limits(joint) for joint in joints_now(episodes, profile)]


def _limits(joint: Joint | None) -> tuple[float, float]:
    """Lowest and highest recorded value that the joint's limits allow, NaN where unknown."""
    if joint is None:
        return np.nan, np.nan
    low, high = joint.low, joint.high
    if joint.quantity == "fraction" and low is None and high is None:
        # A gripper's opening lies between 0 and 1 by definition.
        low, high = 0.0, 1.0
    slope, offset = joint.affine
    ends = [np.nan if end is None else (end - offset) / slope for end in (low, high)]
    return (ends[0], ends[1]) if slope > 0 else (ends[1], ends[0])


def panel_titles(episodes: Episodes, profile: Profile | None, columns: int) -> list[str]:
    """Each joint, its unit where a profile tells it, and its limits."""
    length = {3: 26, 4: 20}.get(columns, 16)
    titles = []
    for name, joint, limit in zip(
        episodes.joint_names, joints_now(episodes, profile), joint_limits(episodes, profile), strict=True
    ):
        known = " to ".join(_number(end) for end in limit if not np.isnan(end))
        unit = f" ({UNITS[joint.unit]})" if joint is not None else ""
        titles.append(f"<b>{short(name, length)}</b>{unit}" + (f"<br>limits {known}" if known else ""))
    return titles


def _number(value: float) -> str:
    return format(value, ".4g" if abs(value) >= 100 else ".2f").replace("-", "−")


def _thinned(column: np.ndarray) -> np.ndarray:
    """Rows to draw: all, or the lowest and highest of each stretch, so that a jump of one row is not lost."""
    if len(column) <= DRAWN:
        return np.arange(len(column))
    edges = np.linspace(0, len(column), DRAWN // 2 + 1).astype(int)
    kept = {0, len(column) - 1}
    for start, stop in pairwise(edges):
        part = column[start:stop]
        if not np.isnan(part).all():
            kept |= {start + int(np.nanargmin(part)), start + int(np.nanargmax(part))}
        if np.isnan(part).any():
            kept.add(start + int(np.argmax(np.isnan(part))))
    return np.array(sorted(kept))


def ranges(column: np.ndarray, band: list[np.ndarray], limit: tuple[float, float]) -> tuple[list[float], list[float]]:
    """The range of the movement, with a limit that is close to it, and the range with all limits."""
    seen = np.concatenate([column, *band])
    seen = seen[~np.isnan(seen)]
    ends = [end for end in limit if not np.isnan(end)]
    if not len(seen):
        seen = np.array(ends or [0.0, 1.0])
    low, high = float(seen.min()), float(seen.max())
    span = max(high - low, LEAST_SPAN)
    close = [end for end in ends if low - span / 2 <= end <= high + span / 2]
    return _padded([low, high, *close]), _padded([low, high, *ends])


def _padded(values: list[float]) -> list[float]:
    """A range around these values, never narrower than a joint that stands still would need."""
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    return [low - margin, high + margin]


def _band(figure: go.Figure, stage: np.ndarray, band: list[np.ndarray], first: bool, **place: int) -> None:
    low, middle, high = band
    common = {"mode": "lines", "hoverinfo": "skip", **place}
    figure.add_scatter(x=stage, y=low, line={"width": 0}, showlegend=False, **common)
    figure.add_scatter(
        x=stage, y=high, line={"width": 0}, fill="tonexty", fillcolor=BESIDE, name="98 % of the set", showlegend=first,
        **common,
    )  # fmt: skip
    figure.add_scatter(
        x=stage, y=middle, line={"color": SOFT, "width": 1.5, "dash": "dot"}, name="median of the set",
        showlegend=first, **common,
    )  # fmt: skip


def _draw_limits(
    figure: go.Figure, time: np.ndarray, column: np.ndarray, limit: tuple[float, float], **place: int
) -> None:
    """Dashed lines at the limits, and red marks where the episode is beyond them."""
    for end in limit:
        if not np.isnan(end):
            figure.add_hline(y=end, line={"color": RED, "width": 1.5, "dash": DASH}, **place)
    low, high = limit
    beyond = np.flatnonzero((column < low) | (column > high))
    if len(beyond):
        shown = beyond[:: -(-len(beyond) // 200)]
        figure.add_scatter(
            x=time[shown], y=column[shown], mode="markers", marker={"color": RED, "size": 5}, name=BEYOND,
            showlegend=not any(trace.name == BEYOND for trace in figure.data), **place,
        )  # fmt: skip
