"""One chunk up close: its joints with limits and reconstruction, and its nearest pre-training chunks; and walks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from ate.align.evaluate.latent_map import LatentMap
from ate.data.episodes import Episodes
from ate.robots.profile import available, profile
from ate.viz.figures.data import labels, set_colors
from ate.viz.figures.episode import joint_limits, panel_titles, ranges
from ate.viz.style import INK, RED, SOFT, finish

COLUMNS = 4
NEIGHBOURS = 5
AXES = ("x", "y", "z")
# No robot has these colours, so that a chunk is never taken for one of its neighbours.
RECORDED: dict[str, Any] = {"color": "#8d99a6", "width": 4.5}
DECODED: dict[str, Any] = {"color": INK, "width": 2, "dash": "6px,3px"}


def chunk_view(latent_map: LatentMap, point: int) -> go.Figure:
    """A point's chunk joint by joint; below it the tool paths and origins of its nearest pre-training chunks.

    Args:
        latent_map: the points.
        point: which of them.
    """
    episodes = latent_map.where(point)[0]
    near, distance = latent_map.neighbours(point, NEIGHBOURS)
    row = -(-episodes.dof // COLUMNS) + 1
    recorded = {"name": "recorded", "line": RECORDED}
    decoded = {"name": "decoded from its latent", "line": DECODED}
    curves = [(latent_map.chunk(point), recorded), (latent_map.reconstruction(point), decoded)]
    below = [*(f"tool, {axis} (m)" for axis in AXES), "where in its episode"]
    figure = _joints(episodes, curves, 0.5 / (row + 1), below)
    names = labels(latent_map.pretrain, latent_map.adapt)
    palette = set_colors(names)
    whose = [names[int(latent_map.pretrain_latents.set[i])] for i in near]
    _tools(figure, latent_map, [*near, point], [*whose, "this chunk"], palette, row, episodes)
    _origins(figure, latent_map, near, distance, whose, palette, row)
    legend = {"orientation": "h", "x": 0, "y": 1.0 + 60 / (170 * row), "yanchor": "bottom"}
    finish(figure, 150 + 175 * row, margin={"t": 110, "l": 55}, legend=legend)
    return figure.update_annotations(font_size=12)


def chunk_title(latent_map: LatentMap, point: int) -> str:
    """Robot, episode and rows of a point, its reconstruction error, density quantile and mode."""
    episodes, index, start = latent_map.where(point)
    error = np.abs(latent_map.chunk(point) - latent_map.reconstruction(point)).mean()
    length = latent_map.alignment.config.chunk
    return (
        f"{episodes.robot}, {episodes[index].name}, rows {start} to {start + length - 1}: mean reconstruction error "
        f"{error:.3g}, density quantile {latent_map.depth()[point]:.2f}, mode {latent_map.mode()[point]}"
    )


def walk_view(latent_map: LatentMap, chunks: np.ndarray, amounts: Sequence[float], what: str) -> go.Figure:
    """Decoded chunks joint by joint, coloured by their position along the walk.

    Args:
        latent_map: whose adaptation robot the chunks are of.
        chunks: `(n, S, dof)`.
        amounts: where on the walk each is, (n,).
        what: what the amounts are, with their unit.
    """
    episodes = latent_map.adapt
    rows = -(-episodes.dof // COLUMNS)
    span = np.ptp(amounts) or 1.0
    shades = sample_colorscale("Viridis", [float((a - min(amounts)) / span) for a in amounts])
    named = [(f"{amount:g}", {"color": shade, "width": 2}) for amount, shade in zip(amounts, shades, strict=True)]
    styles = [{"name": name, "legendgroup": name, "line": line} for name, line in named]
    figure = _joints(episodes, list(zip(chunks, styles, strict=True)), 0.3 / rows)
    finish(figure, 120 + 185 * rows, legend={"title": what}, margin={"t": 50, "l": 55})
    return figure.update_annotations(font_size=12)


def _joints(
    episodes: Episodes, curves: Sequence[tuple[np.ndarray, dict[str, Any]]], gap: float, below: Sequence[str] = ()
) -> go.Figure:
    """Chunks `(S, dof)` in their styles, a panel for each joint with those limits that are near the movement."""
    known = profile(episodes.robot) if episodes.robot in available() else None
    rows = -(-episodes.dof // COLUMNS)
    titles = [*panel_titles(episodes, known, COLUMNS), *[""] * (rows * COLUMNS - episodes.dof), *below]
    figure = make_subplots(
        rows + bool(below), COLUMNS, subplot_titles=titles, horizontal_spacing=0.06, vertical_spacing=gap
    )
    time = np.arange(len(curves[0][0])) / (episodes.rate_hz or 1.0)
    for column, limit in enumerate(joint_limits(episodes, known)):
        place = {"row": column // COLUMNS + 1, "col": column % COLUMNS + 1}
        for values, style in curves:
            figure.add_scatter(x=time, y=values[:, column], mode="lines", showlegend=column == 0, **style, **place)
        for end in limit:
            if not np.isnan(end):
                figure.add_hline(y=end, line={"color": RED, "width": 1.5, "dash": "6px,4px"}, **place)
        near = ranges(np.concatenate([values[:, column] for values, _ in curves]), [], limit)[0]
        figure.update_yaxes(range=near, **place)
    figure.update_xaxes(title_text="Time (s)" if episodes.rate_hz else "Step", row=rows)
    figure.update_xaxes(title_font={"size": 12}, title_standoff=4, tickfont={"size": 11})
    return figure.update_yaxes(tickfont={"size": 11}, nticks=5)


def _tools(
    figure: go.Figure, latent_map: LatentMap, points: Sequence[int], whose: Sequence[str], palette: dict[str, str],
    row: int, episodes: Episodes,
) -> None:  # fmt: skip
    """Path of the tool from the chunk's first row, in the frame of each robot's base, the point's own on top."""
    motion = latent_map.motion(points)
    if not np.isfinite(motion.path[-1]).all():
        figure.add_annotation(
            text="the tool of this robot is not known", x=0.5, y=0.5, xref="x domain", yref="y domain", showarrow=False,
            font={"color": SOFT}, row=row, col=1,
        )  # fmt: skip
        return
    rows = np.linspace(0, latent_map.alignment.config.chunk - 1, motion.path.shape[1]) / (episodes.rate_hz or 1.0)
    named: set[str] = set()
    for path, name in zip(motion.path, whose, strict=True):
        own = name == "this chunk"
        line = RECORDED if own else {"color": palette[name], "width": 1.6}
        for col, axis in enumerate(path.T, 1):
            figure.add_scatter(
                x=rows, y=axis, mode="lines", line=line, name=f"neighbour: {name}", legendgroup=name,
                showlegend=not own and name not in named, row=row, col=col,
            )  # fmt: skip
            named.add(name)
    for col in (1, 2, 3):
        figure.update_xaxes(title_text="Time (s)" if episodes.rate_hz else "Step", row=row, col=col)


def _origins(
    figure: go.Figure, latent_map: LatentMap, near: np.ndarray, distance: np.ndarray, whose: Sequence[str],
    palette: dict[str, str], row: int,
) -> None:  # fmt: skip
    """A bar for each neighbour: which part of its episode it is, with its distance in the latent."""
    length = latent_map.alignment.config.chunk
    for place, (i, far, name) in enumerate(zip(near, distance, whose, strict=True)):
        episodes, index, start = latent_map.where(int(i))
        steps = len(episodes[index])
        label = f"{name} {episodes[index].name.removeprefix('episode_')}"
        figure.add_bar(
            x=[length / steps], base=[start / steps], y=[f"{place + 1}"], orientation="h",
            marker={"color": palette[name]}, showlegend=False, text=label, textposition="inside",
            insidetextanchor="middle", constraintext="none", textangle=0, cliponaxis=False, row=row, col=COLUMNS,
            hovertemplate=f"{label}, rows {start} to {start + length - 1} of {steps}<br>latent distance {far:.2f}"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(range=[0, 1], title_text="Share of the episode", row=row, col=COLUMNS)
    figure.update_yaxes(autorange="reversed", type="category", title_text="Neighbour", row=row, col=COLUMNS)
