"""Statistics: Wilson intervals for success, paired differences with intervals over seeds and rollouts, a verdict.

Rollouts of one trained policy are not independent evidence about a method; training seeds are. Differences are formed
rollout by rollout within a seed (same demonstrations, batches, noise and start situation). The interval is over
training seeds and start situations (`ate.experiments.stats.variance_components`). Of m methods against one baseline the
verdicts share the error rate (Holm 1979): "helps" of any method that does nothing comes up in at most one sweep of
twenty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from ate.errors import InputError, unknown
from ate.experiments.results import RunResult
from ate.experiments.stats.bootstrap import Estimate
from ate.experiments.stats.pairing import gaps, outcomes
from ate.experiments.stats.power import EFFECT, POWER, detectable, seeds_needed
from ate.experiments.stats.score_interval import bounded
from ate.experiments.stats.variance_components import PAIRED, SINGLE, Spread, crossed, interval, p_value
from ate.runs.tables import signed

# What a learning curve can be over.
AXES = ("demonstrations", "steps")
ERROR_RATE = 0.05


class Verdict(StrEnum):
    """What a difference of success settles at an error rate."""

    HELPS = "helps"
    HURTS = "hurts"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class MethodSummary:
    """Success of one method.

    Attributes:
        method: its name.
        successes: rollouts that succeeded, all seeds together.
        trials: rollouts.
        rate: share, in [0, 1].
        low: lower end of the 95 % Wilson interval (treats rollouts as independent).
        high: upper end.
        by_seed: success rate of each training seed.
        closest: median closest distance of tool and object, metres; NaN where the simulator does not say.
    """

    method: str
    successes: int
    trials: int
    rate: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    closest: float


@dataclass(frozen=True)
class Difference:
    """A method against a baseline, paired by training seed and rollout seed, in shares of success.

    Attributes:
        method: its name.
        baseline: the other's.
        mean: mean paired difference.
        low: lower end of its 95 % interval over training seeds and rollout seeds: t, or score where t leaves [−1, 1].
        high: upper end.
        by_seed: the differences by training seed.
        verdict: at an error rate shared by `comparisons`.
        comparisons: how many comparisons the verdict pays for (Holm).
        p: two-sided p of this difference alone.
        adjusted: p times what it pays for the others; the verdict is below 0.05.
        spread: where the uncertainty comes from; None where it was not kept.
    """

    method: str
    baseline: str
    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    verdict: Verdict
    comparisons: int = 1
    p: float = 1.0
    adjusted: float = 1.0
    spread: Spread | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One method at one number of demonstrations or steps.

    Attributes:
        method: its name.
        at: the number.
        rate: success, share of rollouts over all training seeds.
        low: lower end of its 95 % t interval over training seeds and rollout seeds, in [0, 1].
        high: upper end.
        seeds: training seeds.
        difference: to the baseline at the same number; None for the baseline, or where it is missing.
    """

    method: str
    at: int
    rate: float
    low: float
    high: float
    seeds: int
    difference: Difference | None


