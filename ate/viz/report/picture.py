"""A figure with the words around it, as notebooks show it and the report keeps it."""

from dataclasses import dataclass

import plotly.graph_objects as go

from ate.runs.directory import RunDirectory
from ate.viz.display import show


@dataclass(frozen=True)
class Picture:
    """A figure, its title and its caption.

    Attributes:
        name: under which a section keeps it, without the section's key: `"3_map_1"` becomes `"02_3_map_1"`. The report
            shows figures in the order of names.
        figure: what is drawn.
        title: stands above it.
        caption: stands below it.
    """

    name: str
    figure: go.Figure
    title: str
    caption: str

    def show(self, run: RunDirectory, key: str) -> None:
        """Display it and keep it in section `key` of a run, e.g. `"02"`."""
        show(self.figure, run, f"{key}_{self.name}", self.title, self.caption)
