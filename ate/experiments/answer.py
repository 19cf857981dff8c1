"""Answer: what a comparison says, as a reader needs it first: a question, a light, a sentence, what would settle it.

The light is that of the form that did best: the one that is shown to help for most policies, then by its mean
difference. Its verdict has paid for all methods of the comparison (Holm), so the choice does not flatter it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ate.data.episodes import Episodes
from ate.experiments.base_policy import ENOUGH, BaseSuccess
from ate.experiments.held_out import ERRORS_ALONE, relative_differences
from ate.experiments.methods import CONTROLS, DIRECT, FORMS, GUIDED, GUIDED_DEMONSTRATIONS, RETARGET, TOOL_SPACE
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import EFFECT, Difference, Verdict, differences, summarise
from ate.experiments.stats.power import seeds_needed
from ate.experiments.summary import budget, by_condition, rolled_out
from ate.robots.profile import title_of
from ate.runs.tables import signed

# The key of an answer in a headline.
ANSWER = "answer"
# What makes an answer doubtful, by code.
BLIND, WEAK_BASE = "blind", "weak base policy"
# What to do with a method that helps.
NEXT: Mapping[str, str] = {
    RETARGET: "Write the data set for your trainer: ate retarget.",
    GUIDED: "Fine-tune with it: ate steer.",
    GUIDED_DEMONSTRATIONS: "Fine-tune with it: ate steer.",
    TOOL_SPACE: "Let the policy act in tool motion: docs/which-method.md.",
}


@dataclass(frozen=True)
class Answer:
    """What a comparison says.

    Attributes:
        question: what was asked, with robot and task.
        light: a `Verdict`.
        sentence: the answer, at most 25 words.
        others: the same method with the other policies, each with its difference, or empty.
        settle: what would settle it, or what to do next.
        method: that the answer is about.
        budget: demonstrations, steps, seeds and rollouts.
        doubts: `BLIND`, `WEAK_BASE`.
    """

    question: str
    light: str
    sentence: str
    others: str
    settle: str
    method: str
    budget: str
    doubts: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "light": str(self.light), "doubts": list(self.doubts)}


def answer_of(
    results: Sequence[RunResult], adapt: Episodes, bases: Sequence[BaseSuccess] = (), blind: bool = False
) -> Answer:
    """The answer of a comparison.

    Args:
        results: of one comparison, with direct fine-tuning and at least another method.
        adapt: the adaptation robot's episodes.
        bases: the base policies on their own robots.
        blind: whether policies see joints alone.
    """
    task = f" at {adapt.task}" if adapt.task else ""
    question = f"Does a method beat direct fine-tuning{task} on {title_of(adapt.robot)}?"
    against = _against(results)
    method = _best(against, rolled_out(results))
    rows = {kind: row[method] for kind, row in against.items() if method in row}
    light = _light(against, method)
    kind = _shown(rows, light)
    weak = [base for base in bases if not base.judges]
    doubts = (*([BLIND] if blind else []), *([WEAK_BASE] if weak else []))
    others = "; ".join(f"{name} {_points(row, results)}, {row.verdict}" for name, row in rows.items() if name != kind)
    if weak:
        least = min(weak, key=lambda base: base.total.rate)
        return Answer(
            question,
            Verdict.CANNOT_TELL,
            f"Cannot judge: the base policy succeeds in only {least.total.rate:.0%} of rollouts on its own robots, so "
            "it has little to hand over.",
            "",
            f"Train the base policy longer, with pretrain_steps, until it succeeds in {ENOUGH:.0%}.",
            method,
            budget(results),
            doubts,
        )
    row = rows[kind]
    sentence = _sentence(by_condition(results)[kind], row, light) + f" for the {kind} policy."
    settle = _settle(row, results) if light != Verdict.HELPS else _next(method)
    return Answer(question, light, sentence, others, settle, method, budget(results), doubts)


def leading(results: Sequence[RunResult]) -> str:
    """The method that the answer is about: it helps most policies, hurts fewest, and is best in the mean.

    Args:
        results: as `answer_of`.
    """
    return _best(_against(results), rolled_out(results))


def _against(results: Sequence[RunResult]) -> dict[str, dict[str, Difference]]:
    """Differences to direct by condition and method; the forms alone, or all methods where there is none of them."""
    rows = {}
    for kind, group in by_condition(results).items():
        compared = differences(group) if rolled_out(group) else relative_differences(group)
        forms = [row for row in compared if row.method in FORMS]
        controls = {control for names in CONTROLS.values() for control in names}
        rows[kind] = {row.method: row for row in forms or [r for r in compared if r.method not in controls] or compared}
    return rows


def _best(against: Mapping[str, Mapping[str, Difference]], higher: bool) -> str:
    """The method that helps most policies, hurts fewest, and is best in the mean; `higher` is better, or lower."""
    rows: dict[str, list[Difference]] = {}
    for condition in against.values():
        for row in condition.values():
            rows.setdefault(row.method, []).append(row)

    def rank(method: str) -> tuple[int, int, float]:
        verdicts = [row.verdict for row in rows[method]]
        mean = float(np.mean([row.mean for row in rows[method]])) * (1 if higher else -1)
        return verdicts.count(Verdict.HELPS), -verdicts.count(Verdict.HURTS), mean

    return max(rows, key=rank)


def _light(against: Mapping[str, Mapping[str, Difference]], method: str) -> Verdict:
    """Helps where it helps some policy and hurts none; hurts where the best of all methods hurts and helps none."""
    verdicts = {row[method].verdict for row in against.values() if method in row}
    if Verdict.HELPS in verdicts and Verdict.HURTS not in verdicts:
        return Verdict.HELPS
    if Verdict.HURTS in verdicts and Verdict.HELPS not in verdicts:
        return Verdict.HURTS
    return Verdict.CANNOT_TELL


def _shown(rows: Mapping[str, Difference], light: Verdict) -> str:
    """The condition that the sentence is about: of those with the light's verdict the weakest."""
    own = [kind for kind, row in rows.items() if row.verdict == light] or list(rows)
    return min(own, key=lambda kind: abs(rows[kind].mean))


