"""A picture: a figure with the words that belong to it."""

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Picture:
    """What a section keeps and displays as one thing.

    Attributes:
        name: of the file, without number and ending.
        figure: the drawing.
        title: above it.
        caption: below it: what is drawn, and how to read it.
    """

    name: str
    figure: go.Figure
    title: str
    caption: str
