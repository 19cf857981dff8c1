"""Figures for sorting: which episodes are odd and why, and how far joints of pre-training and adaptation differ."""

from collections.abc import Sequence
from math import isfinite
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.data.doctor.checks.distances import JointDistance
from ate.data.doctor.checks.outliers import ODD
from ate.data.doctor.report import Report, Triage
from ate.data.episodes import Episodes
from ate.robots import unify
from ate.runs.tables import signed
from ate.viz.style import BLUE, INK, RED, SOFT, faded, finish, short

# Rows of the grid; more do not fit on a page.
MOST_EPISODES = 60
# Bars of a histogram, and most values sampled from a set.
BINS = 60
SAMPLED = 200_000
# Deviations beyond this have one colour.
STRONGEST = 2 * ODD
UNUSABLE = "cannot be used"


def triage_grid(triages: Report | Sequence[Triage]) -> go.Figure:
    """Episodes, the oddest first, by measures, in robust deviations from the median episode.

    What makes an episode odd is at its right. At most 60 episodes are drawn; the title of the axis says of how many.
    """
    all_ranked = ranked(triages)
    shown = all_ranked[:MOST_EPISODES]
    measures = list(dict.fromkeys(name for triage in shown for name in triage.measures)) or ["oddness"]
    values = [[_deviation(triage, name) for name in measures] for triage in shown]
    strength = [
        [STRONGEST if not isfinite(triage.oddness) else min(abs(v), STRONGEST) if isfinite(v) else None for v in row]
        for triage, row in zip(shown, values, strict=True)
    ]
    text = [[signed(v) if isfinite(v) else "" for v in row] for row in values]
    hover = [[_hover(triage)] * len(measures) for triage in shown]
    height = 170 + max(80, 16 * len(shown))
    columns = [name.replace(" ", "<br>") for name in measures]
    # Rows are numbered, because two sets may hold episodes of the same name.
    figure = go.Figure(
        go.Heatmap(
            z=strength, x=columns, y=list(range(len(shown))), text=text, texttemplate="%{text}",
            textfont={"size": 10}, customdata=hover, zmin=0, zmax=STRONGEST, xgap=2, ygap=1,
            colorscale=[[0, "#f4f6f8"], [0.25, "#f9ead0"], [0.5, "#eeb174"], [1, RED]],
            colorbar={"title": {"text": "Deviations", "side": "right", "font": {"size": 11}}, "orientation": "h",
                      "thickness": 10, "len": 0.5, "x": 0, "xanchor": "left", "y": 1, "yanchor": "top",
                      "yref": "container", "ypad": 4, "tickvals": [0, ODD, STRONGEST],
                      "ticktext": ["0", f"{ODD:g}, odd", f"{STRONGEST:g} or more"]},
            hovertemplate="%{customdata}<br>%{x}: %{text}<extra></extra>",
        )
    )  # fmt: skip
    for row, triage in enumerate(shown):
        reason = UNUSABLE if not isfinite(triage.oddness) and not triage.reasons else "; ".join(triage.reasons)
        if not reason:
            continue
        figure.add_annotation(
            x=1.01, xref="paper", xanchor="left", y=row, text=_cut(reason, 64), showarrow=False, align="left",
            hovertext="<br>".join(triage.reasons) or None,
        )  # fmt: skip
    part = len(all_ranked) > len(shown)
    count = f"the {len(shown)} oddest of {len(all_ranked):,}" if part else f"all {len(all_ranked)}, oddest first"
    figure.update_xaxes(
        title_text=f"Robust deviations from the median episode ({count})", title_standoff=18, showgrid=False
    )
    figure.update_yaxes(
        autorange="reversed", tickvals=list(range(len(shown))), tickfont={"size": 11}, showgrid=False,
        ticktext=[f"{_cut(triage.episode, 28)} · {triage.steps:,}" for triage in shown], title_text="Episode · steps",
    )  # fmt: skip
    figure.update_xaxes(tickangle=0)
    room = 390 if any(note.text for note in figure.layout.annotations) else 30
    finish(figure, height, margin={"t": 60, "r": room, "b": 90})
    return figure.update_annotations(font={"size": 11, "color": INK})


def ranked(triages: Report | Sequence[Triage]) -> list[Triage]:
    """Episodes in the order of the rows of the grid, the oddest first."""
    return sorted(triages.triage if isinstance(triages, Report) else triages, key=lambda triage: -triage.oddness)


def _deviation(triage: Triage, name: str) -> float:
    return float(triage.measures.get(name, triage.oddness if name == "oddness" else np.nan))


def _hover(triage: Triage) -> str:
    odd = f"oddness {triage.oddness:.1f}" if isfinite(triage.oddness) else UNUSABLE
    head = f"<b>{triage.episode}</b>, {triage.steps:,} steps, {odd}"
    return "<br>".join([head, *("<br>".join(wrap(reason, 90)) for reason in triage.reasons)])


