"""A section of the report: what `ate compare` or `ate sweep` found at one budget, beside those of the notebooks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ate.experiments.results import RunResult
from ate.experiments.summary import rolled_out
from ate.runs.directory import RunDirectory
from ate.viz.figures.cost import cost
from ate.viz.figures.grid import grid, meter_grid
from ate.viz.figures.panels import panels
from ate.viz.figures.parallel import parallel_coordinates
from ate.viz.figures.response import response_curves
from ate.viz.figures.steer import guidance_anatomy, loss_curves, open_loop_error, paired_differences, success
from ate.viz.report.captions import CAPTIONS

Drawn = Mapping[str, Callable[[Sequence[RunResult]], go.Figure]]
# Titles, in the order in which the report shows them; of a sweep those that stay legible with hundreds of cells.
COMPARED: Drawn = {
    "Success": success,
    "Difference to direct fine-tuning, paired by training seed": paired_differences,
    "Open-loop error on held-out episodes": open_loop_error,
    "Fine-tuning loss against the unshifted target": loss_curves,
    "Guidance along the noise levels": guidance_anatomy,
}
SWEPT: Drawn = {
    "λ × clamp": grid,
    "Success over λ, and what the meter read at the same λ": response_curves,
    "Saturation and activity of every cell": meter_grid,
    "What each cell cost": cost,
    "Every cell and training seed through all that sets it apart": parallel_coordinates,
}
CONFIRMED = "The highest cell on training seeds that the search has not seen"
ROLLED_OUT = (success, paired_differences, grid, response_curves)


def keep_section(
    run: RunDirectory,
    key: str,
    results: Sequence[RunResult],
    headline: Mapping[str, Any],
    card: Mapping[str, Any],
    validated: Sequence[RunResult] = (),
) -> None:
    """Keep figures, headline and card of results that share their budget; what was kept under `key` is forgotten.

    A λ × clamp grid is drawn as such (`SWEPT`); methods of which no two form a grid are compared (`COMPARED`).

    Args:
        run: where to.
        key: without an underscore, e.g. `"sweep-sample-25x80"`.
        results: with their λ = 0 method.
        headline: `title` of the section, `verdict`, tables.
        card: `ate.runs.card.card`.
        validated: winner and λ = 0 on held-out seeds, where they were trained on any.
    """
    run.begin(key)
    drawn = SWEPT if any(len(panel.cells) > 1 for panel in panels(results)) else COMPARED
    judged = rolled_out(results)
    figures = [(title, draw, results) for title, draw in drawn.items() if judged or draw not in ROLLED_OUT]
    if validated:
        figures.append((CONFIRMED, paired_differences, validated))
    for place, (title, draw, shown) in enumerate(figures, 1):
        name = f"{key}_{place}_{draw.__name__}"
        run.save_figure(name, draw(shown), title=title, caption=CAPTIONS[draw.__name__])
    run.save_headline(key, headline)
    run.save_card(key, card)
