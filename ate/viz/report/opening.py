"""Opening: the question that a notebook begins with, and the answer of its run, which is put there when it ends."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ate.data.doctor.finding import FAIL, PASS, WARN
from ate.experiments.answer import ANSWER
from ate.experiments.stats.comparisons import Verdict
from ate.viz.report.fact import facts

# By the number of the notebook; other sections have no opening.
QUESTIONS: Mapping[str, str] = {
    "01": "Are these recordings fit to train on?",
    "02": "Do the new robot's action chunks lie inside the latents of the pre-training robots, and do the same there?",
    "03": "Does a method beat direct fine-tuning on the new robot?",
    "04": "Which λ helps, on training seeds that the search has not seen?",
}
PENDING = "The answer will stand here when all cells have run."
# What the doctor's verdict asks for.
_NEXT = {
    PASS: "Go on with notebook 02.",
    WARN: "Look at what is named before training.",
    FAIL: "Mend what is named, or leave it out.",
}


class Opening(NamedTuple):
    """A question with its answer.

    Attributes:
        question: in one sentence.
        answer: in one or two.
        level: of the doctor, for the colour; empty for none.
    """

    question: str
    answer: str
    level: str


def opening(key: str, numbers: Mapping[str, Any], verdict: Sequence[str]) -> Opening | None:
    """The opening of a section that has ended; None where it has none.

    Args:
        key: of the section.
        numbers: of its headline.
        verdict: its sentences.
    """
    if key not in QUESTIONS:
        return None
    if ANSWER in numbers:
        given = numbers[ANSWER]
        level = {Verdict.HELPS: PASS, Verdict.HURTS: FAIL}.get(given["light"], WARN)
        return Opening(given["question"], f"{given['sentence']} {given['settle']}", level)
    data, inside, _ = facts({key: numbers}, None)
    if key == "01":
        return Opening(QUESTIONS[key], f"{_sentence(data.value)}: {data.more}. {_NEXT.get(data.level, '')}", data.level)
    if key == "02":
        return Opening(QUESTIONS[key], f"{_sentence(inside.more)}.", inside.level)
    return Opening(QUESTIONS[key], verdict[-1] if verdict else PENDING, "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