def _sentence(group: Sequence[RunResult], row: Difference, light: Verdict) -> str:
    name = f"{row.method[0].upper()}{row.method[1:]}"
    head = f"{name} {light}" if light != Verdict.CANNOT_TELL else f"Cannot tell whether {row.method} helps"
    if not rolled_out(group):
        return f"{head}: held-out error {_points(row, group)} against direct fine-tuning"
    rates = {summary.method: summary.rate for summary in summarise(group)}
    pair = f"{rates[row.method]:.0%} of rollouts succeed, {rates[DIRECT]:.0%} with direct fine-tuning"
    return f"{head}: {pair}, {_points(row, group)}"


def _points(row: Difference, results: Sequence[RunResult]) -> str:
    """A difference with its interval."""
    unit = " points" if rolled_out(results) else "%"
    ends = (
        f"95% interval {_signed(row.low)} to {_signed(row.high)}"
        if np.isfinite(row.low)
        else "no interval from one seed"
    )
    return f"{_signed(row.mean)}{unit} ({ends})"


def _settle(row: Difference, results: Sequence[RunResult]) -> str:
    if not rolled_out(results):
        return f"{ERRORS_ALONE} To narrow the interval, raise seeds (now {len(row.by_seed)}) or held_out."
    if row.verdict is Verdict.HURTS:
        return "Keep direct fine-tuning, or see why: docs/checks.md."
    if row.spread is None or not row.spread.known:
        return "To settle it, set seeds (now 1) to 3 or more: one seed has no interval."
    sizes = dict.fromkeys((abs(row.mean), EFFECT) if abs(row.mean) > EFFECT else (EFFECT,))
    counts = [(size, seeds_needed(row.spread, size, row.comparisons)) for size in sizes]
    parts = [
        f"{'more than 1,000' if count is None else f'about {count}'} if the true gain is {100 * size:.0f} points"
        for size, count in counts
    ]
    return f"To settle it, set seeds (now {len(row.by_seed)}) to {', '.join(parts)}."


def _next(method: str) -> str:
    return NEXT.get(method, "Fine-tune with it: ate steer.")


def _signed(share: float) -> str:
    return signed(100 * share, ".0f")
