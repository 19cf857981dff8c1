"""Display in notebooks: figures, tables, sentences, progress and, in JupyterLab, controls that redraw a figure."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from html import escape
from typing import Any

import plotly.graph_objects as go
from IPython import get_ipython
from IPython.display import HTML, display

from ate.data.doctor.finding import FAIL
from ate.viz.report.captions import Picture
from ate.viz.style import INK
from ate.viz.tables.html import COLORS, OTHER, table_html
from ate.viz.tables.rows import table
from ate.viz.video import Film, video_html

# Set by `ate run`.
BATCH = "ATE_BATCH"
_state = {"library": False}
# Reading plotly's library from a cell's output may take this many times longer than writing it.
READING = 4
# Of text that is less important, in JupyterLab's light and dark theme, and elsewhere.
SOFT_TEXT = "var(--jp-ui-font-color2, #5c6773)"
# Figures are drawn on white. In JupyterLab's dark theme they are turned to dark with their hues kept, as in the report;
# photographs stay as they are. With every figure, because JupyterLab takes cells off the page that are out of view.
DARK = (
    "[data-jp-theme-light='false'] .js-plotly-plot:not(:has(.imagelayer image))"
    "{filter:invert(1) hue-rotate(180deg);mix-blend-mode:screen}"
)
# The pane of progress bars: five lines high, and always at its end.
PANE = {"max_height": "7em", "overflow": "auto", "display": "flex", "flex_flow": "column-reverse"}


def in_batch() -> bool:
    """Whether the notebook runs without a user: by `ate run`, papermill or nbconvert.

    No widgets there: a message from a widget while its cell runs can hide the end of that cell from the runner on a
    busy machine, which then waits forever.
    """
    # nbclient, on which papermill and nbconvert run, tells its kernels to keep no history on disk; JupyterLab does not.
    history = getattr(get_ipython(), "history_manager", None)
    return bool(os.environ.get(BATCH)) or (history is not None and str(history.hist_file) == ":memory:")


def draw(figure: go.Figure) -> None:
    """Display a figure by JupyterLab's plotly; in batch also as HTML that works offline.

    plotly's library (5 MB) goes into a notebook once, with the first figure that is drawn in batch.
    """
    display(HTML(f"<style>{DARK}</style>"))
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
        # papermill gives up if it has not read a cell's outputs four seconds after the cell ended. If the machine is
        # so busy that reading 5 MB takes longer, writing them took long too, so the cell waits in proportion.
        time.sleep(READING * (time.monotonic() - began))


def show_picture(picture: Picture) -> None:
    """Display a figure between its title and its caption."""
    display(HTML(f"<h4>{escape(picture.title)}</h4>"))
    draw(picture.figure)
    display(HTML(f"<p style='max-width:60em;color:{SOFT_TEXT}'>{escape(picture.caption)}</p>"))


def show_film(film: Film) -> None:
    """Display a film between its title and its caption."""
    display(HTML(f"<h4>{escape(film.title)}</h4>{video_html(film.data, film.labels)}"))
    display(HTML(f"<p style='max-width:60em;color:{SOFT_TEXT}'>{escape(film.caption)}</p>"))


def show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Display rows as a table, see `ate.viz.tables.html.table_html`."""
    display(HTML(table_html(table(rows))))


def show_lines(lines: Sequence[str], lead: str = "") -> None:
    """Display sentences as a list of a readable width, below a leading sentence in bold where there is one."""
    head = f"<p><b>{escape(lead)}</b></p>" if lead else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    display(HTML(f"<div style='max-width:60em'>{head}<ul>{items}</ul></div>"))


def show_warning(lines: Sequence[str], lead: str, level: str = FAIL) -> None:
    """Display sentences in a frame below a leading one, in the colours of a level of the doctor."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    ink, ground = COLORS[level]
    frame = f"border:3px solid {ink};border-radius:8px;padding:10px 16px;color:{ink};background:{ground};max-width:60em"
    below = f"<ul>{items}</ul>" if lines else ""
    display(HTML(f"<div style='{frame}'><b>{escape(lead)}</b>{below}</div>"))


def show_opening(key: str, question: str, answer: str, level: str = "", *, update: bool = False) -> None:
    """Display a question with its answer, or put the answer where the question was displayed.

    Args:
        key: of the section: the display of one key is updated in place.
        question: in one sentence.
        answer: in one or two sentences.
        level: of the doctor, for the colour; empty for none.
        update: whether the question stands already.
    """
    ink, ground = COLORS.get(level, OTHER)
    style = f"border-left:6px solid {ink};background:{ground};color:{INK};padding:10px 16px;max-width:60em"
    text = f"{escape(question)}<div style='font-size:120%;font-weight:600;margin-top:4px'>{escape(answer)}</div>"
    display(HTML(f"<div class='ate-opening' style='{style}'>{text}</div>"), display_id=f"opening-{key}", update=update)


@contextmanager
def progress() -> Iterator[None]:
    """Show progress bars in a small pane that disappears when the work is done; in batch they stay in the output.

    After an error the pane stays, above the traceback. Bars are written to standard error, which notebooks show on red;
    here they go to standard output.
    """
    if in_batch():
        with redirect_stderr(sys.stdout):
            yield
        return
    import ipywidgets as widgets

    pane = widgets.Output(layout=PANE)
    handle = display(pane, display_id=True)
    pane.__enter__()
    try:
        with redirect_stderr(sys.stdout):
            yield
    finally:
        # The pane must not get the error: it would show and swallow it, and the cells below would run without a result.
        pane.__exit__(None, None, None)
    # The pane alone: what the cell has shown before stays. Without a kernel there is nothing to clear.
    if handle is not None:
        handle.update({"text/plain": ""}, raw=True)
    pane.close()


def pick_figure(options: Mapping[str, Any], make: Callable[[Any], go.Figure], label: str, first: str = "") -> None:
    """A drop-down that draws `make(options[selected])`, at first that of `first`; nothing in batch."""
    if not in_batch():
        value = first or next(iter(options))
        _redrawing("Dropdown", label, lambda name: make(options[name]), options=list(options), value=value)


def pick_episode(
    count: int, make: Callable[[int], go.Figure], label: str = "episode", first: int = 0,
    beside: Callable[[int], str] | None = None,
) -> None:  # fmt: skip
    """A slider over episodes 0 … count − 1 that draws `make(index)`, at first that of `first`; nothing in batch.

    `beside` gives HTML of the same episode, which stands left of the figure.
    """
    if not in_batch():
        place = {"value": min(first, count - 1), "min": 0, "max": count - 1}
        _redrawing("IntSlider", label, make, beside, **place, continuous_update=False)


def _redrawing(
    kind: str, label: str, make: Callable[[Any], go.Figure], beside: Callable[[Any], str] | None = None, **options: Any
) -> None:
    """Display a control and, below it, the figure of its value; errors of `make` are shown there too."""
    import ipywidgets as widgets

    control = getattr(widgets, kind)(**options)
    control.description, control.style.description_width = label, "initial"
    output, left = widgets.Output(), widgets.Output()

    def refresh(_: Any = None) -> None:
        with output:
            output.clear_output(wait=True)
            draw(make(control.value))
        if beside is not None:
            with left:
                left.clear_output(wait=True)
                display(HTML(beside(control.value)))

    control.observe(refresh, names="value")
    if beside is not None:
        left.layout.width, output.layout.width = "310px", "calc(100% - 320px)"
    display(widgets.VBox([control, output if beside is None else widgets.HBox([left, output])]))
    refresh()
