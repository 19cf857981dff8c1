"""Prediction errors of the diagnosis: the policy compared with two that learnt nothing."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.diagnose.report import Diagnosis
from ate.viz.style import BLUE, ORANGE, SOFT, finish, short, whiskers

LOOKS = {"policy": ("policy", BLUE), "hold": ("hold the pose", SOFT), "mean": ("mean chunk", ORANGE)}


def diagnosis_errors(diagnosis: Diagnosis) -> go.Figure:
    """Mean absolute error of the chunk by joint, over the joint's spread in the recordings; whiskers span episodes."""
    figure = make_subplots(
        rows=len(diagnosis.errors), cols=1, subplot_titles=[f"{name} episodes" for name in diagnosis.errors],
        shared_xaxes=True, vertical_spacing=0.14,
    )  # fmt: skip
    for row, errors in enumerate(diagnosis.errors.values(), 1):
        for field, (label, color) in LOOKS.items():
            values = 100 * getattr(errors, field) / errors.spread
            mean = values.mean(0)
            figure.add_bar(
                x=[short(joint) for joint in errors.joints], y=mean, name=label, legendgroup=label,
                showlegend=row == 1, marker={"color": color}, row=row, col=1,
                customdata=getattr(errors, field).mean(0),
                hovertemplate="%{x}: %{y:.0f} % of its spread, %{customdata:.3g} rad<extra>" + label + "</extra>",
                error_y=whiskers(mean, values.min(0), values.max(0)),
            )  # fmt: skip
        figure.update_yaxes(title_text="Error, % of spread", rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text="Joint", tickangle=-30, row=len(diagnosis.errors), col=1)
    return finish(figure, 140 + 280 * len(diagnosis.errors), barmode="group")