def wilson(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a success rate (Wilson 1927); half successes count as such."""
    # Imported here: most of the package compares nothing.
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, trials, 1 - confidence, method="wilson")
    # The ends where all or none succeed are exact; rounding is not.
    return (0.0 if successes == 0 else float(low)), (1.0 if successes == trials else float(high))


def summarise(results: Sequence[RunResult]) -> list[MethodSummary]:
    """One summary a method, in order of first appearance.

    Raises:
        InputError: results without rollouts.
    """
    summaries = []
    for method, table in outcomes(results).items():
        flat = np.concatenate(list(table.values()))
        successes, trials = int(flat.sum()), len(flat)
        low, high = wilson(successes, trials)
        by_seed = tuple(float(row.mean()) for row in table.values())
        near = np.concatenate([r.closest for r in results if r.method == method])
        closest = float(np.median(near)) if len(near) else math.nan
        summaries.append(MethodSummary(method, successes, trials, successes / trials, low, high, by_seed, closest))
    return summaries


def paired(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean and t interval of paired differences over seeds; infinite with fewer than two.

    Where all differences agree to the last bit the t interval has no width; that is no certainty, so the
    interval then spans everything as well.
    """
    mean = float(np.mean(values))
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, float("-inf"), float("inf")
    half = float(stats.sem(values) * stats.t.ppf((1 + confidence) / 2, len(values) - 1))
    return mean, mean - half, mean + half


def differences(results: Sequence[RunResult], baseline: str = "direct", methods: int | None = None) -> list[Difference]:
    """Every other method against the baseline, paired by training seed and rollout seed.

    Args:
        results: runs of all methods.
        baseline: name of the method to compare with.
        methods: how many comparisons share the error rate: at least the number of methods to compare, more where others
            were looked at, or 1 for comparisons that were each decided on beforehand. None is the number of methods,
            so that "helps" of the best of many cells pays for the choice.

    Raises:
        InputError: no run of the baseline, a method whose seeds or rollouts differ from the baseline's, too few
            `methods`.
    """
    tables = outcomes(results)
    names = [name for name in tables if name != baseline]
    family = max(len(names), 1) if methods is None else methods
    if family != 1 and family < len(names):
        got, expected = f"{family} for {len(names)} methods", f"{len(names)} or more, or 1"
        raise InputError(got, where="comparisons that share the error rate", expected=expected, fix="leave it out")
    pairs = {name: gaps(tables, name, baseline) for name in names}
    tested = [crossed(pair, PAIRED) for pair in pairs.values()]
    alone = [p_value(mean, spread) for mean, spread in tested]
    rows = []
    judgements = zip(pairs.items(), tested, alone, holm(alone, family), strict=True)
    for (name, pair), (mean, spread), p, adjusted in judgements:
        low, high = bounded(pair, spread)
        judged = Verdict.CANNOT_TELL if adjusted >= ERROR_RATE else Verdict.HELPS if mean > 0 else Verdict.HURTS
        by_seed = tuple(float(gap) for gap in pair.mean(1))
        rows.append(Difference(name, baseline, mean, low, high, by_seed, judged, family, p, adjusted, spread))
    return rows


def holm(alone: Sequence[float], family: int) -> list[float]:
    """p values adjusted for the family (Holm 1979); comparisons not among them count as if they showed nothing.

    Args:
        alone: two-sided p of each comparison.
        family: how many comparisons share the error rate, at least as many as there are.
    """
    if family == 1 or not alone:
        return list(alone)
    from statsmodels.stats.multitest import multipletests

    missing = [1.0] * (family - len(alone))
    adjusted = multipletests([*alone, *missing], method="holm")[1]
    return [float(p) for p in adjusted[: len(alone)]]


def improvement(by_seed: Sequence[float]) -> Estimate:
    """Probability that a training seed does better with the method than without, ties half; Wilson interval over seeds.

    Args:
        by_seed: paired differences by training seed.
    """
    wins = float(np.sum(np.greater(by_seed, 0)) + np.sum(np.equal(by_seed, 0)) / 2)
    return Estimate(wins / len(by_seed), *wilson(wins, len(by_seed)))


def curve(results: Sequence[RunResult], over: str = "demonstrations", baseline: str = "direct") -> list[CurvePoint]:
    """Success over demonstrations or over steps, one point a method and number, methods in order, numbers ascending.

    The verdicts of all differences together share the error rate: a curve is as many looks as it has points.

    Args:
        results: runs that differ in method, training seed, and the number that the curve is over.
        over: `"demonstrations"` or `"steps"`.
        baseline: name of the method to compare with.

    Raises:
        InputError: another axis, no rollouts, runs that differ in more, or seeds that are not those of the baseline.
    """
    if over not in AXES:
        raise unknown(over, AXES, where="axis of a learning curve")
    at: dict[int, list[RunResult]] = {}
    for result in results:
        at.setdefault(getattr(result, over), []).append(result)
    tables = {number: outcomes(own) for number, own in at.items()}
    looks = sum(len(table) - 1 for table in tables.values() if baseline in table)
    points = []
    for number, own in sorted(at.items()):
        rows = differences(own, baseline, max(looks, 1)) if baseline in tables[number] else []
        against = {row.method: row for row in rows}
        for method, table in tables[number].items():
            mean, spread = crossed(np.stack(list(table.values())), SINGLE)
            low, high = np.clip(interval(mean, spread), 0, 1)
            points.append(CurvePoint(method, number, mean, float(low), float(high), len(table), against.get(method)))
    order = list(dict.fromkeys(result.method for result in results))
    return sorted(points, key=lambda point: (order.index(point.method), point.at))


def verdict(row: Difference, effect: float = EFFECT) -> str:
    """The comparison in one sentence: interval, seeds, verdict, and where it cannot tell the budget that would."""
    points = f"{row.method} against {row.baseline}: {signed(100 * row.mean)} points"
    if not np.isfinite(row.low):
        count = "one training seed gives" if len(row.by_seed) == 1 else f"{len(row.by_seed)} training seeds give"
        return f"{points}; {count} no interval: cannot tell."
    each = f" × {row.spread.rollouts} rollouts" if row.spread else ""
    paid = f", p = {row.adjusted:.2g} after Holm over {row.comparisons} comparisons" if row.comparisons > 1 else ""
    ends = f"95 % interval {signed(100 * row.low)} to {signed(100 * row.high)}"
    text = f"{points} ({ends}, {len(row.by_seed)} paired seeds{each}{paid}): {row.verdict}"
    if row.verdict is not Verdict.CANNOT_TELL or row.spread is None:
        return f"{text}."
    return f"{text} with this budget. {_would_settle(row.spread, effect, row.comparisons)}"


def _would_settle(spread: Spread, effect: float, comparisons: int) -> str:
    """What the budget sees, and what an effect of the given size would need."""
    sees, needed = detectable(spread, comparisons), seeds_needed(spread, effect, comparisons)
    reach = "no effect, however large," if sees is None else f"effects from {100 * sees:.0f} points on"
    text = f"It shows {reach} with {100 * POWER:.0f} % power; {100 * effect:.0f} points would need "
    text += "more than 1,000 seeds" if needed is None else f"about {needed} seeds"
    if comparisons > 1:
        alone = seeds_needed(spread, effect)
        text += ", or for this method alone " + ("as many" if alone is None else f"about {alone} new ones")
    return f"{text}, by the spread seen."
