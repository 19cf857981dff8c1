"""A plotly figure as a widget that is whole from its first moment in the browser."""

import plotly.graph_objects as go


class FigureWidget(go.FigureWidget):
    """plotly's own, but opened when it holds its figure.

    plotly opens an empty widget and sends the figure in a second message; a browser that is busy draws between the
    two and stays empty.
    """

    _whole = False

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure)
        self._whole = True
        self.open()

    def open(self) -> None:
        """Open the channel to the browser, with everything there is to show."""
        if self._whole:
            super().open()
