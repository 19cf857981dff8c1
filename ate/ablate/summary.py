"""Summary: results as table rows and as sentences, with and without a simulator."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ate.ablate.grid import CONTROLS, DIRECT
from ate.ablate.results import RunResult
from ate.ablate.statistics import Difference, differences, summarise, verdict
from ate.steer.meter import meter_verdict

_WORDS = {
    "helps": "does better than",
    "hurts": "does worse than",
    "cannot tell": "cannot be told apart, at this budget, from",
}


def by_parameterization(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Results of each parameterisation, in order of first appearance."""
    kinds = dict.fromkeys(result.parameterization for result in results)
    return {kind: [r for r in results if r.parameterization == kind] for kind in kinds}


def rolled_out(results: Sequence[RunResult]) -> bool:
    """Whether there are rollouts to judge by, or open-loop errors only."""
    return all(len(result.success) > 0 for result in results)


def held_out_error(results: Sequence[RunResult], arm: str) -> float:
    """Mean open-loop error of an arm over joints and seeds, data units (radians for joints)."""
    return float(np.mean([list(result.open_loop.values()) for result in results if result.arm == arm]))


def guidance_verdict(results: Sequence[RunResult], arm: str) -> str:
    """What the meter says of an arm over all its seeds; `"none"` for an arm without guidance."""
    rows = [dict(row) for result in results if result.arm == arm for row in result.meter]
    return meter_verdict(rows) if rows else "none"


def arm_rows(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """One row a parameterisation and arm: success with its interval, paired difference, verdict, error, guidance."""
    rows = []
    for kind, mine in by_parameterization(results).items():
        judged = rolled_out(mine)
        gaps = {row.arm: row for row in differences(mine)} if judged else {}
        rates = {row.arm: row for row in summarise(mine)} if judged else {}
        for arm in dict.fromkeys(result.arm for result in mine):
            row: dict[str, Any] = {"policy": kind, "arm": arm}
            if judged:
                rate = rates[arm]
                row |= {
                    "success": f"{rate.successes} of {rate.trials}",
                    "rate %": round(100 * rate.rate, 1),
                    "95 % Wilson": f"{100 * rate.low:.1f} to {100 * rate.high:.1f}",
                    "to direct, points": f"{100 * gaps[arm].mean:+.1f}" if arm in gaps else "",
                    "95 % over seeds": _interval(gaps[arm]) if arm in gaps else "",
                    "verdict": gaps[arm].verdict if arm in gaps else "",
                }
            row |= {"held-out error": held_out_error(mine, arm), "guidance": guidance_verdict(mine, arm)}
            rows.append(row)
    return rows


def comparison_sentences(results: Sequence[RunResult]) -> list[str]:
    """One sentence an arm and parameterisation, each with interval, seeds and what the meter says."""
    lines = []
    for kind, mine in by_parameterization(results).items():
        if rolled_out(mine):
            for row in differences(mine):
                meter = guidance_verdict(mine, row.arm)
                lines.append(f"{kind}: {verdict(row)}" + (f" Guidance: {meter}." if meter != "none" else ""))
        else:
            lines.append(_errors(kind, mine))
    return lines


def bottom_line(results: Sequence[RunResult], robot: str) -> str:
    """The answer in one sentence a parameterisation: ATE against direct *and* against its random-encoder control."""
    answers = []
    for kind, mine in by_parameterization(results).items():
        if not rolled_out(mine):
            direct, ate, control = (held_out_error(mine, arm) for arm in (DIRECT, "ATE", "random encoder"))
            answers.append(
                f"{kind}: held-out error {direct:.3g} direct, {ate:.3g} with ATE, {control:.3g} with a random encoder; "
                "without a simulator there is no success to judge by"
            )
            continue
        to_direct = next(row for row in differences(mine) if row.arm == "ATE")
        pair = [result for result in mine if result.arm in ("ATE", "random encoder")]
        (to_control,) = differences(pair, baseline="random encoder")
        answers.append(
            f"{kind}: it {_WORDS[to_direct.verdict]} direct fine-tuning ({_points(to_direct)}) and "
            f"{_WORDS[to_control.verdict]} guidance by a random encoder ({_points(to_control)})"
        )
    return f"Does ATE help {robot} here? " + "; ".join(answers) + "."


def control_sentences(results: Sequence[RunResult]) -> list[str]:
    """Each form of guidance against its controls, one sentence a pair and parameterisation; none without rollouts."""
    lines = []
    for kind, mine in by_parameterization(results).items():
        arms = {result.arm for result in mine}
        pairs = [(form, control) for form, controls in CONTROLS.items() for control in controls]
        for form, control in pairs:
            if {form, control} <= arms and rolled_out(mine):
                (row,) = differences([r for r in mine if r.arm in (form, control)], baseline=control)
                lines.append(f"{kind}: {verdict(row)}")
    return lines


def grid_sentences(results: Sequence[RunResult]) -> list[str]:
    """What a λ × clamp grid says: counts of verdicts, and its ends, said to be the ends."""
    (kind, mine), *_ = by_parameterization(results).items()
    if not rolled_out(mine):
        return [_errors(kind, mine)]
    rows = differences(mine)
    count = {word: sum(row.verdict == word for row in rows) for word in ("helps", "hurts", "cannot tell")}
    best, worst = max(rows, key=lambda row: row.mean), min(rows, key=lambda row: row.mean)
    return [
        f"{kind}: of {len(rows)} cells {count['helps']} help, {count['hurts']} hurt, and for {count['cannot tell']} "
        "this budget cannot tell.",
        f"Highest of {len(rows)}, and so flattered by the choice: {verdict(best)}",
        f"Lowest of {len(rows)}: {verdict(worst)}",
    ]


def _errors(kind: str, results: Sequence[RunResult]) -> str:
    arms = dict.fromkeys(result.arm for result in results)
    parts = [f"{arm} {held_out_error(results, arm):.4g}" for arm in arms]
    guided = {arm: guidance_verdict(results, arm) for arm in arms if guidance_verdict(results, arm) != "none"}
    said = ", ".join(f"{arm} {meter}" for arm, meter in guided.items())
    return f"{kind}: mean held-out error {', '.join(parts)} (no simulator, against {DIRECT}). Guidance: {said}."


def _points(row: Difference) -> str:
    return f"{100 * row.mean:+.1f} points, 95 % interval {_interval(row)}"


def _interval(row: Difference) -> str:
    return f"{100 * row.low:+.1f} to {100 * row.high:+.1f}" if np.isfinite(row.low) else "none"
