"""Methods compared: one row a method, so that long names stay legible; a panel for each parameterisation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import differences, summarise
from ate.runs.tables import signed
from ate.viz.figures.steer import facets, method_colors, titles
from ate.viz.style import GRID, SOFT, faded, finish, whiskers

# How far the dots of single seeds stand below the mark of their method, in rows.
BELOW = (0.26, 0.42)
# Pixels of a row, and of everything around the rows.
ROW, AROUND = 50, 130


def success(results: Sequence[RunResult]) -> go.Figure:
    """Success rate a method: diamond with 95 % Wilson interval over all rollouts, below it a dot a training seed."""
    panels = facets(results)
    palette = method_colors(results)
    rows = list(dict.fromkeys(result.method for result in results))
    figure = _rows(rows, list(panels))
    for col, panel_results in enumerate(panels.values(), 1):
        for row in summarise(panel_results):
            place, count = rows.index(row.method), len(row.by_seed)
            figure.add_scatter(
                x=[100 * value for value in row.by_seed], y=place + _below(count), mode="markers", col=col, row=1,
                marker=_dot(palette[row.method]), name="a training seed", showlegend=False,
                customdata=list(range(count)), hovertemplate="seed %{customdata}: %{x:.1f} %<extra></extra>",
            )  # fmt: skip
            figure.add_scatter(
                x=[100 * row.rate], y=[place], mode="markers", col=col, row=1, name=row.method, showlegend=False,
                marker=_mark(palette[row.method]),
                error_x={**whiskers([100 * row.rate], [100 * row.low], [100 * row.high], 2.5), "width": 6},
                hovertemplate=f"{row.method}: {row.successes} of {row.trials} rollouts<extra></extra>",
            )  # fmt: skip
            figure.add_annotation(
                x=100 * row.high, y=place, text=f"<b>{100 * row.rate:.0f} %</b>", xanchor="left", xshift=8,
                showarrow=False, row=1, col=col,
            )  # fmt: skip
        # Room beyond an interval that ends at 100 % for its number.
        figure.update_xaxes(
            title_text="Success of rollouts (%)", range=[-4, 118], tickvals=[0, 25, 50, 75, 100], row=1,
            col=col,
        )  # fmt: skip
    return finish(figure, AROUND + ROW * len(rows))


def paired_differences(results: Sequence[RunResult], baseline: str = "direct") -> go.Figure:
    """Difference to the baseline in percentage points, paired by training seed, with 95 % intervals."""
    panels = facets(results)
    palette = method_colors(results)
    compared = {name: differences(panel_results, baseline) for name, panel_results in panels.items()}
    rows = list(dict.fromkeys(row.method for differing in compared.values() for row in differing))
    figure = _rows(rows, list(panels))
    # From the lowest to the highest end of any interval or seed, zero included.
    points = [[*row.by_seed, row.low, row.high] for differing in compared.values() for row in differing]
    ends = [0.0, *(100 * value for values in points for value in values if np.isfinite(value))]
    room = 0.08 * max(max(ends) - min(ends), 10.0)
    for col, differing in enumerate(compared.values(), 1):
        for row in differing:
            place, seeds = rows.index(row.method), [100 * value for value in row.by_seed]
            figure.add_scatter(
                x=seeds, y=place + _below(len(seeds)), mode="markers", showlegend=False, row=1, col=col,
                marker=_dot(palette[row.method]),
                hovertemplate="one seed: %{x:+.1f} points<extra></extra>", name="a training seed",
            )  # fmt: skip
            known = np.isfinite(row.low)
            figure.add_scatter(
                x=[100 * row.mean], y=[place], mode="markers", showlegend=False, row=1, col=col, name=row.method,
                marker=_mark(palette[row.method]),
                error_x={**whiskers([100 * row.mean], [100 * row.low], [100 * row.high], 2.5), "width": 6}
                if known else None,
                hovertemplate=f"{row.method} against {row.baseline}: {row.verdict}<extra></extra>",
            )  # fmt: skip
            # On white, because the zero line often runs behind it; towards zero, where there is room.
            figure.add_annotation(
                x=100 * row.mean, y=place, text=f"{signed(100 * row.mean)}, {row.verdict if known else 'no interval'}",
                yshift=14, showarrow=False, bgcolor="rgba(255,255,255,0.85)", borderpad=1,
                xanchor="right" if row.mean > 0 else "left", row=1, col=col,
            )  # fmt: skip
        # After the traces: plotly skips panels that are still empty.
        figure.add_vline(x=0, line={"color": SOFT, "width": 1.5, "dash": "dash"}, row=1, col=col)
        title = f"Success minus {baseline} (points)"
        figure.update_xaxes(title_text=title, range=[min(ends) - room, max(ends) + room], row=1, col=col)
    return finish(figure, AROUND + (ROW + 8) * len(rows))


def _rows(methods: Sequence[str], panels: Sequence[str]) -> go.Figure:
    """Empty panels with a named row for each method, the first on top."""
    figure = make_subplots(
        rows=1, cols=len(panels), subplot_titles=titles(panels), shared_yaxes=True, horizontal_spacing=0.04
    )
    figure.update_yaxes(
        range=[len(methods) - 0.4, -0.6], tickvals=list(range(len(methods))), ticktext=list(methods), zeroline=False,
        gridcolor=GRID,
    )  # fmt: skip
    figure.update_yaxes(title_text="Method", col=1)
    figure.update_xaxes(zeroline=False)
    return figure


def _below(count: int) -> np.ndarray:
    """How far each seed's dot stands below its method, by the index of the seed, `(count,)`."""
    return np.linspace(*BELOW, count) if count > 1 else np.array([BELOW[0]])


def _dot(color: str) -> dict[str, Any]:
    return {"size": 8, "color": faded(color, 0.35), "line": {"color": color, "width": 1}}


def _mark(color: str) -> dict[str, Any]:
    return {"size": 13, "color": color, "symbol": "diamond"}
