"""Learning curves: success against demonstrations or against fine-tuning steps, by method."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import CurvePoint, curve
from ate.viz.figures.steer import facets, method_colors, titles
from ate.viz.style import add_band, finish

NAMES = {"demonstrations": "Demonstrations", "steps": "Fine-tuning steps"}


def learning_curve(results: Sequence[RunResult], over: str) -> go.Figure:
    """Success over `over` (`"demonstrations"` or `"steps"`), one line a method with its 95 % band over seeds.

    A marker is filled where the method can be told from direct fine-tuning at that number (corrected for all points).

    Raises:
        InputError: as `ate.experiments.stats.comparisons.curve`.
    """
    panels, colors = facets(results), method_colors(results)
    figure = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, subplot_titles=titles(panels))
    for col, panel_results in enumerate(panels.values(), 1):
        points = curve(panel_results, over)
        for method in dict.fromkeys(point.method for point in points):
            _line(figure, [p for p in points if p.method == method], colors[method], col)
        figure.update_xaxes(title_text=NAMES[over], type="log", tickvals=sorted({p.at for p in points}), row=1, col=col)
    figure.update_yaxes(range=[-4, 104], ticksuffix=" %")
    figure.update_yaxes(title_text="Success", row=1, col=1)
    return finish(figure, 430)


def _line(figure: go.Figure, points: Sequence[CurvePoint], color: str, col: int) -> None:
    at, method = [p.at for p in points], points[0].method
    significant = [p.difference is not None and p.difference.verdict != "cannot tell" for p in points]
    group = {"legendgroup": method, "row": 1, "col": col}
    add_band(figure, at, [100 * p.low for p in points], [100 * p.high for p in points], color, **group)
    figure.add_scatter(
        x=at, y=[100 * p.rate for p in points], mode="lines+markers", name=method, showlegend=col == 1,
        line={"color": color, "width": 2.5},
        marker={"size": 9, "symbol": ["circle" if t else "circle-open" for t in significant], "color": color},
        hovertemplate=f"{method}, %{{x}}: %{{y:.1f}} %<extra></extra>", **group,
    )  # fmt: skip
