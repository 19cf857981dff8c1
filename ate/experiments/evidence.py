"""Evidence: every form of guidance with its controls over several runs, by demonstrations and steps, pooled.

One run directory holds one task and robot; with one parameterisation it is one *study*. Studies of the same number of
demonstrations and steps are pooled, each counting the same (`ate.experiments.stats.pooling`).
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ate.experiments.methods import CONTROLS, DIRECT, comparison, controls, evidence
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import ERROR_RATE, Difference, differences, summarise
from ate.experiments.stats.pooling import Pooled, pooled
from ate.experiments.store import load_results
from ate.experiments.summary import guidance_verdict

METHODS = tuple(dict.fromkeys(method.name for method in (*evidence(), *controls())))
NEEDED = tuple(method.name for method in evidence())


def pairs(names: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Each method against direct and each form against its controls, of those that there are."""
    to_direct = [(method, DIRECT) for method in METHODS if method != DIRECT]
    to_controls = [(form, control) for form, own in CONTROLS.items() for control in own]
    return tuple(pair for pair in (*to_direct, *to_controls) if set(pair) <= set(names))


def studies_of(runs: Sequence[Path], first_seed: int = 0) -> dict[tuple[int, int], dict[str, list[RunResult]]]:
    """Results of the evidence methods by demonstrations and steps, then by study, e.g. `"lift-ur5e sample"`.

    Args:
        runs: run directories of `ate compare --methods evidence`.
        first_seed: training seeds below it are left out.
    """
    groups: dict[tuple[int, int], dict[str, list[RunResult]]] = {}
    for run in runs:
        for result in load_results(run / "results"):
            if result.method in METHODS and result.seed >= first_seed:
                studies = groups.setdefault((result.demonstrations, result.steps), {})
                studies.setdefault(f"{run.name} {result.parameterization}", []).append(result)
    return dict(sorted(groups.items(), reverse=True))


def is_complete(results: Sequence[RunResult]) -> bool:
    """Whether a study has the evidence methods that its demonstrations allow, all methods with the same seeds.

    Beside 5 demonstrations the closest controls are needed; elsewhere the comparison's recommended forms are enough.
    """
    methods, count = {r.method for r in results}, results[0].demonstrations
    needed = (
        NEEDED if count == 5 else [m.name for m in comparison(demonstrations=count) if m.encoder != "random-motion"]
    )
    same = len({frozenset(r.seed for r in results if r.method == method) for method in methods}) == 1
    return same and methods >= set(needed)


def heading(studies: Mapping[str, Sequence[RunResult]]) -> str:
    """Title of the studies of one number of demonstrations and steps, with their number of training seeds."""
    first = next(iter(studies.values()))[0]
    counts = sorted({len({result.seed for result in results}) for results in studies.values()})
    seeds = " or ".join(map(str, counts))
    return f"{first.demonstrations} demonstrations, {first.steps} steps, {seeds} seeds a study"


def study_table(studies: Mapping[str, Sequence[RunResult]]) -> str:
    """Markdown: one row a study, success of direct fine-tuning and each method's difference to it in points."""
    present = {result.method for results in studies.values() for result in results}
    others = [method for method in METHODS if method != DIRECT and method in present]
    lines = ["| study | direct | " + " | ".join(others) + " |", "|---" * (len(others) + 2) + "|"]
    for name, results in studies.items():
        rates = {row.method: row.rate for row in summarise(results)}
        rows = {row.method: row for row in differences(results)}
        cells = [_cell(rows[method], guidance_verdict(results, method)) if method in rows else "" for method in others]
        lines.append(f"| {name} | {100 * rates[DIRECT]:.1f} % | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def pooled_table(studies: Mapping[str, Sequence[RunResult]]) -> str:
    """Markdown: each method against direct and each form against its controls, pooled over studies.

    Intervals are of 95 %; verdicts are corrected for the number of rows (Bonferroni).
    """
    lines = ["| method | against | pooled difference, points (95 %) | studies above | verdict, corrected |"]
    lines.append("|---" * 5 + "|")
    methods = {name: {result.method for result in results} for name, results in studies.items()}
    compared = pairs(set().union(*methods.values()))
    for method, baseline in compared:
        both = {name: results for name, results in studies.items() if {method, baseline} <= methods[name]}
        row = pooled(both, method, baseline)
        strict = pooled(both, method, baseline, 1 - ERROR_RATE / len(compared))
        above = f"{row.better} of {row.studies}"
        lines.append(f"| {method} | {baseline} | {_points(row)} | {above} | {strict.verdict} |")
    return "\n".join(lines)


def run_differences(run: Path, first_seed: int = 0) -> list[Difference]:
    """Every method of one run against direct fine-tuning, then every guided method against each random encoder.

    Args:
        run: run directory of `ate compare` or `ate sweep`.
        first_seed: training seeds below it are left out, e.g. those of a first look.
    """
    results = [result for result in load_results(run / "results") if result.seed >= first_seed]
    rows = differences(results) if results else []
    guided = [result for result in results if result.method != DIRECT]
    for control in dict.fromkeys(result.method for result in results if result.encoder.startswith("random")):
        rows += differences(guided, baseline=control)
    return rows


def _cell(row: Difference, meter: str) -> str:
    verdict = "" if row.verdict == "cannot tell" else f" **{row.verdict}**"
    return _points(row) + verdict + ("" if meter == "none" else f", {meter}")


def _points(row: Difference | Pooled) -> str:
    return f"{100 * row.mean:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
