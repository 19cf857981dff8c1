"""Evidence: every form of guidance with its controls over several runs, by demonstrations and steps, pooled.

One run directory holds one task and robot; with one parameterisation it is one *study*. Studies of the same number of
demonstrations and steps are pooled, each counting the same (`ate.experiments.stats.pooling`).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ate.experiments.methods import CONTROLS, DIRECT, UNTRAINED, comparison, controls, evidence
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import ERROR_RATE, Difference, Verdict, differences, summarise
from ate.experiments.stats.pooling import Pooled, pooled
from ate.experiments.store import load_results
from ate.experiments.summary import guidance_verdict
from ate.policies.noise import in_words
from ate.runs.tables import signed

METHODS = tuple(dict.fromkeys(method.name for method in (*evidence(), *controls())))


def pairs(names: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Each method against direct and each form against its controls, of those that there are."""
    to_direct = [(method, DIRECT) for method in METHODS if method != DIRECT]
    to_controls = [(form, control) for form, own in CONTROLS.items() for control in own]
    return tuple(pair for pair in (*to_direct, *to_controls) if set(pair) <= set(names))


def studies_of(runs: Sequence[Path], first_seed: int = 0) -> dict[tuple[int, int], dict[str, list[RunResult]]]:
    """Results of the evidence methods by demonstrations and steps, then by study, e.g. `"lift-ur5e diffusion"`.

    Args:
        runs: run directories of `ate compare --methods evidence`.
        first_seed: training seeds below it are left out.
    """
    groups: dict[tuple[int, int], dict[str, list[RunResult]]] = {}
    for run in runs:
        for result in load_results(run / "results"):
            if result.method in METHODS and result.seed >= first_seed:
                studies = groups.setdefault((result.demonstrations, result.steps), {})
                studies.setdefault(f"{run.name} {in_words(result.parameterization)}", []).append(result)
    return dict(sorted(groups.items(), reverse=True))


def complete(results: Sequence[RunResult]) -> tuple[list[RunResult], dict[str, int]]:
    """Results of a study that can be pooled: of the methods that have every training seed of the study.

    The study's seeds are those of the methods that it needs (`needed_methods`). A further control that lacks seeds,
    say because its run has not ended, is left out, and the rest is pooled.

    Returns:
        The results, none where a needed method lacks seeds; and by method how many seeds it lacks, needed ones first.
    """
    seeds: dict[str, set[int]] = {}
    for result in results:
        seeds.setdefault(result.method, set()).add(result.seed)
    needed = needed_methods(results[0].demonstrations)
    own = set().union(*(seeds.get(method, ()) for method in needed)) or set().union(*seeds.values())
    counts = {method: len(own - seeds.get(method, set())) for method in dict.fromkeys((*needed, *seeds))}
    lacking = {method: count for method, count in counts.items() if count}
    if not lacking.keys().isdisjoint(needed):
        return [], lacking
    return [result for result in results if result.method not in lacking and result.seed in own], lacking


def needed_methods(demonstrations: int) -> tuple[str, ...]:
    """Methods without which a study is not pooled.

    With 5 demonstrations the closest controls are needed; elsewhere the forms that are recommended are enough.
    """
    if demonstrations == 5:
        return tuple(method.name for method in evidence())
    return tuple(method.name for method in comparison(demonstrations=demonstrations) if method.name != UNTRAINED)


def measured(studies: Mapping[str, Sequence[RunResult]]) -> dict[str, Any]:
    """What studies of one number of demonstrations and steps measured, as plain values for the tables and for JSON.

    Returns:
        `demonstrations`, `steps` and the numbers of training `seeds`. `studies`, one a task, robot and policy, with
        its `methods`: the share of success `rate` of all; the difference `mean` to direct fine-tuning, its 95 %
        interval `low` to `high` (None where it is unbounded), `verdict` and `meter` of all but direct. `pooled`, each
        method against direct and each form against its controls, over the studies that have both; these verdicts
        are corrected for the number of rows (Bonferroni).
    """
    first = next(iter(studies.values()))[0]
    counts = sorted({len({result.seed for result in results}) for results in studies.values()})
    return {
        "demonstrations": first.demonstrations,
        "steps": first.steps,
        "seeds": counts,
        "studies": [{"study": name, "methods": _methods(results)} for name, results in studies.items()],
        "pooled": _pooled(studies),
    }


