"""Success over λ, with the meter's readings below it on the same λ axis."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.experiments.results import RunResult
from ate.experiments.stats.baseline import activity, saturation
from ate.experiments.stats.comparisons import wilson
from ate.steer.meter import ACTIVE_RATIO
from ate.viz.figures.panels import AXES, Panel, panels
from ate.viz.figures.steer import grid_colors
from ate.viz.style import LOG, SOFT, add_band, finish, nested, whiskers

Reading = Callable[[RunResult], float | None]
# Success is twice as high as each reading.
ROOM = (0.5, 0.25, 0.25)


def response_curves(results: Sequence[RunResult]) -> go.Figure:
    """Over λ, a line for each clamp or share: success with its 95 % Wilson band, shift over residual (log), and the
    share of elements clamped.

    All lines of success start at λ = 0, where neither has an effect. Open diamonds: controls, guided by an encoder
    that was not aligned. Readings are means over noise levels (`ate.experiments.stats.baseline`); whiskers
    span the seeds.
    """
    all_panels = panels(results)
    steered = [run for panel in all_panels for runs in panel.cells.values() for run in runs]
    colors = grid_colors(steered)
    figure = make_subplots(
        rows=3, cols=len(all_panels), shared_xaxes=True, shared_yaxes=True,
        vertical_spacing=0.05, horizontal_spacing=0.04, row_heights=ROOM,
        subplot_titles=[panel.title for panel in all_panels],
    )  # fmt: skip
    for col, panel in enumerate(all_panels, 1):
        for place, value in enumerate(panel.seconds):
            style = {"legendgroup": panel.text(value), "col": col}
            by_lam = {lam: panel.cells[lam, value] for lam in panel.lams if (lam, value) in panel.cells}
            _success(figure, {0.0: list(panel.base), **by_lam}, panel, value, {**style, "color": colors[value]})
            style |= {"line_color": colors[value], **nested(place, len(panel.seconds))}
            _reading(figure, by_lam, activity, {**style, "row": 2}, "{:.2g} of the residual")
            _reading(figure, by_lam, saturation, {**style, "row": 3}, "{:.0%} clamped")
        _controls(figure, panel, colors, col)
        figure.add_hline(y=100 * panel.base_rate, line={"color": SOFT, "dash": "dash", "width": 1.2}, row=1, col=col)
        figure.add_hline(y=1, line={"color": SOFT, "dash": "dash", "width": 1.2}, row=2, col=col)
        figure.add_hline(y=ACTIVE_RATIO, line={"color": SOFT, "dash": "dot", "width": 1.2}, row=2, col=col)
        ticks = sorted({0.0, *panel.lams})
        figure.update_xaxes(tickvals=ticks, ticktext=[f"{lam:g}" for lam in ticks], col=col)
    figure.update_xaxes(title_text="λ", row=3)
    figure.update_yaxes(range=[-4, 104], ticksuffix=" %", row=1)
    # Powers of ten; 10⁻³ (inactive) and 1 (outweighs) are always in view.
    seen = [np.log10(value) for value in map(activity, steered) if value is not None]
    ends = [float(np.floor(min([*seen, -3.0]))) - 0.2, float(np.ceil(max([*seen, 0.0]))) + 0.2]
    figure.update_yaxes(**LOG, range=ends, row=2)
    figure.update_yaxes(range=[-0.06, 1.06], tickformat=".0%", row=3)
    for row, title in enumerate(("Success", "Shift / residual", "Clamped"), 1):
        figure.update_yaxes(title_text=title, row=row, col=1)
    legend = AXES[all_panels[0].axis] if all_panels else ""
    return finish(figure, 680, legend={"title": {"text": legend}})


def _success(
    figure: go.Figure, by_lam: dict[float, list[RunResult]], panel: Panel, value: float, style: dict[str, Any]
) -> None:
    lams, text = sorted(by_lam), panel.text(value)
    color = style.pop("color")
    flat = [np.concatenate([run.success for run in by_lam[lam]]) for lam in lams]
    low, high = (100 * np.array([wilson(int(s.sum()), len(s)) for s in flat])).T
    add_band(figure, lams, low, high, color, row=1, **style)
    figure.add_scatter(
        x=lams, y=[100 * s.mean() for s in flat], mode="lines+markers", name=text, row=1,
        line={"color": color, "width": 2.5}, marker={"size": 8}, showlegend=style["col"] == 1,
        hovertemplate=f"λ %{{x}}, {panel.axis} {text}: %{{y:.1f}} %<extra></extra>", **style,
    )  # fmt: skip


def _reading(
    figure: go.Figure, by_lam: dict[float, list[RunResult]], read: Reading, style: dict[str, Any], text: str
) -> None:
    known = {lam: [value for value in map(read, runs) if value is not None] for lam, runs in by_lam.items()}
    known = {lam: values for lam, values in known.items() if values}
    if not known:
        return
    middle = [float(np.mean(values)) for values in known.values()]
    figure.add_scatter(
        x=list(known), y=middle, mode="lines+markers",
        error_y=whiskers(middle, [min(v) for v in known.values()], [max(v) for v in known.values()], 1),
        text=[text.format(value) for value in middle], hovertemplate="λ %{x}: %{text}<extra></extra>",
        showlegend=False, **style,
    )  # fmt: skip


def _controls(figure: go.Figure, panel: Panel, colors: dict[float, str], col: int) -> None:
    methods = {run.method: run for run in panel.controls if run.success}
    for method, control in methods.items():
        flat = np.concatenate([run.success for run in panel.controls if run.method == method])
        figure.add_scatter(
            x=[control.lam], y=[100 * flat.mean()], mode="markers", name=f"control: {method}",
            legendgroup=f"control {method}",
            marker={"size": 12, "symbol": "diamond-open", "color": colors.get(panel.cell(control)[1], SOFT),
                    "line": {"width": 2}},
            showlegend=col == 1, hovertemplate=f"{method}: %{{y:.1f}} %<extra></extra>", row=1, col=col,
        )  # fmt: skip
