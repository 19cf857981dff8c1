"""A plotly figure as a widget that reports clicks and selections, also to a kernel or from a browser that is busy."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import plotly.graph_objects as go
import traitlets
from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from ate.viz.display import DARK


@dataclass(frozen=True)
class Point:
    """A point that was clicked or selected.

    Attributes:
        trace: its trace, by place in the figure's data.
        index: its place in that trace; of a heat map row and column.
        x: its coordinate or category.
        y: the same.
    """

    trace: int
    index: Any
    x: Any
    y: Any


class _Library(widgets.Widget):
    source = traitlets.Unicode().tag(sync=True)


class _State(widgets.Widget):
    figure = traitlets.Dict().tag(sync=True)
    changes: traitlets.Dict = traitlets.Dict({"restyle": {}, "relayout": {}}).tag(sync=True)


@cache
def _shared_library() -> _Library:
    return _Library(source=get_plotlyjs())


class FigureWidget(anywidget.AnyWidget):
    """A figure whose clicks and changes arrive however busy browser and kernel are. `plotly.graph_objects.FigureWidget`
    loses some:

    - anywidget (0.11) waits two seconds for a widget's code. If plotly's 5 MB take longer, the widget never again
      hears of a change that the kernel makes. So this one's code is small, and what the kernel changes is in a model
      of ipywidgets' own, which always gets its messages and from which a figure drawn late reads the present state.
    - Hovering and clicking set one trait, and traits that are set while the kernel is busy are merged: a hover after
      a click erases it. So clicks and selections are messages, and hovering is not reported.
    - plotly answers a click with the point that it hovered over last, and hovers at most every 50 ms: a click that
      comes sooner is taken for one of another point, or of none. So what lies below a click is asked for at once.

    Attributes:
        figure: what is shown. After changing it, call `refresh`.
    """

    _css = DARK
    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _library = traitlets.Instance(_Library).tag(sync=True, **widgets.widget_serialization)
    _state = traitlets.Instance(_State).tag(sync=True, **widgets.widget_serialization)

    def __init__(self, figure: go.Figure) -> None:
        """Show `figure`."""
        self.figure = figure
        self._actions: dict[str, list[Callable[[list[Point]], None]]] = {"click": [], "select": []}
        super().__init__(_library=_shared_library(), _state=_State(figure=json.loads(figure.to_json())))
        self.on_msg(self._receive)

    def on_click(self, act: Callable[[list[Point]], None]) -> None:
        """Call `act` with the points below a click."""
        self._actions["click"].append(act)

    def on_select(self, act: Callable[[list[Point]], None]) -> None:
        """Call `act` with all points that are selected, none where a selection was taken back."""
        self._actions["select"].append(act)

    def refresh(self, traces: Sequence[str] = (), layout: Sequence[str] = ()) -> None:
        """Bring attributes of `figure` to the browser; all others stay as the person set them there.

        Args:
            traces: names such as `"x"` or `"contours.start"`, of every trace that has them.
            layout: names such as `"shapes"` or `"xaxis.title.text"`.
        """
        restyle = {name: [t[name] if name.split(".")[0] in t else None for t in self.figure.data] for name in traces}
        relayout = {name: self.figure.layout[name] for name in layout}
        kept = self._state.changes
        changes = {"restyle": {**kept["restyle"], **restyle}, "relayout": {**kept["relayout"], **relayout}}
        self._state.changes = json.loads(json.dumps(changes, cls=PlotlyJSONEncoder))

    def _receive(self, _: Any, content: Any, buffers: Any) -> None:
        for act in self._actions.get(content.get("event"), ()):
            act([Point(**point) for point in content["points"]])
