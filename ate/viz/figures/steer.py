"""Figures of steering: paired results in, plotly figure out; a column of panels for each parameterisation."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.experiments.held_out import joint_error
from ate.experiments.methods import ALIGNED_ENCODERS
from ate.experiments.results import RunResult
from ate.policies.noise import in_words
from ate.viz.style import (
    CLAMPS,
    LOG,
    METHODS,
    SOFT,
    UNITS,
    add_band,
    colors,
    finish,
    nested,
    short,
    tinted,
    unit,
    whiskers,
)

LEAST = 1e-6


def method_colors(results: Sequence[RunResult]) -> dict[str, str]:
    """Colour of each method, the same in all figures; in a grid that of its second axis, lighter for smaller λ."""
    chosen = colors([result.method for result in results], METHODS)
    axis = second_axis(results)
    cells = {r.method: (r.lam, second(r, axis)) for r in results if _in_grid(r)}
    lams, hues = sorted({lam for lam, _ in cells.values()}), grid_colors(results)
    if len(cells) > 1:
        for method, (lam, value) in cells.items():
            chosen[method] = tinted(hues[value], 0.6 * (1 - (lams.index(lam) + 1) / len(lams)))
    return chosen


def method_names(results: Sequence[RunResult]) -> dict[str, str]:
    """A short name of each method: that of a cell without what all cells of the grid share, `"λ=1, share 0.5"`."""
    cells = {result.method: result.method.split(", ") for result in results if _in_grid(result)}
    shared = set.intersection(*map(set, cells.values())) if len(cells) > 1 else set()
    short_names = {method: ", ".join(part for part in parts if part not in shared) for method, parts in cells.items()}
    return {result.method: short_names.get(result.method) or result.method for result in results}


def grid_colors(results: Sequence[RunResult]) -> dict[float, str]:
    """Colour of each value of the second axis of a grid."""
    axis = second_axis(results)
    values = sorted({second(r, axis) for r in results if _in_grid(r)})
    return {value: CLAMPS[i % len(CLAMPS)] for i, value in enumerate(values)}


def second_axis(results: Sequence[RunResult]) -> str:
    """The second axis of a grid: `"share"` where several shares and one clamp were swept, else `"clamp"`."""
    cells = [r for r in results if _in_grid(r)]
    shares, clamps = ({second(r, axis) for r in cells} for axis in ("share", "clamp"))
    return "share" if len(shares) > 1 and len(clamps) == 1 else "clamp"


def second(result: RunResult, axis: str) -> float:
    """A run's clamp or share."""
    return result.spec.share if axis == "share" else result.clamp


def _in_grid(result: RunResult) -> bool:
    """Whether it is a cell: guided by an aligned encoder, and no method with a name and colour of its own."""
    return result.lam != 0 and result.encoder in ALIGNED_ENCODERS and result.method not in METHODS


