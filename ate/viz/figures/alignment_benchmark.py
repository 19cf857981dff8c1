"""Alignments compared: one row a variant, one panel a question; means over training seeds with 95 % t intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.viz.style import BLUE, GREEN, INK, LOG, ORANGE, SOFT, finish

# Panel: its number, a title with the better direction, and its references: column, name, colour and mark.
PANELS: tuple[tuple[str, str, tuple[tuple[str, str, str, str], ...]], ...] = (
    ("precision", "Inside: precision<br>(share, right is better)", (
        ("precision_null", "held-out pre-training", BLUE, "line-ns-open"),)),
    ("outside_modes", "Outside all modes<br>(share, left is better)", (
        ("outside_modes_null", "held-out pre-training", BLUE, "line-ns-open"),)),
    ("displacement", "Neighbours' tool apart<br>(m, left is better)", (
        ("displacement_oracle", "nearest by motion itself", GREEN, "triangle-up-open"),
        ("displacement_pretrain", "a pre-training robot", BLUE, "line-ns-open"),
        ("displacement_same_time", "same time, any episode", ORANGE, "x-thin-open"))),
    ("reconstruction", "Reconstruction error<br>(left is better)", (
        ("pca_reconstruction", "PCA of equal dimension", GREEN, "triangle-up-open"),)),
)  # fmt: skip
THIS = "this variant, mean and 95 % interval over seeds"


def variants(rows: Sequence[Mapping[str, Any]], unit: str) -> go.Figure:
    """The variants of one adaptation robot.

    Args:
        rows: of `ate.align.evaluate.benchmark.over_seeds`, all of one robot; panels without a number are left out.
        unit: of the reconstruction error.
    """
    shown = [panel for panel in PANELS if any(row[panel[0]] is not None for row in rows)]
    titles = [title.replace("error<br>(", f"error<br>({unit}, ") for _, title, _ in shown]
    figure = make_subplots(1, len(shown), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.05)
    names = [row["variant"] for row in rows]
    in_legend: set[str] = set()
    for col, (number, _, references) in enumerate(shown, 1):
        marks: list[tuple[str, str, dict[str, Any]]] = [
            (column, name, {"symbol": symbol, "size": 13, "color": color, "line": {"width": 2.5, "color": color}})
            for column, name, color, symbol in references
        ]
        marks.append((number, THIS, {"symbol": "diamond", "size": 11, "color": INK}))
        spread = {"type": "data", "array": [row[f"{number}_±"] or 0.0 for row in rows], "color": SOFT, "thickness": 2}
        for column, name, marker in marks:
            figure.add_scatter(
                x=[row[column] for row in rows], y=names, mode="markers", name=name, legendgroup=name, marker=marker,
                showlegend=name not in in_legend, error_x=spread if name == THIS else None,
                hovertemplate=f"%{{y}}<br>{name}: %{{x:.4g}}<extra></extra>", row=1, col=col,
            )  # fmt: skip
            in_legend.add(name)
        # Errors of trained and of untrained networks differ by powers of ten.
        figure.update_xaxes(**(LOG if number == "reconstruction" else {"rangemode": "tozero"}), row=1, col=col)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1])
    legend = {"orientation": "h", "x": 0, "y": -0.12, "yanchor": "top", "yref": "paper"}
    return finish(figure, 190 + 44 * len(rows), legend=legend, margin={"t": 70, "l": 150})