def heading(regime: Mapping[str, Any]) -> str:
    """Title of what `measured` gives, with the number of training seeds."""
    seeds = " or ".join(map(str, regime["seeds"]))
    return f"{regime['demonstrations']} demonstrations, {regime['steps']} steps, {seeds} seeds a study"


def study_table(regime: Mapping[str, Any]) -> str:
    """Markdown: success of direct fine-tuning and each method's difference to it in points.

    A row a study for methods that all studies have; then a row a method for those of some studies.
    """
    studies = regime["studies"]
    present = [m for m in METHODS if m != DIRECT and any(m in study["methods"] for study in studies)]
    common = [m for m in present if all(m in study["methods"] for study in studies)]
    lines = ["| study | direct | " + " | ".join(common) + " |", "|---" * (len(common) + 2) + "|"]
    for study in studies:
        methods = study["methods"]
        cells = " | ".join(_cell(methods[method]) for method in common)
        lines.append(f"| {study['study']} | {100 * methods[DIRECT]['rate']:.1f} % | {cells} |")
    rest = [method for method in present if method not in common]
    some = [study for study in studies if any(method in study["methods"] for method in rest)]
    if rest:
        lines += ["", "Methods of some studies, to direct:", ""]
        lines.append("| method | " + " | ".join(study["study"] for study in some) + " |")
        lines.append("|---" * (len(some) + 1) + "|")
    for method in rest:
        rows = (study["methods"] for study in some)
        lines.append(f"| {method} | " + " | ".join(_cell(row[method]) if method in row else "" for row in rows) + " |")
    return "\n".join(lines)


def pooled_table(regime: Mapping[str, Any]) -> str:
    """Markdown: each method against direct and each form against its controls, pooled over studies.

    Intervals are of 95 %; verdicts are corrected for the number of rows (Bonferroni).
    """
    lines = ["| method | against | pooled difference, points (95 %) | studies above | verdict, corrected |"]
    lines.append("|---" * 5 + "|")
    for row in regime["pooled"]:
        above = f"{row['above']} of {row['studies']}"
        lines.append(f"| {row['method']} | {row['against']} | {points(row)} | {above} | {row['verdict']} |")
    return "\n".join(lines)


def points(row: Mapping[str, Any]) -> str:
    """A difference in points of success with its interval, e.g. `"+51.8 (+49.1 to +54.5)"`, as text to read."""
    low, high = (sign * math.inf if row[end] is None else row[end] for end, sign in (("low", -1), ("high", 1)))
    return f"{signed(100 * row['mean'])} ({signed(100 * low)} to {signed(100 * high)})"


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


def interval(row: Difference | Pooled) -> dict[str, float | None]:
    """Mean and ends of a difference, for JSON: an end that is unbounded is None."""
    ends = {"low": row.low, "high": row.high}
    return {"mean": row.mean} | {name: end if math.isfinite(end) else None for name, end in ends.items()}


def _methods(results: Sequence[RunResult]) -> dict[str, dict[str, Any]]:
    rows = {row.method: row for row in differences(results)}
    methods: dict[str, dict[str, Any]] = {}
    for summary in summarise(results):
        name = summary.method
        methods[name] = {"rate": summary.rate}
        if name in rows:
            verdict, meter = str(rows[name].verdict), guidance_verdict(results, name)
            methods[name] |= {**interval(rows[name]), "verdict": verdict, "meter": meter}
    return methods


def _pooled(studies: Mapping[str, Sequence[RunResult]]) -> list[dict[str, Any]]:
    methods = {name: {result.method for result in results} for name, results in studies.items()}
    compared = pairs(set().union(*methods.values()))
    rows = []
    for method, baseline in compared:
        both = {name: results for name, results in studies.items() if {method, baseline} <= methods[name]}
        row = pooled(both, method, baseline)
        strict = pooled(both, method, baseline, 1 - ERROR_RATE / len(compared))
        counts = {"above": row.better, "studies": row.studies}
        rows.append({"method": method, "against": baseline, **interval(row), **counts, "verdict": str(strict.verdict)})
    return rows


def _cell(row: Mapping[str, Any]) -> str:
    verdict = "" if row["verdict"] == Verdict.CANNOT_TELL else f" **{row['verdict']}**"
    return points(row) + verdict + ("" if row["meter"] == "none" else f", {row['meter']}")
