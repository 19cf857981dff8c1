"""Figures of the alignment: arrays and metric rows in, plotly figure out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.data.doctor.dataset_report import ADAPT
from ate.viz.figures.data import PRETRAIN
from ate.viz.style import BLUE, GREEN, INK, LOG, ORANGE, PINK, RED, SOFT, error_title, faded, finish, short

TERMS = {"loss": SOFT, "reconstruction": BLUE, "kl": ORANGE, "mmd": GREEN}
TITLES = {
    "precision": "Precision: share inside the pre-training manifold (good: as high as held-out)",
    "tail": "Tail: share where pre-training density is below its 1 % quantile (good: as low as held-out)",
}
STAGES = {"pretrain": "Stage 1: pre-training VAE", "adapt": "Stage 2: adaptation VAE"}
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
THIS_VARIANT = "this variant, mean and 95 % interval over seeds"


def training_curves(metrics: Mapping[str, Sequence[Mapping[str, float]]]) -> go.Figure:
    """Loss and its terms over steps, training (solid) and held-out episodes (dashed), a panel for each stage.

    Args:
        metrics: rows of `"pretrain"` and `"adapt"`, each with `step`, the terms, and the terms as `held_…`.
    """
    figure = make_subplots(
        rows=1, cols=len(metrics), subplot_titles=[STAGES.get(name, name) for name in metrics], shared_yaxes=True,
        horizontal_spacing=0.04,
    )  # fmt: skip
    for col, rows in enumerate(metrics.values(), 1):
        steps = [row["step"] for row in rows]
        for term, color in TERMS.items():
            for prefix, dash, split in (("", "solid", "training"), ("held_", "dash", "held-out")):
                # A log axis cannot show values that are not positive (an unbiased MMD can be negative).
                values = [v if (v := row.get(prefix + term)) is not None and v > 0 else None for row in rows]
                if not any(values):
                    continue
                figure.add_scatter(
                    x=steps, y=values, name=f"{term}, {split}", legendgroup=f"{term} {split}", showlegend=col == 1,
                    mode="lines", line={"color": color, "width": 2.2, "dash": dash}, row=1, col=col,
                )  # fmt: skip
        figure.update_xaxes(title_text="Optimisation step", row=1, col=col)
    figure.update_yaxes(**LOG)
    figure.update_yaxes(title_text="Term before weighting; loss weighted (log)", row=1, col=1)
    return finish(figure, 420)


def containment(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Measures of containment of adaptation latents (diamond) against the band of a held-out pre-training null.

    Args:
        rows: each with `measure`, `value` and, where there is a null, `null`, `null_low` and `null_high`, all
            shares in [0, 1]; rows without a null are left out, and so are those that give another `unit` than
            "share".
    """
    judged = [row for row in rows if row.get("null") is not None and row.get("unit", "share") == "share"]
    figure = make_subplots(
        rows=len(judged), cols=1, vertical_spacing=0.5 / max(len(judged), 1),
        subplot_titles=[TITLES.get(row["measure"].split()[0], row["measure"]) for row in judged],
    )  # fmt: skip
    for place, row in enumerate(judged, 1):
        low, null, high = (100 * row[key] for key in ("null_low", "null", "null_high"))
        # Bands of no width would vanish.
        slack = max(0.0, 0.4 - (high - low) / 2)
        group = {"row": place, "col": 1, "showlegend": place == 1}
        figure.add_scatter(
            x=[low - slack, high + slack, high + slack, low - slack], y=[-0.4, -0.4, 0.4, 0.4], fill="toself",
            fillcolor=faded(BLUE, 0.22), line={"width": 0}, mode="lines", legendgroup="band", **group,
            name=f"held-out {PRETRAIN}: range of splits", hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=[null, null], y=[-0.4, 0.4], mode="lines", line={"color": BLUE, "width": 3}, legendgroup="null",
            name=f"held-out {PRETRAIN}: mean", hovertemplate="null %{x:.1f} %<extra></extra>", **group,
        )  # fmt: skip
        right = row["value"] < 0.85
        figure.add_scatter(
            x=[100 * row["value"]], y=[0], mode="markers+text", legendgroup="value", name=ADAPT,
            marker={"symbol": "diamond", "size": 15, "color": RED}, text=[f"<b>{100 * row['value']:.1f} %</b>"],
            textposition="middle right" if right else "middle left", textfont={"color": RED, "size": 14}, **group,
            hovertemplate="adaptation %{x:.1f} %<extra></extra>",
        )  # fmt: skip
        figure.update_xaxes(range=[-2, 102], ticksuffix=" %", row=place, col=1)
        figure.update_yaxes(range=[-1, 1], visible=False, row=place, col=1)
    figure.update_xaxes(title_text="Share of latents (%)", row=max(len(judged), 1), col=1)
    return finish(figure, 120 + 110 * max(len(judged), 1))


