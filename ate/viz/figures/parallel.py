"""Parallel coordinates: every cell and training seed of an ablation as one line through all that sets it apart."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ate.experiments.export import tidy
from ate.experiments.results import RunResult
from ate.steer import guidance_config
from ate.viz.style import finish

if TYPE_CHECKING:
    import pandas

# As on the λ × clamp plane, but grey where nothing changes: a white line could not be seen.
SCALE = [[0, "#b35806"], [0.35, "#f1a340"], [0.5, "#c3c9cf"], [0.65, "#74add1"], [1, "#2166ac"]]
SPEC = ("parameterization", "demonstrations", "steps", "start", "encoder", *guidance_config.OPTIONS)
NAMES = {"lam": "λ", "parameterization": "prediction", "energy_at": "energy at"}
# Options that λ = 0 does not have.
GUIDED = ("encoder", *guidance_config.OPTIONS[1:])
# No shift at all stands this many powers of ten below the least one.
BELOW = 1.0


def parallel_coordinates(results: Sequence[RunResult]) -> go.Figure:
    """One line a cell and training seed, coloured by its difference to λ = 0; drag along an axis to keep some.

    Axes: demonstrations, steps and every option of the methods, where they differ among them; success (%), difference
    (points), share clamped (%), shift over residual (log), held-out open-loop error (mean over joints), seconds of
    training a cell, where they differ.
    """
    frame = tidy(results)
    # λ = 0 has no shift: nothing is clamped, and it differs from itself by nothing.
    plain = frame.lam == 0
    frame = frame.assign(saturation=frame.saturation.where(~plain, 0.0), difference=frame.difference.where(
        ~((frame.method == "direct") & frame.rate.notna()), 0.0))  # fmt: skip
    chosen = frame.assign(**{name: frame[name].where(~plain) for name in GUIDED})
    dimensions = [_ordinal(chosen[name], name) for name in SPEC if chosen[name].nunique() > 1]
    for name, label, scale in (
        ("rate", "success (%)", 100), ("difference", "difference (points)", 100),
        ("saturation", "clamped (%)", 100), ("held_out_error", "open-loop error", 1),
        ("seconds", "training (s)", 1),
    ):  # fmt: skip
        values = scale * frame[name]
        # An axis on which all lines meet says nothing.
        if values.notna().all() and values.nunique() > 1:
            low, high = float(values.min()), float(values.max())
            room = 0.05 * (high - low) or 0.5
            dimensions.append({"label": label, "values": values.tolist(), "range": [low - room, high + room]})
        if name == "saturation" and not plain.all():
            dimensions.append(_shift(frame))
    shown = frame.difference.notna().all()
    most = max(20.0, 100 * float(frame.difference.abs().max())) if shown else 1.0
    color = 100 * frame.difference if shown else frame.held_out_error
    limits = {"cmin": -most, "cmax": most, "colorscale": SCALE} if shown else {"colorscale": "Blues"}
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions, labelside="top", tickfont={"size": 11}, labelfont={"size": 13},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
            line={"color": color.tolist(), "showscale": True, **limits,
                  "colorbar": {"title": {"text": "points" if shown else "error", "side": "top"}, "thickness": 16}},
            unselected={"line": {"opacity": 0.06}},
        )
    )  # fmt: skip
    return finish(figure, 470, margin={"t": 90, "l": 70, "r": 40, "b": 30})


def _ordinal(values: "pandas.Series", name: str) -> dict[str, Any]:
    """An axis of a few values in order, one tick each; a dash where λ = 0 has none."""
    known = sorted(value for value in values.unique() if not (isinstance(value, float) and math.isnan(value)))
    missing = bool(values.isna().any())
    places = {value: place + missing for place, value in enumerate(known)}
    text = [f"{v:g}" if isinstance(v, (int, float)) else str(v).replace("_", " ") for v in known]
    if name == "clamp":
        text = ["none" if math.isinf(value) else f"{value:g}" for value in known]
    return {
        "label": NAMES.get(name, name),
        "values": [places.get(value, 0) for value in values],
        "tickvals": list(range(len(known) + missing)),
        "ticktext": ["—", *text] if missing else text,
        "range": [-0.3, len(known) + missing - 0.7],
    }


def _shift(frame: "pandas.DataFrame") -> dict[str, Any]:
    """Shift over residual, log; methods without a shift below all others, at a tick of their own."""
    logs = np.log10(frame.activity)
    low, high = math.floor(logs.min()), math.ceil(logs.max())
    none = low - BELOW
    decades = list(range(low, high + 1))
    return {
        "label": "shift / residual",
        "values": logs.fillna(none).tolist(),
        "tickvals": [none, *decades],
        "ticktext": ["0", *(f"{10.0**power:g}" for power in decades)],
        "range": [none - 0.2, high + 0.2],
    }
