"""The explorer of an ablation: click a cell to see its run card, its curves, and rollouts of its policy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import joblib
from IPython.display import HTML, display

from ate.experiments.preparation import in_parallel
from ate.experiments.replay import Replay, replay_in
from ate.experiments.results import RunResult
from ate.experiments.study import Study
from ate.experiments.summary import rolled_out
from ate.viz.display import SOFT_TEXT, draw, in_batch, progress, show_table
from ate.viz.figures.grid import grid
from ate.viz.figures.panels import Cell, Panel, compared, panels
from ate.viz.figures.steer import guidance_anatomy, loss_curves
from ate.viz.report.captions import FIGURES, Picture
from ate.viz.report.contrast import FIRST, display_parts, show_parts, telling_parts
from ate.viz.report.section import Section
from ate.viz.style import INK
from ate.viz.tables.cell_card import card_html, seed_rows
from ate.viz.widgets.figure import FigureWidget, Point

CHOSEN = "chosen"


def extremes(results: Sequence[RunResult]) -> dict[str, RunResult]:
    """The highest and the lowest cell against λ = 0; none without rollouts.

    Each by the training seed that shows it best: of the highest the one with the most successes, of the lowest the one
    with the fewest, so that a failure is seen where there is one.
    """
    if not rolled_out(results):
        return {}
    all_panels = panels(results)
    differences = [
        (difference.mean, panel.cells[cell])
        for panel, cells in zip(all_panels, compared(all_panels), strict=True)
        for cell, difference in cells.items()
    ]
    highest, lowest = (pick(differences, key=lambda pair: pair[0])[1] for pick in (max, min))
    most, fewest = (pick(cell, key=_successes) for pick, cell in ((max, highest), (min, lowest)))
    return {"highest": most} if highest is lowest else {"highest": most, "lowest": fewest}


def _successes(run: RunResult) -> int:
    return sum(run.success)


def replayed(study: Study, results: Mapping[str, RunResult]) -> dict[str, Replay]:
    """Roll each of these runs out again, at the same time; results by the same names."""
    jobs = [joblib.delayed(replay_in)(study, result) for result in results.values()]
    return dict(zip(results, in_parallel(study.settings, jobs), strict=True))


def show_cell(study: Study, results: Sequence[RunResult], done: Replay, section: Section, which: str) -> None:
    """Display one cell: its run card, its seeds one by one, its loss and that of λ = 0, and its film strip.

    Args:
        study: settings and files.
        results: of the whole ablation.
        done: the cell, rolled out again on one of its seeds.
        section: keeps the figures for the report.
        which: `"highest"` or `"lowest"`: part of titles and file names.
    """
    result = done.result
    panel = next(panel for panel in panels(results) if result in panel.cells.get(panel.cell(result), ()))
    runs = panel.cells[panel.cell(result)]
    title = f"{which.capitalize()} cell, {result.method}"
    display(HTML(card_html(study, runs)))
    section.table(seed_rows([*panel.base, *runs], result.method))
    losses = loss_curves([*panel.base, *runs])
    section.show(Picture(f"{which}_loss", losses, f"{title}: loss, and that of λ = 0", FIGURES["loss_curves"].caption))
    if done.rollouts is not None:
        parts = telling_parts(done.rollouts)
        about = f"{title}: rollouts of training seed {result.seed}"
        show_parts(section, parts, f"{which}_film", about, f"{FIRST} {_summary(done)}")


def _summary(done: Replay) -> str:
    count = f"{sum(done.result.success)} of {len(done.result.success)} rollouts"
    name = f"{done.result.method}, seed {done.result.seed}"
    if done.faithful:
        how = "rolled out again" if done.kept else "trained again bit for bit"
        return f"{name}: {how}, the same {count} succeed."
    how = "rolled out again" if done.kept else "trained again"
    return f"{name}: {how}, and it is NOT what was kept ({count}): another machine, library version, or code."


def show_cells(study: Study, results: Sequence[RunResult]) -> None:
    """Display the explorer; nothing in batch (use `show_cell` there), and nothing if there are no rollouts."""
    if not in_batch() and all(result.success for result in results):
        display(CellExplorer(study, results).box)


class CellExplorer:
    """The grid, and the results of the cell that was clicked.

    Attributes:
        box: the whole, to display.
        figure: the grid.
        seed: selects the training seed whose rollouts are shown.
        status: what is running, or the outcome.
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
        self.figure.on_click(self._guarded(self._click))
        self.seed.observe(self._guarded(self._roll), names="value")
        curves = widgets.HBox([self.loss, self.meter])
        parts = [self.figure, self.errors, self.card, curves, widgets.HBox([self.seed, self.status]), self.film]
        self.box = widgets.VBox(parts)
        self.box.add_class("ate-cells")
        self._say("Click a cell to see its run card, its curves and rollouts of its policy.")

    def _guarded(self, act: Callable[..., None]) -> Callable[..., None]:
        """`act`, with its errors shown below the grid; otherwise they would only be in the kernel's log."""

        def guarded(*arguments: Any) -> None:
            self.errors.clear_output()
            with self.errors:
                act(*arguments)

        return guarded

    def _say(self, text: str) -> None:
        self.status.value = f"<span style='margin-left:1em;color:{SOFT_TEXT}'>{text}</span>"

    def _click(self, points: Sequence[Point]) -> None:
        heatmaps = {i: trace.name for i, trace in enumerate(self.figure.figure.data) if trace.type == "heatmap"}
        point = next((point for point in points if point.trace in heatmaps), None)
        if point is None:
            return
        panel = next(panel for panel in self.panels if panel.title == heatmaps[point.trace])
        labels = {(f"{lam:g}", panel.text(value)): (lam, value) for lam, value in panel.cells}
        cell = labels.get((str(point.x), str(point.y)))
        if cell is not None:
            self.chosen = panel, cell
            self._mark(panel, cell)
            self._show(panel, cell)
            self._roll()

    def _mark(self, panel: Panel, cell: Cell) -> None:
        """A frame around the cell that was clicked."""
        x, y = panel.lams.index(cell[0]), panel.seconds.index(cell[1])
        place = self.panels.index(panel)
        axes = {"xref": f"x{place + 1}" if place else "x", "yref": f"y{place + 1}" if place else "y"}
        frame = {"type": "rect", "x0": x - 0.49, "x1": x + 0.49, "y0": y - 0.48, "y1": y + 0.48, "name": CHOSEN}
        layout = self.figure.figure.layout
        others = [shape for shape in layout.shapes if shape.name != CHOSEN]
        layout.shapes = [*others, {**frame, **axes, "line": {"color": INK, "width": 3}}]
        self.figure.refresh(layout=["shapes"])

    def _show(self, panel: Panel, cell: Cell) -> None:
        runs = panel.cells[cell]
        with self.card:
            self.card.clear_output(wait=True)
            display(HTML(card_html(self.study, runs)))
            show_table(seed_rows([*panel.base, *runs], runs[0].method))
        for output, figure in ((self.loss, loss_curves([*panel.base, *runs])), (self.meter, guidance_anatomy(runs))):
            with output:
                output.clear_output(wait=True)
                draw(figure.update_layout(legend={"orientation": "h", "x": 0, "y": -0.15}))

    def _roll(self, _: Any = None) -> None:
        """Show rollouts of the chosen cell and seed; a policy that was not kept is trained again."""
        if self.chosen is None:
            return
        panel, cell = self.chosen
        by_seed = {run.seed: run for run in panel.cells[cell]}
        self.seed.disabled = False
        self.film.clear_output()
        if self.seed.value not in by_seed:
            self._say(f"Seed {self.seed.value} of this cell has not run; there are {', '.join(map(str, by_seed))}.")
            return
        result = by_seed[self.seed.value]
        self._say(f"{result.method}, seed {result.seed}: being rolled out again …")
        key = (panel.title, cell, result.seed)
        if key not in self._replayed:
            with progress():
                self._replayed[key] = replay_in(self.study, result)
        done = self._replayed[key]
        if done.rollouts is not None:
            with self.film:
                display_parts(telling_parts(done.rollouts))
        self._say(_summary(done))