def latent_activity(divergence: Mapping[str, np.ndarray], variance: Mapping[str, np.ndarray]) -> go.Figure:
    """KL to the prior (nats) and variance of the posterior mean, by latent dimension sorted by variance.

    Args:
        divergence: `(d,)` by stage: mean over chunks of KL(q(z|a) ‖ prior), in nats.
        variance: `(d,)` by stage: variance of the posterior means over chunks; above 0.01 a dimension is active.
    """
    palette = dict(zip(divergence, (BLUE, RED, PINK), strict=False))
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    for name in divergence:
        order = np.argsort(-np.asarray(variance[name]))
        rank = np.arange(1, len(order) + 1)
        shared = {"x": rank, "name": name, "legendgroup": name, "marker": {"color": palette[name]}, "row": 1}
        figure.add_bar(y=np.asarray(divergence[name])[order], col=1, **shared)
        floor = np.maximum(np.asarray(variance[name])[order], 1e-6)
        figure.add_scatter(y=floor, mode="lines+markers", showlegend=False, col=2, **shared)
    figure.add_hline(y=0.01, line={"color": SOFT, "dash": "dash"}, row=1, col=2)
    # Annotations on a log axis are placed by the exponent.
    figure.add_annotation(x=1, xref="x2 domain", xanchor="right", y=-2, yref="y2", yanchor="bottom",
                          text="active above 0.01", showarrow=False, font={"color": SOFT})  # fmt: skip
    figure.update_xaxes(title_text="Latent dimension, by rank of variance")
    figure.update_yaxes(title_text="KL to prior (nats, mean over chunks)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="Variance of posterior mean (log)", **LOG, row=1, col=2)
    return finish(figure, 400, barmode="group")


def joint_errors(errors: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Mean absolute error of each joint, grouped by what was reconstructed.

    Args:
        errors: by name of the group (`"training episodes"`, `"held-out episodes"`), then by joint, in the data's
            units: radians, metres for fingers, opening for a gripper.
    """
    figure = go.Figure()
    palette = dict(zip(errors, (faded(SOFT, 0.45), BLUE, ORANGE, GREEN), strict=False))
    for name, table in errors.items():
        figure.add_bar(x=[short(joint) for joint in table], y=list(table.values()), name=name,
                       marker={"color": palette[name]}, hovertemplate="%{x}: %{y:.4f}<extra></extra>")  # fmt: skip
    figure.update_xaxes(title="Joint", tickangle=-30)
    title = error_title({joint for table in errors.values() for joint in table})
    figure.update_yaxes(title=title, rangemode="tozero")
    return finish(figure, 400, barmode="group", margin={"t": 20})


def variants(rows: Sequence[Mapping[str, Any]], unit: str) -> go.Figure:
    """Alignments of one adaptation robot, a panel for each question; means over training seeds, 95 % t intervals.

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
        marks.append((number, THIS_VARIANT, {"symbol": "diamond", "size": 11, "color": INK}))
        spread = {"type": "data", "array": [row[f"{number}_±"] or 0.0 for row in rows], "color": SOFT, "thickness": 2}
        for column, name, marker in marks:
            figure.add_scatter(
                x=[row[column] for row in rows], y=names, mode="markers", name=name, legendgroup=name, marker=marker,
                showlegend=name not in in_legend, error_x=spread if name == THIS_VARIANT else None,
                hovertemplate=f"%{{y}}<br>{name}: %{{x:.4g}}<extra></extra>", row=1, col=col,
            )  # fmt: skip
            in_legend.add(name)
        # Errors of trained and of untrained networks differ by powers of ten.
        figure.update_xaxes(**(LOG if number == "reconstruction" else {"rangemode": "tozero"}), row=1, col=col)
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1])
    legend = {"orientation": "h", "x": 0, "y": -0.12, "yanchor": "top", "yref": "paper"}
    return finish(figure, 190 + 44 * len(rows), legend=legend, margin={"t": 70, "l": 150})
