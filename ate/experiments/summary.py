"""Summary: results as table rows and as sentences, with and without a simulator."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ate.data.episodes import Episodes
from ate.data.placements import is_placed
from ate.experiments.base_policy import BaseSuccess
from ate.experiments.held_out import error_difference, errors_against_direct, held_out_error
from ate.experiments.methods import CONTROLS, DIRECT, FORMS, MethodSpec
from ate.experiments.observability import BLIND
from ate.experiments.results import Regime, RunResult
from ate.experiments.stats.bootstrap import Estimate, interquartile_mean, two_level
from ate.experiments.stats.comparisons import Difference, Verdict, differences, improvement, summarise, verdict
from ate.experiments.stats.pairing import gaps, outcomes
from ate.experiments.stats.selection import confirmation_sentence, searched
from ate.experiments.stats.variance_components import PAIRED
from ate.policies.noise import in_words
from ate.robots.profile import title_of
from ate.runs.tables import signed
from ate.steer.guidance_config import GuidanceConfig
from ate.steer.meter import meter_verdict

# Below both nothing follows: fine-tuning has just begun, and a rate is known to within 15 points at best.
FEW_STEPS, FEW_ROLLOUTS = 100, 40
TOO_SMALL = " (too small to mean anything)"


def by_condition(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Results that may be compared with each other, in order of first appearance.

    The name is the parameterisation in words, with demonstrations and steps where the results differ in them.
    """
    groups: dict[Regime, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.regime, []).append(result)
    several = [len(set(values)) > 1 for values in zip(*groups, strict=True)]
    named = {}
    for (kind, demonstrations, steps), group in groups.items():
        words = [f"{demonstrations} demonstrations"] * several[1] + [f"{steps} steps"] * several[2]
        named[", ".join([in_words(kind), *words])] = group
    return named


def rolled_out(results: Sequence[RunResult]) -> bool:
    """Whether there are rollouts to judge by, or open-loop errors only."""
    return all(len(result.success) > 0 for result in results)


def budget(results: Sequence[RunResult]) -> str:
    """What results of one regime share, in words: `"25 demonstrations, 80 steps, 4 training seeds × 100 rollouts"`.

    Sizes from which nothing follows, as at profile smoke, are labelled so.
    """
    first, seeds = results[0], len({result.seed for result in results})
    rollouts = f"× {len(first.success)} rollouts" if rolled_out(results) else "without a simulator"
    size = f"{first.demonstrations} demonstrations, {first.steps} steps, {seeds} training seeds {rollouts}"
    return size + (TOO_SMALL if first.steps < FEW_STEPS and seeds * len(first.success) < FEW_ROLLOUTS else "")


def comparison_numbers(results: Sequence[RunResult], guidance: GuidanceConfig) -> dict[str, Any]:
    """Numbers of the headline of a comparison: what the methods share, and λ and clamp."""
    return {
        "demonstrations": results[0].demonstrations,
        "steps": results[0].steps,
        "training_seeds": len({result.seed for result in results}),
        "lambda": guidance.lam,
        "clamp": str(guidance.clamp),
    }


def method_options(methods: Sequence[MethodSpec]) -> list[dict[str, Any]]:
    """One row a method: where it starts, what it acts in, its replay, encoder and guidance."""
    return [
        {
            "method": method.name,
            "starts from": method.start,
            "acts in": method.space,
            "replay": "none" if method.replay == "none" else f"{method.replay}, share {method.share:.2g}",
            "encoder": method.encoder,
            "guidance": method.guidance.label() if method.guidance.lam else "none (λ = 0)",
        }
        for method in methods
    ]


def guidance_verdict(results: Sequence[RunResult], method: str) -> str:
    """What the meter says of a method over all its seeds; `"none"` for a method without guidance."""
    rows = [dict(row) for result in results if result.method == method for row in result.meter]
    return meter_verdict(rows) if rows else "none"


