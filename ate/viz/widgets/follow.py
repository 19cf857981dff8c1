"""Follow a run from a notebook: its curves, its progress, and a button that stops it."""

import asyncio
from collections.abc import Sequence
from html import escape
from types import TracebackType
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import HTML, display

from ate.runs.child import Child, words
from ate.runs.directory import RunDirectory
from ate.runs.status import Stopped
from ate.viz.display import draw, in_batch
from ate.viz.figures.alignment import training_curves

PAUSE = 1.0
FAILED = ("failed", "died")


async def follow(child: Child) -> None:
    """Show a run until it ends. Its button stops it with a checkpoint; interrupting the cell does not stop it.

    A cell that is awaited lets its kernel handle the button (ipykernel 7). In an older one it acts after an interrupt.

    Args:
        child: started here (`Child.start`) or elsewhere (`Child.attach`).

    Raises:
        Stopped: it was stopped before its end.
        RuntimeError: it failed; with the end of its log.
    """
    pane = Pane(child)
    display(pane.box)
    try:
        while child.alive:
            pane.refresh()
            await asyncio.sleep(PAUSE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        pane.say("No longer followed; the run continues. The button stops it; running the cell again follows it.")
        raise
    pane.button.disabled = True
    pane.refresh()
    _judge(child)


async def train_apart(arguments: Sequence[str], directory: RunDirectory) -> None:
    """Run `ate` with these arguments as a child process in the run directory and follow it. A child that is already
    running is followed instead. Nothing in batch, where the notebook trains in its own process.

    Raises:
        Stopped, RuntimeError: as `follow`.
    """
    if in_batch():
        return
    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((Stopped,), _calm)
    child = Child(directory.path)
    await follow(child if child.alive else Child.start(arguments, directory.path))


def _calm(
    shell: InteractiveShell, kind: type[BaseException], error: BaseException, trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:  # fmt: skip
    """Say in a line that a run was stopped. The cells below do not run, and nobody needs a traceback of a button."""
    display(HTML(f"<p class='ate-stopped'><b>Stopped.</b> {escape(str(error))}</p>"))


class Pane:
    """Status, button and curves of a run.

    Attributes:
        box: the whole, to display.
        button: stops the run.
    """

    def __init__(self, child: Child) -> None:
        """The run is first read by `refresh`."""
        self.child = child
        self.button = widgets.Button(description="Stop with a checkpoint", icon="stop", layout={"width": "220px"})
        self.button.on_click(self._stop)
        self._stopping = False
        self._status, self._curves, self._errors = widgets.HTML(), widgets.Output(), widgets.Output()
        self._rows = 0
        self.box = widgets.VBox([widgets.HBox([self.button, self._status]), self._errors, self._curves])
        self.box.add_class("ate-follow")

    def say(self, text: str) -> None:
        """Write the status line."""
        self._status.value = f"<span style='margin-left:1em'>{text}</span>"

    def refresh(self) -> None:
        """Show its progress, and redraw the curves if they have grown."""
        alive = self.child.alive
        # Asked for again each time: the run may be between two trainings, where nothing hears it.
        if self._stopping and alive:
            self.child.stop(timeout=0.0)
        self.say(words(self.child.status()) + (". It is being stopped." if self._stopping and alive else ""))
        metrics = self.child.metrics()
        count = sum(len(rows) for rows in metrics.values())
        if count > self._rows:
            self._rows = count
            with self._curves:
                self._curves.clear_output(wait=True)
                draw(training_curves(metrics))

    def _stop(self, _: Any) -> None:
        with self._errors:
            self._stopping = self.button.disabled = True
            self.child.stop(timeout=0.0)
            self.say("It is being stopped; it ends after the current step, with a checkpoint.")


def _judge(child: Child) -> None:
    status = child.status()
    if status["state"] == "stopped":
        raise Stopped(f"{words(status)}. Run all cells again to go on from its checkpoint.")
    if status["state"] in FAILED or child.code not in (None, 0):
        raise RuntimeError(f"{words(status)}; the end of its log:\n" + "\n".join(child.log()))
