"""Fact: the three things that a reader asks after the answer, each in a few words, from the headlines of a run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ate.data.doctor.finding import FAIL, LEVELS, PASS, WARN
from ate.experiments.answer import WEAK_BASE
from ate.experiments.methods import DIRECT, GUIDED, RETARGET, TOOL_SPACE
from ate.experiments.stats.comparisons import Verdict
from ate.runs.origin import Origin

# The level of a fact that nothing says anything about.
UNKNOWN = ""
NOT_RUN = "not examined"
# What a method needs, apart from demonstrations.
NEEDS = {
    RETARGET: "the kinematics of all robots",
    GUIDED: "the kinematics of all robots",
    TOOL_SPACE: "kinematics and a free choice of the action space",
}
_INSIDE, _PARTLY = "inside", "partly"


class Fact(NamedTuple):
    """One fact.

    Attributes:
        code: `"data"`, `"inside"` or `"method"`.
        question: that it answers.
        value: a few words.
        more: one short line.
        level: a level of the doctor, for the colour; `UNKNOWN` for none.
    """

    code: str
    question: str
    value: str
    more: str
    level: str


def facts(
    headlines: Mapping[str, Mapping[str, Any]], answer: Mapping[str, Any] | None, origin: Origin | None = None
) -> list[Fact]:
    """Whether the data are sound, whether the robot is inside the pre-training distribution, and which method is best.

    Args:
        headlines: of a run, by section.
        answer: `ate.experiments.answer.Answer.to_tree`, where there is one.
        origin: of the run: what the doctor found before training, for runs without notebook 01.
    """
    return [_data(headlines.get("01", {}), origin), _inside(headlines.get("02", {})), _method(answer)]


def _data(headline: Mapping[str, Any], origin: Origin | None) -> Fact:
    question = "Are the data sound?"
    findings = _rows(headline, "findings")
    if not findings and origin is not None and origin.failed:
        codes = ", ".join(dict.fromkeys(str(row["code"]) for row in origin.failed))
        return Fact("data", question, "no", f"FAIL, accepted: {codes}", FAIL)
    if not findings and origin is not None and origin.examined:
        return Fact("data", question, "no FAIL", "warnings: notebook 01 or ate doctor", PASS)
    if not findings:
        return Fact("data", question, NOT_RUN, "notebook 01 or ate doctor", UNKNOWN)
    count = {level: sum(row["level"] == level for row in findings) for level in LEVELS}
    worst = max((row["level"] for row in findings), key=LEVELS.index)
    value = {PASS: "yes", WARN: "look at warnings", FAIL: "no"}[worst]
    more = f"{count[FAIL]} FAIL, {count[WARN]} WARN in {headline.get('episodes', '?')} episodes"
    return Fact("data", question, value, more, worst)


def _inside(headline: Mapping[str, Any]) -> Fact:
    question = "Inside the pre-training distribution?"
    judged = _rows(headline, "judgements")
    if not judged:
        return Fact("inside", question, NOT_RUN, "notebook 02", UNKNOWN)
    best = max(judged, key=lambda row: (row["latents"] == _INSIDE, row["latents"].startswith(_PARTLY)))
    more = "; ".join(f"{row['alignment']}: {row['latents']}" for row in judged)
    level = PASS if best["latents"] == _INSIDE else WARN
    value = "yes" if all(row["latents"] == _INSIDE for row in judged) else best["latents"]
    if value == _INSIDE:
        value = f"yes, {best['alignment']}"
    return Fact("inside", question, value, more, level)


def _method(answer: Mapping[str, Any] | None) -> Fact:
    question = "Which method?"
    if answer is None:
        return Fact("method", question, NOT_RUN, "notebook 03 or ate compare", UNKNOWN)
    method, light = answer["method"], answer["light"]
    level = {Verdict.HELPS: PASS, Verdict.HURTS: FAIL}.get(light, WARN)
    if light == Verdict.HURTS:
        return Fact("method", question, DIRECT, f"{method}, the best of the others, hurts", level)
    if WEAK_BASE in answer.get("doubts", ()):
        return Fact("method", question, "cannot be judged", "the base policy fails on its own robots", level)
    more = f"needs {NEEDS[method]}" if method in NEEDS else answer["settle"]
    return Fact("method", question, method if light == Verdict.HELPS else f"not settled, {method} leads", more, level)


def _rows(headline: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    table = headline.get(name, {})
    if not isinstance(table, Mapping) or "rows" not in table:
        return []
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