def method_rows(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """One row a condition and method.

    Success has its Wilson interval and the interquartile mean over seeds. The paired difference to direct has its t
    interval over training seeds and rollout seeds, and that of the two-level bootstrap. Then come the probability of
    improvement, the verdict, the held-out error and what the meter says of the guidance.
    """
    rows = []
    for kind, group in by_condition(results).items():
        judged = rolled_out(group)
        compared = {row.method: row for row in differences(group)} if judged else {}
        for method in dict.fromkeys(result.method for result in group):
            row: dict[str, Any] = {"policy": kind, "method": method}
            if judged:
                row |= _success(group, method) | _compared(group, compared.get(method))
            elif method != DIRECT:
                gap = error_difference(group, method)
                row |= {"error minus direct": float(f"{gap.mean:.3g}"), "95 % interval": gap.interval}
            row |= {"held-out error": held_out_error(group, method), "guidance": guidance_verdict(group, method)}
            rows.append(row)
    return rows


def _success(results: Sequence[RunResult], method: str) -> dict[str, Any]:
    (rate,) = summarise([result for result in results if result.method == method])
    return {
        "success": f"{rate.successes} of {rate.trials}",
        "rate %": round(100 * rate.rate, 1),
        "95 % Wilson": f"{100 * rate.low:.1f} to {100 * rate.high:.1f}",
        "IQM % of seeds": _estimate(interquartile_mean(rate.by_seed), "{:.1f}", 100),
    }


def _compared(results: Sequence[RunResult], row: Difference | None) -> dict[str, Any]:
    """Difference to the baseline in every form, or empty texts for the baseline itself."""
    names = ("to direct, points", "95 % interval", "95 % bootstrap", "P(improvement)", "verdict")
    if row is None:
        return dict.fromkeys(names, "")
    tables = outcomes([result for result in results if result.method in (row.method, row.baseline)])
    drawn = two_level(gaps(tables, row.method, row.baseline), PAIRED)
    values = (
        signed(100 * row.mean),
        _interval(row),
        f"{signed(100 * drawn.low)} to {signed(100 * drawn.high)}" if drawn.known else "none",
        _estimate(improvement(row.by_seed), "{:.2f}"),
        row.verdict,
    )
    return dict(zip(names, values, strict=True))


def comparison_sentences(results: Sequence[RunResult]) -> list[str]:
    """One sentence a method and parameterisation, each with interval, seeds and what the meter says."""
    lines = []
    for kind, group in by_condition(results).items():
        if not rolled_out(group):
            lines.append(_errors(kind, group))
            continue
        for row in differences(group):
            meter = guidance_verdict(group, row.method)
            lines.append(f"{kind}: {verdict(row)}" + (f" Guidance: {meter}." if meter != "none" else ""))
    return lines


def kinematics_sentence(sets: Sequence[Episodes]) -> str:
    """Whether the kinematics of all robots are known, and what to give where they are not."""
    unknown = [episodes.robot for episodes in sets if not is_placed(episodes)]
    if not unknown:
        return "The kinematics of all robots are known: every method applies."
    return (
        f"Tool motion does not say all of {', '.join(unknown)}: what needs it is left out. Give each robot's URDF or "
        "MJCF (robot=arm.urdf), or identify it from recorded tool poses (ate identify); write fingers as one opening "
        "(ate convert --gripper)."
    )


def base_rows(bases: Sequence[BaseSuccess]) -> list[dict[str, Any]]:
    """One row a base policy: success on each of its own robots and on all, and whether transfer can be judged."""
    return [
        {
            "base policy": base.name,
            **{row.robot: f"{row.rate:.0%}" for row in base.rows},
            "all": f"{base.total.rate:.0%}",
            "95 % Wilson": "{:.0%} to {:.0%}".format(*base.total.interval),
            "transfer can be judged": "yes" if base.judges else "no",
        }
        for base in bases
    ]


def bottom_line(
    results: Sequence[RunResult], robot: str, bases: Sequence[BaseSuccess] = (), blind: bool = False
) -> str:
    """The answer, one sentence a parameterisation: what helps against direct fine-tuning, and each against its control.

    A form whose control does as well does not help by what it is called after. Where a base policy fails on its own
    robots, that comes first.

    Args:
        results: of one comparison.
        robot: its name or profile.
        bases: the base policies on their own robots.
        blind: whether policies see joints alone, which then comes first of all.
    """
    answers = []
    for kind, group in by_condition(results).items():
        methods = list(dict.fromkeys(result.method for result in group))
        forms = [method for method in FORMS if method in methods]
        kind = f"{kind[0].upper()}{kind[1:]}"
        if not rolled_out(group):
            answers.append(f"{kind}: {errors_against_direct(group, forms)}")
            continue
        against, rates = {row.method: row for row in differences(group)}, {r.method: r.rate for r in summarise(group)}
        parts = [f"direct {rates[DIRECT]:.0%}"]
        for form in forms:
            judged = _judged(against[form])
            for control in CONTROLS.get(form, ()):
                if control in methods:
                    pair = [result for result in group if result.method in (form, control)]
                    (row,) = differences(pair, baseline=control)
                    judged += f"; against its control, {control}: {_judged(row)}"
            parts.append(f"{form} {rates[form]:.0%} ({judged})")
        answers.append(f"{kind}: {', '.join(parts)}")
    first = "" if all(base.judges for base in bases) else "Cannot judge: a base policy fails on its own robots. "
    measure = (
        "Success, and points above direct with 95 % intervals. "
        if rolled_out(results)
        else "Without a simulator: held-out error, and its difference to that of direct with a 95 % interval. "
    )
    first = f"{BLIND} {first}" if blind else first
    return f"{first}What moves the policy to {title_of(robot)}? {measure}{'. '.join(answers)}."


def control_sentences(results: Sequence[RunResult]) -> list[str]:
    """Each form of guidance against its controls, one sentence a pair and parameterisation; none without rollouts."""
    lines = []
    for kind, group in by_condition(results).items():
        methods = {result.method for result in group}
        for form, control in ((form, control) for form, controls in CONTROLS.items() for control in controls):
            if {form, control} <= methods and rolled_out(group):
                (row,) = differences([r for r in group if r.method in (form, control)], baseline=control)
                lines.append(f"{kind}: {verdict(row)}")
    return lines


def grid_sentences(results: Sequence[RunResult], validated: Sequence[RunResult] | None = None) -> list[str]:
    """What a λ × clamp grid says: counts of verdicts, its ends, said to be the ends, and what held-out seeds say.

    Args:
        results: the grid with its λ = 0 method; methods that are no candidates (controls) are not counted as cells.
        validated: winner and λ = 0 with training seeds that the grid has not seen; None where there are none.
    """
    lines = []
    held_out = by_condition(validated or [])
    for kind, group in by_condition(results).items():
        if not rolled_out(group):
            lines.append(_errors(kind, group))
            continue
        rows = searched(group)
        lines += _search(kind, rows) if len(rows) > 1 else [f"{kind}: {verdict(rows[0])}"]
        # Names of one condition may differ between the two: they depend on what else there is.
        same = [other for other in held_out.values() if other[0].regime == group[0].regime]
        lines += [confirmation_sentence(group, other) for other in same]
    return lines


def _search(kind: str, rows: Sequence[Difference]) -> list[str]:
    count = Counter(row.verdict for row in rows)
    best, worst = max(rows, key=lambda row: row.mean), min(rows, key=lambda row: row.mean)
    return [
        f"{kind}: of {len(rows)} cells {count[Verdict.HELPS]} help, {count[Verdict.HURTS]} hurt, and for "
        f"{count[Verdict.CANNOT_TELL]} this budget cannot tell.",
        f"Highest of {len(rows)}, so its difference is overestimated: {verdict(best)}",
        f"Lowest of {len(rows)}: {verdict(worst)}",
    ]


def _errors(kind: str, results: Sequence[RunResult]) -> str:
    methods = list(dict.fromkeys(result.method for result in results))
    errors = errors_against_direct(results, [method for method in methods if method != DIRECT])
    meters = {method: guidance_verdict(results, method) for method in methods}
    acting = ", ".join(f"{method} {meter}" for method, meter in meters.items() if meter != "none")
    return f"{kind}: mean held-out error {errors} (no simulator). Guidance: {acting}."


def _judged(row: Difference) -> str:
    return f"{signed(100 * row.mean)}, {_interval(row)}, {row.verdict}"


def _interval(row: Difference) -> str:
    return f"{signed(100 * row.low)} to {signed(100 * row.high)}" if np.isfinite(row.low) else "none"


def _estimate(estimate: Estimate, form: str, scale: float = 1.0) -> str:
    value, low, high = (form.format(scale * number) for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})" if estimate.known else value