def facets(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Results by parameterisation, in order of first appearance."""
    names = dict.fromkeys(result.parameterization for result in results)
    return {name: [r for r in results if r.parameterization == name] for name in names}


def _methods(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    return {method: [r for r in results if r.method == method] for method in dict.fromkeys(r.method for r in results)}


def titles(panels: Iterable[str]) -> list[str]:
    """Title of each parameterisation's panel, in words: `"diffusion"`, `"flow"`."""
    return [in_words(name) for name in panels]


def loss_curves(results: Sequence[RunResult]) -> go.Figure:
    """Training loss against the unshifted target over steps: mean over seeds, band from lowest to highest seed."""
    panels = facets(results)
    palette, names = method_colors(results), method_names(results)
    figure = make_subplots(rows=1, cols=len(panels), subplot_titles=titles(panels))
    named: set[str] = set()
    for col, panel_results in enumerate(panels.values(), 1):
        methods = _methods(panel_results)
        for place, (method, runs) in enumerate(methods.items()):
            steps, curves = _curves(runs, lambda row: row["step"], lambda row: max(row["loss"], LEAST))
            if not len(steps):
                continue
            group = {"legendgroup": method, "row": 1, "col": col}
            add_band(figure, steps, curves.min(0), curves.max(0), palette[method], **group)
            figure.add_scatter(
                x=steps, y=curves.mean(0), mode="lines", name=names[method], showlegend=method not in named, **group,
                line={"color": palette[method], "width": nested(place, len(methods))["line"]["width"]},
            )  # fmt: skip
            named.add(method)
        figure.update_xaxes(title_text="Fine-tuning step", row=1, col=col)
    figure.update_yaxes(**LOG)
    figure.update_yaxes(title_text="Loss (squared normalised units, log)", row=1, col=1)
    return finish(figure, 410)


def _curves(
    runs: Sequence[RunResult],
    x: Callable[[Mapping[str, float]], float],
    y: Callable[[Mapping[str, float]], float],
    field: str = "loss",
) -> tuple[np.ndarray, np.ndarray]:
    """Abscissas that all seeds have `(n,)`, and a curve for each seed `(seeds, n)`; seeds without rows do not count."""
    tables = [{x(row): y(row) for row in getattr(run, field)} for run in runs if getattr(run, field)]
    if not tables:
        return np.empty(0), np.empty((0, 0))
    common = sorted(set.intersection(*(set(table) for table in tables)))
    return np.array(common), np.array([[table[at] for at in common] for table in tables])


def guidance_anatomy(results: Sequence[RunResult]) -> go.Figure:
    """Where along the noise levels guidance acts: RMS shift over RMS residual (log), and share of elements clamped."""
    guided = [result for result in results if result.meter and result.lam != 0]
    panels = facets(guided)
    palette, names = method_colors(results), method_names(results)
    columns = max(len(panels), 1)
    figure = make_subplots(
        rows=2, cols=columns, subplot_titles=titles(panels), shared_xaxes=True, vertical_spacing=0.08
    )
    named: set[str] = set()
    for col, panel_results in enumerate(panels.values(), 1):
        methods = _methods(panel_results)
        for place, (method, runs) in enumerate(methods.items()):
            style = {"name": names[method], "legendgroup": method, "mode": "lines+markers", "col": col,
                     "line_color": palette[method], **nested(place, len(methods))}  # fmt: skip
            if not len(_curves(runs, _middle, _middle, "meter")[0]):
                continue
            middle, ratio = _curves(runs, _middle, lambda row: np.log(max(row["ratio"], LEAST)), "meter")
            _, clamped = _curves(runs, _middle, lambda row: 100 * row["clamped"], "meter")
            figure.add_scatter(x=middle, y=np.exp(ratio.mean(0)), row=1, showlegend=method not in named, **style)
            figure.add_scatter(x=middle, y=clamped.mean(0), row=2, showlegend=False, **style)
            named.add(method)
        figure.add_hline(y=1, line={"color": SOFT, "dash": "dash", "width": 1.5}, row=1, col=col)
        figure.update_yaxes(**LOG, row=1, col=col)
        figure.update_yaxes(range=[-4, 104], ticksuffix=" %", row=2, col=col)
        figure.update_xaxes(title_text="Noise level t (0 data, 1 noise)", row=2, col=col)
    figure.update_xaxes(range=[0, 1])
    figure.update_yaxes(title_text="Shift / residual (RMS, log)", row=1, col=1)
    figure.update_yaxes(title_text="Elements clamped (%)", row=2, col=1)
    return finish(figure, 560)


def _middle(row: Mapping[str, float]) -> float:
    return (row["t_low"] + row["t_high"]) / 2


def open_loop_error(results: Sequence[RunResult]) -> go.Figure:
    """Mean absolute error of denoised chunks on held-out episodes, by joint and method, with 95 % intervals."""
    panels = {name: runs for name, runs in facets(results).items() if any(run.open_loop for run in runs)}
    palette, names = method_colors(results), method_names(results)
    figure = make_subplots(
        rows=max(len(panels), 1), cols=1, subplot_titles=titles(panels), shared_xaxes=True, vertical_spacing=0.12
    )
    for row, panel_results in enumerate(panels.values(), 1):
        for method, runs in _methods(panel_results).items():
            tables = [run.open_loop for run in runs if run.open_loop]
            if not tables:
                continue
            joints = [joint for joint in tables[0] if all(joint in table for table in tables)]
            mean, low, high = np.array([joint_error([run for run in runs if run.open_loop], j) for j in joints]).T
            figure.add_bar(
                x=[f"{short(joint)} ({UNITS[unit(joint)]})" for joint in joints], y=mean, name=names[method],
                legendgroup=method, showlegend=row == 1, marker={"color": palette[method]}, row=row, col=1,
                error_y=whiskers(mean, low, high) if np.isfinite(low).all() else None,
            )  # fmt: skip
        figure.update_yaxes(title_text="Absolute error", rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text="Joint", tickangle=-30, row=max(len(panels), 1), col=1)
    return finish(figure, 140 + 300 * max(len(panels), 1), barmode="group")


def sampled_spread(spreads: Mapping[str, Mapping[str, np.ndarray]]) -> go.Figure:
    """Spread of chunks sampled for the same observation: a box for each method, a panel for each parameterisation.

    Args:
        spreads: spread of each observation `(n,)` (`ate.steer.spread`), by parameterisation and method.
    """
    methods = list(dict.fromkeys(method for panel in spreads.values() for method in panel))
    palette = colors(methods, METHODS)
    figure = make_subplots(rows=1, cols=len(spreads), subplot_titles=titles(spreads), shared_yaxes=True)
    for column, panel in enumerate(spreads.values(), 1):
        for method, values in panel.items():
            figure.add_box(
                y=values, name=method, marker={"color": palette[method], "size": 3}, boxpoints="outliers",
                showlegend=False, row=1, col=column,
            )  # fmt: skip
    figure.update_yaxes(title_text="Spread, normalised units", rangemode="tozero", row=1, col=1)
    return finish(figure, 380)
