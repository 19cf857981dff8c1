"""Effect of the shift at inference: spread of chunks sampled for the same observation."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ate.viz.figures.steer import titles
from ate.viz.style import METHODS, colors, finish


def sampled_spread(spreads: Mapping[str, Mapping[str, np.ndarray]]) -> go.Figure:
    """A box for each method, a panel for each parameterisation.

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
