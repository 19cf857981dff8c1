"""Cost of an ablation: seconds of training and rollouts of every cell."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.experiments.export import tidy
from ate.experiments.results import RunResult
from ate.viz.figures.steer import method_colors, method_names
from ate.viz.style import BLUE, finish, tinted, whiskers


def cost(results: Sequence[RunResult]) -> go.Figure:
    """Seconds of training of each cell (mean over training seeds, whiskers span them), and rollouts of all its seeds.

    Cells that trained together on one stream share its wall time equally (`trained_together` of
    `ate.experiments.export.tidy`). Without a simulator the rollouts are left out.
    """
    frame = tidy(results)
    budget = ["parameterization", "demonstrations", "steps"]
    varied = [name for name in budget if frame[name].nunique() > 1]
    grouped = frame.groupby([*budget, "method"], sort=False)
    cells = grouped.agg(
        mean=("seconds", "mean"), low=("seconds", "min"), high=("seconds", "max"),
        rollouts=("rollouts", "sum"), successes=("successes", "sum"),
    ).reset_index()  # fmt: skip
    short_names = method_names(results)
    names = cells.method.tolist()
    place: Any = [short_names[name] for name in names]
    if varied:
        place = [[_budget(row) for row in cells[varied].to_dict("records")], place]
    rolled = bool(cells.rollouts.sum())
    totals = [f"Training: {frame.seconds.sum():,.0f} s in all, {len(frame)} trainings"]
    totals += [f"Rollouts: {int(frame.rollouts.sum()):,} in all"] if rolled else []
    figure = make_subplots(rows=len(totals), cols=1, shared_xaxes=True, vertical_spacing=0.14, subplot_titles=totals)
    palette = method_colors(results)
    figure.add_bar(
        x=place, y=cells["mean"], showlegend=False, marker={"color": [palette[name] for name in names]}, row=1, col=1,
        error_y=whiskers(cells["mean"], cells.low, cells.high),
        hovertemplate="%{x}: %{y:.2f} s a training seed<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(title_text="Seconds a cell", rangemode="tozero", row=1, col=1)
    if rolled:
        for name, y, color in (
            ("succeeded", cells.successes, BLUE), ("failed", cells.rollouts - cells.successes, tinted(BLUE, 0.75)),
        ):  # fmt: skip
            figure.add_bar(x=place, y=y, name=name, marker={"color": color}, row=2, col=1)
        figure.update_yaxes(title_text="Rollouts a cell", row=2, col=1)
    figure.update_xaxes(title_text="Cell", tickangle=-40, row=len(totals), col=1)
    return finish(figure, 300 + 210 * (len(totals) - 1), barmode="stack")


def _budget(row: Mapping[str, Any]) -> str:
    words = [str(v).replace("_", " ") if name == "parameterization" else f"{v:,} {name}" for name, v in row.items()]
    return ", ".join(words)
