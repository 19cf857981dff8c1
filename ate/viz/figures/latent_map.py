"""The latent map before and after alignment, side by side in one frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots
from scipy.stats import gaussian_kde

from ate.align.evaluate.latent_map import LatentMap
from ate.align.evaluate.projection import plane
from ate.viz.figures.data import PRETRAIN, labels, set_colors
from ate.viz.style import INK, SOFT, SVG_POINTS, finish

PANELS = ("before", "after")
TITLES = {"before": "Before stage 2", "after": "After stage 2: {}"}
# Shares of pre-training inside the contours, and cells of the grid that they are drawn on.
INSIDE = (0.5, 0.8, 0.95)
GRID = 70
SHADES = (*qualitative.Safe, *qualitative.Vivid)


def projected(latent_map: LatentMap, method: str, seed: int, cache: Path | None) -> np.ndarray:
    """All points of the map in one plane, `(n + 2m, 2)`: pre-training, adaptation before stage 2, and after it."""
    parts = (latent_map.pretrain_latents, latent_map.adapt_before, latent_map.adapt_after)
    points = np.concatenate([latents.mean for latents in parts])
    return plane(points, method, seed, cache)


def representatives(latent_map: LatentMap) -> dict[str, int]:
    """Three adaptation points by how deep inside pre-training they lie: the deepest, the median, the outermost."""
    order = latent_map.count + np.argsort(latent_map.depth()[latent_map.count :], kind="stable")
    return {"deepest inside": int(order[-1]), "median": int(order[len(order) // 2]), "outermost": int(order[0])}


def latent_maps(latent_map: LatentMap, planes: np.ndarray, method: str, note: str) -> go.Figure:
    """Pre-training dots and adaptation diamonds, before and after alignment, with a menu that recolours them.

    Args:
        latent_map: the points.
        planes: coordinates of all of them, see `projected`.
        method: what made the coordinates: `PCA` or `UMAP`.
        note: of what is after alignment: a number from the latent space itself.
    """
    n, m = latent_map.count, len(latent_map.adapt_after)
    names = labels(latent_map.pretrain, latent_map.adapt)
    robots = np.array([*(names[i] for i in latent_map.pretrain_latents.set), *[names[-1]] * m])
    palette = set_colors(names)
    figure = make_subplots(
        1, 2, subplot_titles=[TITLES[p].format(note) for p in PANELS], shared_xaxes="all", shared_yaxes="all",
        horizontal_spacing=0.03,
    )  # fmt: skip
    contours, texts = _contours(planes[:n]), hover_texts(latent_map)
    rows: list[np.ndarray] = []
    kind = go.Scatter if 2 * len(robots) <= SVG_POINTS else go.Scattergl
    for col, panel in enumerate(PANELS, 1):
        places = np.concatenate([planes[:n], planes[n : n + m] if panel == "before" else planes[n + m :]])
        for name in names:
            members = np.flatnonzero(robots == name)
            rows.append(members)
            adapt = bool(len(members)) and members[0] >= n
            marker: dict[str, Any] = {"size": 5, "opacity": 0.5, "color": palette[name], "colorscale": "Viridis"}
            if adapt:
                marker |= {"size": 6, "opacity": 0.7, "symbol": "diamond", "line": {"color": "white", "width": 0.6}}
            dots = kind(
                x=places[members, 0], y=places[members, 1], mode="markers", name=name, legendgroup=name,
                showlegend=col == 1, marker=marker, customdata=members, text=texts[members],
                hovertemplate="%{text}<extra></extra>",
                selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.15}},
            )  # fmt: skip
            figure.add_trace(dots, 1, col)
        for contour in contours:
            figure.add_trace(contour, 1, col)
    unit = "latent units" if method == "PCA" else "arbitrary units"
    figure.update_xaxes(title_text=f"{method} 1 ({unit})", zeroline=False)
    figure.update_yaxes(title_text=f"{method} 2 ({unit})", zeroline=False, row=1, col=1)
    _menu(figure, _colourings(latent_map, robots, palette), rows)
    legend = {"orientation": "h", "x": 0, "y": -0.15, "yanchor": "top", "itemsizing": "constant"}
    return finish(figure, 610, margin={"t": 100, "r": 70}, legend=legend, clickmode="event+select", dragmode="lasso")


def hover_texts(latent_map: LatentMap) -> np.ndarray:
    """What a point says of itself: robot, episode, first row, mode and density quantile."""
    points = latent_map.side("after")
    mode, depth = latent_map.mode(), latent_map.depth()
    return np.array([
        f"{points.robot[i]} · {points.episode[i]}<br>from row {points.start[i]}, mode {mode[i]}, "
        f"density quantile {depth[i]:.2f}"
        for i in range(len(points))
    ])  # fmt: skip


def _contours(points: np.ndarray) -> list[go.Contour]:
    """Lines around the densest places that hold 50, 80 and 95 % of the pre-training points (Gaussian kernels)."""
    low, high = points.min(0), points.max(0)
    margin = 0.2 * (high - low)
    x, y = (np.linspace(low[i] - margin[i], high[i] + margin[i], GRID) for i in (0, 1))
    kernel = gaussian_kde(points.T)
    density = kernel(np.stack(np.meshgrid(x, y)).reshape(2, -1)).reshape(GRID, GRID)
    own = np.sort(kernel(points.T))[::-1]
    levels = {share: float(own[min(int(share * len(own)), len(own) - 1)]) for share in INSIDE}
    return [
        go.Contour(
            x=x, y=y, z=density, showscale=False, hoverinfo="skip", name=f"{share:.0%} of {PRETRAIN}",
            contours={"start": level, "end": level, "size": 1, "coloring": "lines"}, line={"width": 2.4},
            colorscale=[[0, INK], [1, INK]], showlegend=False, opacity=1.25 - share,
        )
        for share, level in levels.items()
    ]  # fmt: skip


def _colourings(latent_map: LatentMap, robots: np.ndarray, palette: dict[str, str]) -> dict[str, list[np.ndarray]]:
    """By name of the menu's entry, a colour or a number for every point in each of the two panels."""
    points = latent_map.side("after")
    episodes = np.char.add(np.char.add(points.set.astype(str), "/"), points.episode.astype(str))
    return {
        "robot": [np.array([palette[name] for name in robots])] * 2,
        "task": [_shades(latent_map.tasks())] * 2,
        "episode": [_shades(episodes)] * 2,
        "time in episode": [latent_map.time()] * 2,
        "mode": [_shades(latent_map.mode(panel).astype(str)) for panel in PANELS],
        "density quantile": [latent_map.depth(panel) for panel in PANELS],
    }


