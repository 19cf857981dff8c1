"""The explorer of an ablation: click a cell to see its run card, its curves, and rollouts of its policy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from IPython.display import HTML, display

from ate.experiments.methods import clamp_text
from ate.experiments.replay import Replay, replay_in, telling
from ate.experiments.results import RunResult
from ate.experiments.study import Study
from ate.experiments.summary import rolled_out
from ate.viz.display import draw, in_batch, progress, show_table
from ate.viz.figures.film import film_strip
from ate.viz.figures.grid import grid
from ate.viz.figures.panels import Cell, Panel, compared, panels
from ate.viz.figures.steer import guidance_anatomy, loss_curves
from ate.viz.report.captions import FIGURES
from ate.viz.report.picture import Picture
from ate.viz.report.section import Section
from ate.viz.style import INK
from ate.viz.tables.cell_card import card_html, seed_rows
from ate.viz.widgets.widget import FigureWidget

CHOSEN = "chosen"
FILM = (
    "The first rollout that succeeded and the first that failed. Line and triangle: the tool's path and where it is; "
    "square: the object, dotted its path; cross: the goal. Metres in the frame of the table, the robot at negative x."
)


def extremes(results: Sequence[RunResult]) -> dict[str, RunResult]:
    """The highest and the lowest cell against λ = 0, each by the run of its first seed; none without rollouts."""
    if not rolled_out(results):
        return {}
    every = panels(results)
    found = [
        (one.mean, panel.cells[cell][0])
        for panel, cells in zip(every, compared(every), strict=True)
        for cell, one in cells.items()
    ]
    highest, lowest = (pick(found, key=lambda pair: pair[0])[1] for pick in (max, min))
    return {"highest": highest} if highest is lowest else {"highest": highest, "lowest": lowest}


def replayed(study: Study, results: Mapping[str, RunResult]) -> dict[str, Replay]:
    """Each of these trained and rolled out again, by the same names."""
    return {name: replay_in(study, result) for name, result in results.items()}


def show_cell(study: Study, results: Sequence[RunResult], done: Replay, section: Section, which: str) -> None:
    """Display one cell: its run card, its seeds one by one, its loss and that of λ = 0, and its film strip.

    Args:
        study: settings and files.
        results: of the whole ablation.
        done: the cell, trained and rolled out again on one of its seeds.
        section: keeps the figures for the report.
        which: `"highest"` or `"lowest"`: part of titles and file names.
    """
    result = done.result
    panel, cell = _find(panels(results), result)
    runs = panel.cells[cell]
    title = f"{which.capitalize()} cell, {result.method}"
    display(HTML(card_html(study, runs)))
    section.table(seed_rows([*panel.base, *runs], result.method))
    losses = loss_curves([*panel.base, *runs])
    section.show(Picture(f"{which}_loss", losses, f"{title}: loss, and that of λ = 0", FIGURES["loss_curves"].caption))
    if done.rollouts is not None:
        film = film_strip(done.rollouts, telling(done.rollouts.success))
        about = f"{title}: rollouts of training seed {result.seed}"
        section.show(Picture(f"{which}_film", film, about, f"{FILM} {_said(done)}"))


def _find(every: Sequence[Panel], result: RunResult) -> tuple[Panel, Cell]:
    cell = (result.lam, result.clamp)
    return next((panel, cell) for panel in every if result in panel.cells.get(cell, ()))


def _said(done: Replay) -> str:
    count = f"{sum(done.result.success)} of {len(done.result.success)} rollouts"
    name = f"{done.result.method}, seed {done.result.seed}"
    if done.faithful:
        return f"{name}: trained again bit for bit, the same {count} succeed."
    return f"{name}: trained again, and it is NOT what was kept ({count}): another machine, library version, or code."


def show_cells(study: Study, results: Sequence[RunResult]) -> None:
    """Display the explorer; nothing in batch, where `show_cell` shows some cells, and nothing without rollouts."""
    if not in_batch() and all(result.success for result in results):
        display(CellExplorer(study, results).box)


class CellExplorer:
    """The grid, and what is known of the cell that was clicked.

    Attributes:
        box: the whole, to display.
        figure: the λ × clamp grid.
        seed: whose rollouts are shown.
        status: what is going on.
    """

    def __init__(self, study: Study, results: Sequence[RunResult]) -> None:
        """Build it; nothing is trained before a cell is clicked."""
        self.study, self.panels = study, panels(results)
        self.figure = FigureWidget(grid(results))
        self._replayed: dict[tuple[object, ...], Replay] = {}
        self.chosen: tuple[Panel, Cell] | None = None
        self.status = widgets.HTML()
        self.seed = widgets.Dropdown(
            options=sorted({run.seed for run in results}), description="training seed", disabled=True,
            style={"description_width": "initial"},
        )  # fmt: skip
        self.card, self.loss, self.meter, self.film, self.errors = (widgets.Output() for _ in range(5))
        for output in (self.loss, self.meter):
            output.layout.width = "50%"
        for trace in self.figure.data:
            if trace.type == "heatmap":
                trace.on_click(self._guarded(self._click))
        self.seed.observe(self._guarded(self._roll), names="value")
        curves = widgets.HBox([self.loss, self.meter])
        parts = [self.figure, self.errors, self.card, curves, widgets.HBox([self.seed, self.status]), self.film]
        self.box = widgets.VBox(parts)
        self.box.add_class("ate-cells")
        self._say("Click a cell to see its run card, its curves and rollouts of its policy.")

    def _guarded(self, act: Callable[..., None]) -> Callable[..., None]:
        """The same, with errors shown below the grid instead of being lost in the kernel's log."""

        def guarded(*given: Any) -> None:
            self.errors.clear_output()
            with self.errors:
                act(*given)

        return guarded

    def _say(self, text: str) -> None:
        self.status.value = f"<span style='margin-left:1em;color:#5c6773'>{text}</span>"

    def _click(self, trace: Any, points: Any, _: Any = None) -> None:
        if not points.xs:
            return
        panel = next(one for one in self.panels if one.title == trace.name)
        words = {(f"{lam:g}", clamp_text(clamp)): (lam, clamp) for lam, clamp in panel.cells}
        cell = words.get((str(points.xs[0]), str(points.ys[0])))
        if cell is not None:
            self.chosen = panel, cell
            self._mark(panel, cell)
            self._show(panel, cell)
            self._roll()

    def _mark(self, panel: Panel, cell: Cell) -> None:
        """A frame around the cell that was clicked."""
        x, y = panel.lams.index(cell[0]), panel.clamps.index(cell[1])
        place = self.panels.index(panel)
        axes = {"xref": f"x{place + 1}" if place else "x", "yref": f"y{place + 1}" if place else "y"}
        frame = {"type": "rect", "x0": x - 0.49, "x1": x + 0.49, "y0": y - 0.48, "y1": y + 0.48, "name": CHOSEN}
        others = [shape for shape in self.figure.layout.shapes if shape.name != CHOSEN]
        self.figure.layout.shapes = [*others, {**frame, **axes, "line": {"color": INK, "width": 3}}]

    def _show(self, panel: Panel, cell: Cell) -> None:
        runs = panel.cells[cell]
        with self.card:
            self.card.clear_output(wait=True)
            display(HTML(card_html(self.study, runs)))
            show_table(seed_rows([*panel.base, *runs], runs[0].method))
        for output, figure in (
            (self.loss, loss_curves([*panel.base, *runs])),
            (self.meter, guidance_anatomy(runs)),
        ):
            with output:
                output.clear_output(wait=True)
                draw(figure.update_layout(legend={"orientation": "h", "x": 0, "y": -0.15}))

    def _roll(self, _: Any = None) -> None:
        """Rollouts of the chosen cell and seed: its policy was not kept, so it is trained again."""
        if self.chosen is None:
            return
        panel, cell = self.chosen
        mine = {run.seed: run for run in panel.cells[cell]}
        self.seed.disabled = False
        self.film.clear_output()
        if self.seed.value not in mine:
            self._say(f"Seed {self.seed.value} of this cell has not run; there are {', '.join(map(str, mine))}.")
            return
        result = mine[self.seed.value]
        self._say(f"{result.method}, seed {result.seed}: being trained and rolled out again …")
        key = (panel.title, cell, result.seed)
        if key not in self._replayed:
            with progress():
                self._replayed[key] = replay_in(self.study, result)
        done = self._replayed[key]
        if done.rollouts is not None:
            with self.film:
                draw(film_strip(done.rollouts, telling(done.rollouts.success)))
        self._say(_said(done))
