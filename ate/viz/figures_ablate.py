"""Figures of the λ × clamp ablation: results in, plotly figure out. λ = 0 is plain fine-tuning and always there."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.ablate.results import RunResult
from ate.ablate.statistics import Difference, differences, wilson
from ate.errors import InputError
from ate.viz.figures_steer import clamp_colors, facets, titles
from ate.viz.style import GRID, faded, finish, signed

# Blue helps, orange hurts: told apart with any colour vision, white where nothing changes.
DIVERGING = [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#ffffff"], [0.75, "#74add1"], [1, "#2166ac"]]


def clamp_text(clamp: float) -> str:
    """A clamp as a label: `"0.1"`, or `"none"` where infinite."""
    return "none" if np.isinf(clamp) else f"{clamp:g}"


def _cells(results: Sequence[RunResult]) -> tuple[list[RunResult], dict[tuple[float, float], Difference]]:
    """The runs at λ = 0, and the paired difference of every other (λ, clamp) that steers with the aligned encoder."""
    base = [r for r in results if r.lam == 0]
    cells = [r for r in results if r.lam != 0 and r.encoder == "aligned"]
    if not base:
        raise InputError(
            f"λ in {sorted({r.lam for r in results})}",
            where="results of the ablation",
            expected="λ = 0 among them",
            way_out="train the λ = 0 arm with the same seeds",
        )
    arm = base[0].arm
    base = [r for r in base if r.arm == arm]
    where = {r.arm: (r.lam, r.clamp) for r in cells}
    return base, {where[row.arm]: row for row in differences([*base, *cells], arm)}


def grid(results: Sequence[RunResult]) -> go.Figure:
    """λ × clamp: difference of success to λ = 0 in percentage points ± half the 95 % paired t interval.

    A dot marks cells whose verdict is "cannot tell" (Bonferroni over the grid).
    """
    panels = facets(results)
    found = {name: _cells(mine) for name, mine in panels.items()}
    # Few points must not look like many: the scale never ends below 20.
    most = max([20.0, *(abs(100 * row.mean) for _, cells in found.values() for row in cells.values())])
    figure = make_subplots(
        rows=1, cols=len(panels), horizontal_spacing=0.12,
        subplot_titles=[_grid_title(name, base) for name, (base, _) in found.items()],
    )  # fmt: skip
    height = 0
    for col, (_, cells) in enumerate(found.values(), 1):
        lams, clamps = sorted({lam for lam, _ in cells}), sorted({clamp for _, clamp in cells})
        values = [[100 * cells[lam, c].mean if (lam, c) in cells else None for lam in lams] for c in clamps]
        text = [[_cell_text(cells[lam, c]) if (lam, c) in cells else "not run" for lam in lams] for c in clamps]
        figure.add_heatmap(
            z=values, x=[f"{lam:g}" for lam in lams], y=[clamp_text(c) for c in clamps], text=text, row=1, col=col,
            texttemplate="%{text}", textfont={"size": 13}, zmin=-most, zmax=most, colorscale=DIVERGING, xgap=3, ygap=3,
            showscale=col == len(panels), colorbar={"title": {"text": "points", "side": "top"}, "ticksuffix": ""},
            hovertemplate="λ = %{x}, clamp %{y}: %{z:+.1f} points<extra></extra>",
        )  # fmt: skip
        figure.update_xaxes(title_text="λ", type="category", showgrid=False, row=1, col=col)
        figure.update_yaxes(title_text="Clamp of k·g (normalised)", type="category", showgrid=False, row=1, col=col)
        height = max(height, len(clamps))
    # Grey behind the cells, so that a white one, no difference, still is a cell.
    return finish(figure, 170 + 80 * height, plot_bgcolor=GRID)


def _grid_title(name: str, base: Sequence[RunResult]) -> str:
    rate = 100 * np.mean(np.concatenate([run.success for run in base]))
    return f"{name.replace('_', ' ')}: success minus that of λ = 0 ({rate:.0f} %, {len(base)} seeds)"


def _cell_text(row: Difference) -> str:
    half = f" ± {100 * (row.high - row.mean):.1f}" if np.isfinite(row.high) else ""
    dot = "<br>· cannot tell" if row.verdict == "cannot tell" else f"<br>{row.verdict}"
    return f"{signed(100 * row.mean)}{half}{dot}"


def response_curves(results: Sequence[RunResult]) -> go.Figure:
    """Success over λ, one line a clamp with its 95 % Wilson band, and dotted the share of elements at the clamp.

    Every line starts at λ = 0, where the clamp does not act. The share is the mean over noise levels.
    """
    panels = facets(results)
    figure = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, subplot_titles=titles(panels))
    for col, mine in enumerate(panels.values(), 1):
        base, _ = _cells(mine)
        for clamp, color in clamp_colors(results).items():
            by_lam: dict[float, list[RunResult]] = {0.0: base}
            for run in mine:
                if run.lam != 0 and run.clamp == clamp and run.encoder == "aligned":
                    by_lam.setdefault(run.lam, []).append(run)
            _response(figure, by_lam, clamp_text(clamp), color, col)
        figure.update_xaxes(title_text="λ", row=1, col=col)
    figure.update_yaxes(range=[-4, 104], ticksuffix=" %")
    figure.update_yaxes(title_text="Success; share clamped (%)", row=1, col=1)
    return finish(figure, 430)


def _response(figure: go.Figure, by_lam: dict[float, list[RunResult]], name: str, color: str, col: int) -> None:
    lams = sorted(by_lam)
    flat = [np.concatenate([run.success for run in by_lam[lam]]) for lam in lams]
    low, high = (list(ends) for ends in zip(*(wilson(int(s.sum()), len(s)) for s in flat), strict=True))
    band = 100 * np.array([*high, *low[::-1]])
    group = {"legendgroup": name, "row": 1, "col": col}
    figure.add_scatter(
        x=[*lams, *lams[::-1]], y=band, fill="toself", fillcolor=faded(color, 0.13), line={"width": 0}, mode="lines",
        hoverinfo="skip", showlegend=False, **group,
    )  # fmt: skip
    figure.add_scatter(
        x=lams, y=[100 * s.mean() for s in flat], mode="lines+markers", name=f"clamp {name}: success",
        line={"color": color, "width": 2.5}, marker={"size": 8}, showlegend=col == 1, **group,
    )  # fmt: skip
    steered = [lam for lam in lams if lam != 0 and all(run.meter for run in by_lam[lam])]
    share = [100 * np.mean([row["clamped"] for run in by_lam[lam] for row in run.meter]) for lam in steered]
    figure.add_scatter(
        x=steered, y=share, mode="lines+markers", name=f"clamp {name}: share clamped",
        line={"color": color, "width": 1.5, "dash": "dot"}, marker={"size": 7, "symbol": "x"},
        showlegend=col == 1, **group,
    )  # fmt: skip