def _shades(names: np.ndarray) -> np.ndarray:
    """A colour for each different name, repeated if there are too many."""
    _, code = np.unique(names, return_inverse=True)
    return np.array(SHADES)[code % len(SHADES)]


def _menu(figure: go.Figure, colourings: dict[str, list[np.ndarray]], rows: Sequence[np.ndarray]) -> None:
    """A drop-down that recolours the dots without a kernel; numbers run from dark (low) to light (high)."""
    dots = [i for i, trace in enumerate(figure.data) if trace.type != "contour"]
    buttons = []
    half = len(rows) // 2
    for name, panels in colourings.items():
        values = [panels[place // half][members] for place, members in enumerate(rows)]
        numbers = panels[0].dtype.kind == "f"
        scale = [numbers and place == 0 for place in range(len(rows))]
        update = {
            "marker.color": [value.tolist() for value in values],
            "marker.cmin": [0.0] * len(rows), "marker.cmax": [1.0] * len(rows), "marker.showscale": scale,
            "marker.colorbar": [{"title": name, "x": 1.02, "len": 0.5, "y": 0, "yanchor": "bottom"}] * len(rows),
        }  # fmt: skip
        buttons.append({"label": f"colour by {name}", "method": "restyle", "args": [update, dots]})
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 34},
            "font": {"color": SOFT}}  # fmt: skip
    figure.update_layout(updatemenus=[menu])