def _cut(sentence: str, length: int) -> str:
    return sentence if len(sentence) <= length else sentence[: length - 1].rstrip() + "…"


def joint_comparison(pretrain: Sequence[Episodes], adapt: Episodes, distances: Sequence[JointDistance]) -> go.Figure:
    """Positions of each joint of the adaptation robot, over those of the same slot on all pre-training robots.

    A panel for each joint, the furthest beyond its null first. The title holds the distance, the null, and the share of
    the adaptation set outside the 1–99 % range (grey lines) of the pre-training sets.

    Args:
        pretrain: the pre-training sets.
        adapt: the adaptation set.
        distances: of each joint of the adaptation set.
    """
    worst = sorted(distances, key=_beyond, reverse=True)
    columns = 3 if len(worst) <= 12 else 4 if len(worst) <= 24 else 6
    rows = max(1, -(-len(worst) // columns))
    height = min(130 + rows * max(105, min(220, 1040 // rows)), 1190)
    gap = (0.12 if columns < 6 else 0.25) / columns
    figure = make_subplots(
        rows, columns, horizontal_spacing=gap, vertical_spacing=82 / (height - 130) if rows > 1 else 0,
        subplot_titles=[_compared(joint, columns) for joint in worst],
    )  # fmt: skip
    *bodies, body = unify([*pretrain, adapt])
    adapt_values = _sampled(adapt)
    pretrain_values = [_sampled(episodes) for episodes in pretrain]
    for panel, joint in enumerate(worst):
        place = {"row": panel // columns + 1, "col": panel % columns + 1}
        column = adapt.joint_names.index(joint.joint)
        slot = body.slots[column]
        parts = [v[:, b.slots.index(slot)] for v, b in zip(pretrain_values, bodies, strict=True) if slot in b.slots]
        both = [adapt_values[:, column], *parts]
        edges = np.linspace(min(p.min() for p in both), max(max(p.max() for p in both), both[0].min() + 1e-6), BINS + 1)
        sides = [("pre-training", np.concatenate(parts), SOFT)] if parts else []
        sides.append(("adaptation", adapt_values[:, column], RED if joint.distance > joint.null_high else BLUE))
        for name, values, color in sides:
            share = 100 * np.histogram(values, edges)[0] / len(values)
            figure.add_scatter(
                x=edges, y=[*share, share[-1]], mode="lines", fill="tozeroy", fillcolor=faded(color, 0.3),
                line={"color": color, "width": 1.5, "shape": "hv"}, name=name, showlegend=False,
                hovertemplate="%{x:.3g}: %{y:.1f} %<extra>" + name + "</extra>", **place,
            )  # fmt: skip
        for end in np.quantile(np.concatenate(parts), [0.01, 0.99]) if parts else ():
            figure.add_vline(x=float(end), line={"color": SOFT, "width": 1, "dash": "dash"}, **place)
    for name, color in (("pre-training", SOFT), ("adaptation, beyond chance", RED), ("adaptation", BLUE)):
        figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line={"color": color, "width": 6})
    for col in range(1, min(columns, len(worst)) + 1):
        row = (len(worst) - col) // columns + 1
        figure.update_xaxes(title={"text": "Position, as recorded", "standoff": 4}, row=row, col=col)
    figure.update_xaxes(tickfont={"size": 11}, title_font={"size": 12})
    figure.update_yaxes(tickfont={"size": 11}, rangemode="tozero")
    figure.update_yaxes(title={"text": "Share (%)", "font": {"size": 12}}, col=1)
    legend = {"orientation": "h", "x": 0, "y": 1 + 52 / (height - 130), "yanchor": "bottom"}
    finish(figure, height, margin={"t": 90, "b": 40}, legend=legend)
    return figure.update_annotations(font_size=12)


def _beyond(joint: JointDistance) -> float:
    """The distance in units of its null's upper end; −1 where no pre-training robot has this slot."""
    if not isfinite(joint.distance):
        return -1.0
    return joint.distance / max(joint.null_high, 1e-12) if isfinite(joint.null_high) else joint.distance


def _compared(joint: JointDistance, columns: int) -> str:
    name = f"<b>{short(joint.joint, 30 if columns == 3 else 20)}</b><br>"
    if not isfinite(joint.distance):
        return f"{name}no pre-training robot<br>has this slot"
    known = isfinite(joint.null_high)
    null = f"chance {joint.null_median:.2g}, 95 %: {joint.null_high:.2g}" if known else "null unknown"
    between = "<br>" if columns > 3 else " "
    return f"{name}distance {joint.distance:.2g}{between}({null})<br>{100 * joint.outside:.0f} % outside"


def _sampled(episodes: Episodes) -> np.ndarray:
    """Rows of all episodes, every k-th where there are very many, `(n, dof)`."""
    step = max(1, int(episodes.lengths.sum()) * episodes.dof // (SAMPLED * 10))
    return np.concatenate([episodes.series(i)[::step] for i in range(len(episodes))])
