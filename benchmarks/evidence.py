"""Evidence: every form of guidance with its controls, two tasks x two robots x two policies x two regimes, pooled.

`make evidence` runs `ate compare --methods evidence` for each task, robot and regime, and then this, which reads the
runs

    python -m benchmarks.evidence runs/evidence/lift-ur5e runs/evidence/push-ur5e …

and prints the tables of docs/evidence.md as Markdown.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ate.experiments.methods import CONTROLS, DIRECT, evidence
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import differences, summarise
from ate.experiments.stats.pooling import pooled
from ate.experiments.summary import guidance_verdict
from ate.runs.files import read_json

METHODS = [method.name for method in evidence()]
PAIRS = [(form, control) for form, controls in CONTROLS.items() for control in controls if form in METHODS]


def read(folder: Path) -> list[RunResult]:
    """All results of a run directory, cell by cell or seed by seed."""
    trees = []
    for file in sorted((folder / "results").rglob("*.json")):
        found = read_json(file)
        if isinstance(found, list):
            trees += found
        elif "method" in found:
            trees.append(found)
    return [RunResult.from_tree(tree) for tree in trees]


def studies(folders: Sequence[Path]) -> dict[tuple[int, int], dict[str, list[RunResult]]]:
    """By regime (demonstrations, steps), then by study (task, robot, policy)."""
    found: dict[tuple[int, int], dict[str, list[RunResult]]] = {}
    for folder in folders:
        for result in read(folder):
            if result.method in METHODS and result.steps:
                regime = found.setdefault((result.demonstrations, result.steps), {})
                regime.setdefault(f"{folder.name} {result.parameterization}", []).append(result)
    return found


def complete(regime: Mapping[str, Sequence[RunResult]]) -> dict[str, list[RunResult]]:
    """Studies in which every method has the same seeds; the others are named on stderr, not shown."""
    kept = {}
    for name, results in regime.items():
        seeds = {method: {r.seed for r in results if r.method == method} for method in METHODS}
        if len(set(map(frozenset, seeds.values()))) == 1:
            kept[name] = list(results)
        else:
            print(f"{name}: methods of different seeds, left out", file=sys.stderr)
    return kept


def points(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def table(regime: Mapping[str, Sequence[RunResult]]) -> str:
    """One row a study: success of direct and scratch, then each method's difference to direct."""
    others = [method for method in METHODS if method != DIRECT]
    lines = ["| study | direct | " + " | ".join(others) + " |", "|---" * (len(others) + 2) + "|"]
    for name, results in regime.items():
        rates = {row.method: row for row in summarise(results)}
        gaps = {row.method: row for row in differences(results)}
        cells = []
        for method in others:
            row = gaps[method]
            word = "" if row.verdict == "cannot tell" else f" **{row.verdict}**"
            meter = guidance_verdict(results, method)
            cells.append(points(row.mean, row.low, row.high) + word + ("" if meter == "none" else f", {meter}"))
        lines.append(f"| {name} | {100 * rates[DIRECT].rate:.1f} % | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bottom(regime: Mapping[str, Sequence[RunResult]]) -> str:
    """Pooled differences: each method to direct, each form to its controls, corrected for their number."""
    pairs = [(method, DIRECT) for method in METHODS if method != DIRECT] + PAIRS
    lines = [
        "| method | against | pooled difference, points (95 %) | studies above | verdict, corrected |",
        "|---" * 5 + "|",
    ]
    for method, baseline in pairs:
        row = pooled(regime, method, baseline)
        strict = pooled(regime, method, baseline, 1 - 0.05 / len(pairs))
        lines.append(
            f"| {method} | {baseline} | {points(row.mean, row.low, row.high)} | {row.better} of {row.studies} | "
            f"{strict.verdict} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    for (demonstrations, steps), regime in sorted(studies([Path(f) for f in sys.argv[1:]]).items(), reverse=True):
        whole = complete(regime)
        if whole:
            seeds = sorted({len({r.seed for r in results}) for results in whole.values()})
            print(f"\n## {demonstrations} demonstrations, {steps} steps, {seeds} seeds a study\n")
            print(table(whole), "\n\n" + bottom(whole))
