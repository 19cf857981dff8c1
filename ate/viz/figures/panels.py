"""Panels: the results of an ablation sorted for figures, one grid each with the λ = 0 runs it is paired with.

A grid is λ × clamp, or λ × share where the rows at pre-training observations were swept instead. It shares everything
else: parameterisation, demonstrations, steps, and every other option of guidance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ate.errors import InputError
from ate.experiments.methods import ALIGNED_ENCODERS, clamp_text
from ate.experiments.results import Regime, RunResult
from ate.experiments.stats.comparisons import Difference, differences
from ate.steer import guidance_config
from ate.viz.figures.steer import second, second_axis, titles

Cell = tuple[float, float]
# What makes a grid of its own besides its regime: the encoder, and every option of guidance but λ and clamp.
OPTIONS = guidance_config.OPTIONS[2:]
WORDS = ("{}", "{} demonstrations", "{} steps", "{} encoder", "{}")
# What a grid's second axis is, and a value of the other one in a title.
AXES = {"clamp": "Clamp of k·g (normalised)", "share": "Guided rows, share of a batch"}
OTHERS = {"clamp": ("share", "share {:g} of a batch"), "share": ("clamp", "c = {:g}")}


@dataclass(frozen=True, eq=False)
class Panel:
    """One grid.

    Attributes:
        title: what sets it apart from the other panels, its parameterisation in any case.
        base: the λ = 0 runs of its regime, one a training seed.
        cells: runs by λ and second axis.
        controls: runs of its regime that are guided by an encoder that was not aligned.
        axis: the second axis, `"clamp"` or `"share"`.
    """

    title: str
    base: tuple[RunResult, ...]
    cells: dict[Cell, list[RunResult]]
    controls: tuple[RunResult, ...]
    axis: str

    def cell(self, run: RunResult) -> Cell:
        """Where a run lies."""
        return run.lam, second(run, self.axis)

    def text(self, value: float) -> str:
        """A value of the second axis as a label."""
        return clamp_text(value) if self.axis == "clamp" else f"{value:g}"

    @property
    def lams(self) -> list[float]:
        """λ axis, ascending."""
        return sorted({lam for lam, _ in self.cells})

    @property
    def seconds(self) -> list[float]:
        """Second axis, ascending."""
        return sorted({value for _, value in self.cells})

    @property
    def base_rate(self) -> float:
        """Success of λ = 0, all seeds together."""
        return float(np.mean(np.concatenate([run.success for run in self.base])))


def panels(results: Sequence[RunResult]) -> list[Panel]:
    """The grids in results, in order of first appearance; `[]` where nothing is guided by an aligned encoder.

    Raises:
        InputError: a grid without its λ = 0 runs.
    """
    grids: dict[tuple[Regime, tuple[object, ...]], list[RunResult]] = {}
    guided = [run for run in results if run.lam != 0 and run.encoder in ALIGNED_ENCODERS]
    axis = second_axis(guided)
    other, words = OTHERS[axis]
    for run in guided:
        options = (run.encoder, words.format(second(run, other)), *run.spec.guidance.labels(OPTIONS).values())
        grids.setdefault((run.regime, options), []).append(run)
    named = _titles(list(grids))
    return [_panel(named[key], axis, key[0], runs, results) for key, runs in grids.items()]


def _panel(title: str, axis: str, shared: Regime, runs: Sequence[RunResult], results: Sequence[RunResult]) -> Panel:
    same = [r for r in results if r.regime == shared]
    base = tuple(r for r in same if r.is_baseline)
    if not base:
        got, fix = f"λ in {sorted({r.lam for r in same})} ({title})", "train the λ = 0 method with the same seeds"
        raise InputError(got, where="results of the ablation", expected="λ = 0 among them", fix=fix)
    cells: dict[Cell, list[RunResult]] = {}
    for run in sorted(runs, key=lambda run: (run.lam, second(run, axis), run.seed)):
        cells.setdefault((run.lam, second(run, axis)), []).append(run)
    return Panel(title, base, cells, tuple(r for r in same if r.lam != 0 and r.encoder not in ALIGNED_ENCODERS), axis)


def _titles(keys: Sequence[tuple[Regime, tuple[object, ...]]]) -> dict[tuple[Regime, tuple[object, ...]], str]:
    words = (*WORDS, *["{}"] * len(OPTIONS))
    kinds = dict(zip(keys, titles(shared[0] for shared, _ in keys), strict=True))
    rows = {key: (kinds[key], *key[0][1:], *key[1]) for key in keys}
    varied = [len({row[i] for row in rows.values()}) > 1 or i == 0 for i in range(len(words))]
    parts = {
        key: [text.format(value) for text, value, shown in zip(words, row, varied, strict=True) if shown]
        for key, row in rows.items()
    }
    return {key: ", ".join(texts).replace("_", " ") for key, texts in parts.items()}


def compared(all_panels: Sequence[Panel]) -> list[dict[Cell, Difference]]:
    """Each panel's cells against its λ = 0, on the seeds that a cell has; all cells of all panels share the error rate.

    A sweep may have been interrupted, or a cell may have failed: then it has fewer seeds than λ = 0.

    Raises:
        InputError: results without rollouts.
    """
    looks = sum(len(panel.cells) for panel in all_panels)
    by_panel: list[dict[Cell, Difference]] = []
    for panel in all_panels:
        by_seeds: dict[frozenset[int], list[list[RunResult]]] = {}
        for runs in panel.cells.values():
            by_seeds.setdefault(frozenset(run.seed for run in runs), []).append(runs)
        differing: dict[Cell, Difference] = {}
        for seeds, cells in by_seeds.items():
            base = [run for run in panel.base if run.seed in seeds]
            methods = {runs[0].method: panel.cell(runs[0]) for runs in cells}
            rows = differences([*base, *(run for runs in cells for run in runs)], panel.base[0].method, looks)
            differing |= {methods[row.method]: row for row in rows}
        by_panel.append(differing)
    return by_panel
