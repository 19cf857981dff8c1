"""Controls for JupyterLab; in batch, where nobody can turn them, the same figures stand still."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from IPython.display import HTML, display

from ate.runs.directory import RunDirectory
from ate.viz.tables import table, text

# Set by whatever executes a notebook without a person in front of it.
BATCH = ("ATE_BATCH", "PAPERMILL_OUTPUT_PATH")
_state = {"library": False}


def in_batch() -> bool:
    """Whether the notebook runs without a person in front of it."""
    return any(os.environ.get(name) for name in BATCH)


def draw(figure: go.Figure) -> None:
    """Display a figure: by JupyterLab's own plotly in the browser; in batch also as HTML that works offline.

    plotly's library (5 MB) goes into a notebook once, with the first figure that is drawn in batch.
    """
    bundle: dict[str, Any] = {"application/vnd.plotly.v1+json": json.loads(figure.to_json())}
    if in_batch():
        first = not _state["library"]
        bundle["text/html"] = figure.to_html(full_html=False, include_plotlyjs=first, config={"responsive": True})
        _state["library"] = True
    display(bundle, raw=True)


def show(figure: go.Figure, run: RunDirectory, name: str, title: str, caption: str) -> None:
    """Keep a figure in the run directory for the report and display it between its title and its caption."""
    run.save_figure(name, figure, title=title, caption=caption)
    display(HTML(f"<h4>{escape(title)}</h4>"))
    draw(figure)
    display(HTML(f"<p style='max-width:60em;color:#5c6773'>{escape(caption)}</p>"))


def show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Display rows as a table; numbers with at most four significant digits."""
    content = table(rows)
    head = "".join(f"<th>{escape(str(name))}</th>" for name in content["columns"])
    body = "".join("<tr>" + "".join(f"<td>{escape(text(v))}</td>" for v in row) + "</tr>" for row in content["rows"])
    display(HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"))


def pick_figure(options: Mapping[str, Any], make: Callable[[Any], go.Figure], label: str) -> None:
    """A drop-down that draws `make(options[chosen])` anew; nothing at all in batch.

    What goes wrong in `make` is shown below the drop-down instead of being lost in the kernel's log.
    """
    if in_batch():
        return
    import ipywidgets as widgets

    choice = widgets.Dropdown(options=list(options), description=label, style={"description_width": "initial"})
    output = widgets.Output()

    def refresh(_: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            draw(make(options[choice.value]))

    choice.observe(refresh, names="value")
    display(widgets.VBox([choice, output]))
    refresh()


def pick_episode(count: int, make: Callable[[int], go.Figure], label: str = "episode") -> None:
    """A slider over episodes 0 … count − 1 that draws `make(index)` anew; nothing at all in batch."""
    if in_batch():
        return
    import ipywidgets as widgets

    slider = widgets.IntSlider(
        0, 0, count - 1, description=label, continuous_update=False, style={"description_width": "initial"}
    )
    output = widgets.Output()

    def refresh(_: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            draw(make(slider.value))

    slider.observe(refresh, names="value")
    display(widgets.VBox([slider, output]))
    refresh()
