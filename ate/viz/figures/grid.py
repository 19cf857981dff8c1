"""Figures on the plane of λ and clamp, or λ and share: difference to λ = 0, hatched where it settles nothing; meter."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.experiments.results import RunResult
from ate.experiments.stats.baseline import activity, saturation
from ate.experiments.stats.comparisons import Difference
from ate.runs.tables import signed
from ate.viz.figures.panels import AXES, Cell, Panel, compared, panels
from ate.viz.style import GRID, INK, SOFT, finish

# Blue is better, orange worse, white equal; distinguishable with any colour vision.
DIVERGING = [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#ffffff"], [0.75, "#74add1"], [1, "#2166ac"]]
SHARES = [[0, "#f7fbff"], [0.5, "#9ecae1"], [1, "#225ea8"]]
# Pixels of a row of cells, and of the space above and below each grid.
ROW, AROUND = 74, 96
# Hatching: approximate width of a row of cells on the page and distance between lines, pixels.
WIDTH, APART = 900, 20
HATCHED = "cannot be told from λ = 0"
# Points by which the two halves of an interval may differ and still be written as one.
EVEN = 0.05


def grid(results: Sequence[RunResult]) -> go.Figure:
    """Difference of success to λ = 0 in percentage points ± half its 95 % interval, over λ and clamp or share.

    Cells that do not differ significantly from λ = 0, corrected for the number of cells, are hatched.
    """
    grids = panels(results)
    comparisons = compared(grids)
    # Small differences must not look large: the scale spans at least ±20 points.
    most = max([20.0, *(abs(100 * row.mean) for cells in comparisons for row in cells.values())])
    figure = make_subplots(
        rows=len(grids), cols=1, vertical_spacing=_gap(grids), subplot_titles=[_difference_title(p) for p in grids]
    )
    for row, (panel, cells) in enumerate(zip(grids, comparisons, strict=True), 1):
        figure.add_heatmap(
            **_axes(panel, {cell: 100 * difference.mean for cell, difference in cells.items()}),
            hovertext=_table(panel, {cell: _hover(panel, cell, difference) for cell, difference in cells.items()}),
            hoverinfo="text",
            zmin=-most, zmax=most, colorscale=DIVERGING, xgap=3, ygap=3, row=row, col=1,
            showscale=row == 1, colorbar=_bar("points", 0.5), name=panel.title,
        )  # fmt: skip
    _name_axes(figure, grids)
    # The legend is at the left, because plotly's own buttons appear at the right.
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "top", "yref": "container"}
    finish(figure, _height(grids), plot_bgcolor=GRID, margin={"t": 84}, legend=legend)
    for row, (panel, cells) in enumerate(zip(grids, comparisons, strict=True), 1):
        for cell, difference in cells.items():
            # Category axes count from 0.
            x, y = panel.lams.index(cell[0]), panel.seconds.index(cell[1])
            # An annotation, not the cell's own text: it is drawn above the hatching, with a background.
            figure.add_annotation(
                x=x, y=y, text=_cell_text(difference, len(panel.base)), showarrow=False,
                font={"size": 13, "color": INK}, bgcolor="rgba(255,255,255,0.82)", borderpad=3, row=row, col=1,
            )  # fmt: skip
            if difference.verdict == "cannot tell":
                _hatch(figure, x, y, WIDTH / len(panel.lams), row)
    if any(difference.verdict == "cannot tell" for cells in comparisons for difference in cells.values()):
        # The legend entry of the hatching; shapes cannot have one with a pattern.
        figure.add_bar(
            x=[None], y=[None], name=f"hatched: {HATCHED}", showlegend=True, hoverinfo="skip", row=1, col=1,
            marker={"color": "white", "line": {"color": SOFT, "width": 1},
                    "pattern": {"shape": "/", "fgcolor": SOFT, "size": 6, "solidity": 0.25}},
        )  # fmt: skip
    return figure


def meter_grid(results: Sequence[RunResult]) -> go.Figure:
    """Readings of the meter on the same plane: share of elements clamped, and shift over residual (powers of ten).

    Means over training seeds and noise levels, the second a geometric one (`ate.experiments.stats.baseline`).
    """
    grids = panels(results)
    words = ["elements clamped (%)", "shift over residual (RMS)"]
    figure = make_subplots(
        rows=len(grids), cols=2, horizontal_spacing=0.16, vertical_spacing=_gap(grids),
        subplot_titles=[f"{panel.title}: {word}" for panel in grids for word in words],
    )  # fmt: skip
    for row, panel in enumerate(grids, 1):
        shares = {cell: 100 * _mean(runs, saturation) for cell, runs in panel.cells.items()}
        ratios = {cell: np.log10(_mean(runs, activity, np.log)) for cell, runs in panel.cells.items()}
        style = {"xgap": 3, "ygap": 3, "row": row, "showscale": row == 1}
        figure.add_heatmap(
            **_axes(panel, shares), zmin=0, zmax=100, colorscale=SHARES, col=1, colorbar=_bar("%", 0.43),
            texttemplate="%{z:.0f} %", **style,
            hovertemplate=f"λ %{{x}}, {panel.axis} %{{y}}: %{{z:.1f}} % clamped<extra></extra>",
        )  # fmt: skip
        figure.add_heatmap(
            **_axes(panel, ratios), zmin=-3, zmax=1, colorscale=SHARES, col=2,
            text=_table(panel, {cell: f"{10**value:.2g}" for cell, value in ratios.items()}), texttemplate="%{text}",
            hovertemplate=f"λ %{{x}}, {panel.axis} %{{y}}: %{{text}} of the residual<extra></extra>",
            colorbar={**_bar("", 1.0), "tickvals": [-3, -2, -1, 0, 1], "ticktext": ["10⁻³", "10⁻²", "10⁻¹", "1", "10"]},
            **style,
        )  # fmt: skip
    _name_axes(figure, grids)
    return finish(figure, _height(grids), plot_bgcolor=GRID)


def _mean(runs: Sequence[RunResult], read: Callable[[RunResult], float | None], scale: Any = None) -> float:
    """Mean over runs that have a reading, geometric with `scale=np.log`; NaN where none has."""
    values = np.array([value for value in map(read, runs) if value is not None])
    if not len(values):
        return float("nan")
    return float(values.mean() if scale is None else np.exp(scale(values).mean()))


def _height(grids: Sequence[Panel]) -> int:
    return 60 + sum(AROUND + ROW * len(panel.seconds) for panel in grids)


def _gap(grids: Sequence[Panel]) -> float:
    return AROUND / _height(grids) if len(grids) > 1 else 0.2


def _table(panel: Panel, values: Mapping[Cell, Any]) -> list[list[Any]]:
    """One value a cell, rows of the second axis, columns of λ; None where a cell was not run."""
    return [[values.get((lam, value)) for lam in panel.lams] for value in panel.seconds]


def _axes(panel: Panel, values: Mapping[Cell, float]) -> dict[str, Any]:
    return {
        "x": [f"{lam:g}" for lam in panel.lams],
        "y": [panel.text(value) for value in panel.seconds],
        "z": _table(panel, values),
    }


def _name_axes(figure: go.Figure, grids: Sequence[Panel]) -> None:
    figure.update_xaxes(type="category", showgrid=False, title_standoff=4)
    figure.update_yaxes(type="category", showgrid=False)
    if grids:
        figure.update_yaxes(title_text=AXES[grids[0].axis], col=1)
    figure.update_xaxes(title_text="λ", row=len(grids))


def _bar(title: str, right: float) -> dict[str, Any]:
    # As high as the first grid of any number of them.
    side = {"x": 1.02 if right > 0.45 else right, "len": 1.0, "y": 0.5, "thickness": 16}
    return {"title": {"text": title, "side": "top"}, **side}


def _difference_title(panel: Panel) -> str:
    seeds = f"{len(panel.base)} seed{'s' if len(panel.base) > 1 else ''}"
    return f"{panel.title}: success minus that of λ = 0 ({100 * panel.base_rate:.0f} %, {seeds})"


def _cell_text(row: Difference, seeds: int) -> str:
    above, below = 100 * (row.high - row.mean), 100 * (row.mean - row.low)
    half = f" ± {above:.1f}" if np.isfinite(above) else ""
    if np.isfinite(above) and abs(above - below) > EVEN:
        half = f", {signed(100 * row.low)} to {signed(100 * row.high)}"
    verdict = "" if row.verdict == "cannot tell" else f"<br>{row.verdict}"
    fewer = f"<br>{len(row.by_seed)} of {seeds} seeds" if len(row.by_seed) < seeds else ""
    return f"<b>{signed(100 * row.mean)}</b>{half}{verdict}{fewer}"


def _hover(panel: Panel, cell: Cell, row: Difference) -> str:
    runs = panel.cells[cell]
    flat = np.concatenate([run.success for run in runs])
    interval = f"{signed(100 * row.low)} to {signed(100 * row.high)}" if np.isfinite(row.low) else "none"
    return (
        f"λ {cell[0]:g}, {panel.axis} {panel.text(cell[1])}: {row.verdict}"
        f"<br>{signed(100 * row.mean)} points to λ = 0, 95 % interval {interval}"
        f"<br>{int(flat.sum())} of {len(flat)} rollouts, {len(runs)} training seeds"
        f"<br>{100 * _mean(runs, saturation):.0f} % clamped, shift {_mean(runs, activity, np.log):.2g} of the residual"
    )


def _hatch(figure: go.Figure, x: int, y: int, width: float, row: int) -> None:
    # Cells are wider than high; this slope in cell units is 45° on the page.
    slope, parts = width / ROW, []
    for start in np.arange(-1 / slope, 1, APART / width)[1:]:
        left, right = max(start, 0.0), min(start + 1 / slope, 1.0)
        ends = [(left, slope * (left - start)), (right, slope * (right - start))]
        (ax, ay), (bx, by) = ((x - 0.49 + 0.98 * u, y - 0.48 + 0.96 * v) for u, v in ends)
        parts.append(f"M{ax:.4f},{ay:.4f}L{bx:.4f},{by:.4f}")
    figure.add_shape(
        type="path", path="".join(parts), line={"color": "rgba(31,42,54,0.38)", "width": 1}, layer="above",
        name=HATCHED, row=row, col=1,
    )  # fmt: skip
