"""Controls for JupyterLab; in batch, where nobody can turn them, the same figures stand still."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import plotly.graph_objects as go
from IPython import get_ipython
from IPython.display import HTML, clear_output, display

from ate.viz.report.picture import Picture
from ate.viz.tables.rows import table, text

# Set by `ate run`.
BATCH = "ATE_BATCH"
_state = {"library": False}
# How many times longer than its writing the reading of plotly's library may take.
READING = 4
# The pane of progress bars: five lines high, and always at its end.
PANE = {"max_height": "7em", "overflow": "auto", "display": "flex", "flex_flow": "column-reverse"}


def in_batch() -> bool:
    """Whether the notebook runs without a person in front of it: by `ate run`, papermill or nbconvert.

    Controls would be worse than useless there: what a widget sends back while its cell runs can lose that cell's end
    on a busy machine, and the execution then waits for ever.
    """
    # nbclient, on which papermill and nbconvert run, tells its kernels to keep no history on disk; JupyterLab does not.
    history = getattr(get_ipython(), "history_manager", None)
    return bool(os.environ.get(BATCH)) or (history is not None and str(history.hist_file) == ":memory:")


def draw(figure: go.Figure) -> None:
    """Display a figure: by JupyterLab's own plotly in the browser; in batch also as HTML that works offline.

    plotly's library (5 MB) goes into a notebook once, with the first figure that is drawn in batch.
    """
    bundle: dict[str, Any] = {"application/vnd.plotly.v1+json": json.loads(figure.to_json())}
    if not in_batch():
        display(bundle, raw=True)
        return
    began = time.monotonic()
    first = not _state["library"]
    bundle["text/html"] = figure.to_html(full_html=False, include_plotlyjs=first, config={"responsive": True})
    display(bundle, raw=True)
    if first:
        _state["library"] = True
        # Plain papermill gives up four seconds after a cell has ended whose outputs it has not read. On a machine so
        # busy that 5 MB take it longer, they took us longer too: the cell ends when both had the time.
        time.sleep(READING * (time.monotonic() - began))


def show_picture(picture: Picture) -> None:
    """Display a figure between its title and its caption."""
    display(HTML(f"<h4>{escape(picture.title)}</h4>"))
    draw(picture.figure)
    display(HTML(f"<p style='max-width:60em;color:#5c6773'>{escape(picture.caption)}</p>"))


def show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Display rows as a table; numbers with at most four significant digits, to the right, words to the left."""
    content = table(rows)
    columns = [[row[i] for row in content["rows"]] for i in range(len(content["columns"]))]
    sides = ["left" if any(isinstance(v, str) and v for v in column) else "right" for column in columns]
    styles = [f"style='text-align:{side};padding:0.3em 0.3em" for side in sides]
    titles = [str(name).replace("_", " ") for name in content["columns"]]
    head = "".join(f"<th {style}'>{escape(name)}</th>" for name, style in zip(titles, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell(value, style) for value, style in zip(row, styles, strict=True))}</tr>"
        for row in content["rows"]
    )
    # A table wider than the page scrolls by itself instead of pushing the page.
    full = f"<table style='margin:0.5em 0'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    display(HTML(f"<div style='overflow-x:auto'>{full}</div>"))


def _cell(value: Any, style: str) -> str:
    return f"<td {style};white-space:nowrap'>{escape(text(value))}</td>"


def show_lines(lines: Sequence[str], lead: str = "") -> None:
    """Display sentences as a list of a readable width, below a leading sentence in bold where there is one."""
    head = f"<p><b>{escape(lead)}</b></p>" if lead else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    display(HTML(f"<div style='max-width:60em'>{head}<ul>{items}</ul></div>"))


@contextmanager
def progress() -> Iterator[None]:
    """Show progress bars in a small pane that is gone once the work is done; in batch they stay as they are.

    After an error the pane stays, above the traceback.
    """
    if in_batch():
        yield
        return
    import ipywidgets as widgets

    pane = widgets.Output(layout=PANE)
    display(pane)
    pane.__enter__()
    try:
        yield
    finally:
        # Not told of an error: it would show it and swallow it, and the cells below would run on nothing.
        pane.__exit__(None, None, None)
    clear_output()
    pane.close()


def pick_figure(options: Mapping[str, Any], make: Callable[[Any], go.Figure], label: str, first: str = "") -> None:
    """A drop-down that draws `make(options[chosen])` anew, at first of `first`; nothing at all in batch.

    What goes wrong in `make` is shown below the drop-down instead of being lost in the kernel's log.
    """
    if in_batch():
        return
    import ipywidgets as widgets

    choice = widgets.Dropdown(
        options=list(options), value=first or next(iter(options)), description=label,
        style={"description_width": "initial"},
    )  # fmt: skip
    output = widgets.Output()

    def refresh(_: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            draw(make(options[choice.value]))

    choice.observe(refresh, names="value")
    display(widgets.VBox([choice, output]))
    refresh()


def pick_episode(count: int, make: Callable[[int], go.Figure], label: str = "episode", first: int = 0) -> None:
    """A slider over episodes 0 … count − 1 that draws `make(index)` anew, at first of `first`; nothing in batch."""
    if in_batch():
        return
    import ipywidgets as widgets

    slider = widgets.IntSlider(
        min(first, count - 1),
        0,
        count - 1,
        description=label,
        continuous_update=False,
        style={"description_width": "initial"},
    )
    output = widgets.Output()

    def refresh(_: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            draw(make(slider.value))

    slider.observe(refresh, names="value")
    display(widgets.VBox([slider, output]))
    refresh()
