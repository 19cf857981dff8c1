"""Alert: what makes the results of a run doubtful, as lines for the top of the report, notebooks and the console."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ate.data.doctor.finding import FAIL, WARN
from ate.experiments.answer import ANSWER, WEAK_BASE
from ate.experiments.answer import BLIND as BLIND_POLICY
from ate.experiments.observability import BLIND
from ate.runs.directory import INSPECTED, RunDirectory
from ate.runs.origin import USED, sentences

ACCEPTED, STALE, MIXED, BLINDED, BASE, SMOKE = "accepted", "stale", "mixed", "blind", "base", "smoke"
# Settings in which sections of one run have to agree.
SHARED = ("profile", "horizon", "align", "seed")


@dataclass(frozen=True)
class Alert:
    """One line.

    Attributes:
        level: `FAIL` is shown in red, `WARN` in amber.
        code: what it is about, e.g. `SMOKE`.
        text: the line.
        details: sentences below it.
    """

    level: str
    code: str
    text: str
    details: tuple[str, ...] = ()


TINY = Alert(
    WARN, SMOKE, "Trained at profile smoke: seconds of training that show that everything runs, and nothing else."
)


def alerts(run: RunDirectory) -> list[Alert]:
    """What is doubtful about a run, red before amber."""
    cards, headlines, origin, stale = run.cards(), run.headlines(), run.origin, stale_sections(run)
    lines = []
    if origin is not None and origin.accepted:
        lines.append(Alert(FAIL, ACCEPTED, "Accepted although the doctor calls it FAIL", _brief(origin.accepted)))
    shown = [headline.get(ANSWER, {}) for key, headline in headlines.items() if key not in stale]
    doubts = {doubt for answer in shown for doubt in answer.get("doubts", ())}
    if WEAK_BASE in doubts:
        lines.append(
            Alert(FAIL, BASE, "A base policy fails on its own robots: whether a method helps cannot be judged.")
        )
    if BLIND_POLICY in doubts:
        lines.append(Alert(WARN, BLINDED, BLIND))
    left_out = tuple(f"{key} ({command})" for key, command in stale.items())
    if left_out:
        text = "Sections are left out, because they were made from other episodes than this run uses now."
        lines.append(Alert(WARN, STALE, text, left_out))
    configs = {key: card.get("config", {}) for key, card in cards.items() if key not in stale}
    mixed = [name for name in SHARED if len({str(c[name]) for c in configs.values() if name in c}) > 1]
    if mixed:
        text = f"Sections were made with different settings: {', '.join(mixed)}. Run all notebooks again with the same."
        lines.append(Alert(WARN, MIXED, text))
    if any(config.get("profile") == "smoke" for config in configs.values()):
        lines.append(TINY)
    return lines


def _brief(accepted: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each set and code of accepted findings: the first, and how many there are like it."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in accepted:
        groups.setdefault((row["set"], row["code"]), []).append(row)
    lines = []
    for first, *others in groups.values():
        subject = f"{first['subject']}{f' and {len(others)} more' if others else ''}"
        lines += sentences([{**first, "subject": subject}])
    return tuple(lines)


def stale_sections(run: RunDirectory) -> dict[str, str]:
    """Sections of other episodes than the run uses now, with the commands that make them again.

    Notebook 01 shows episodes whether they are left out or not.
    """
    origin = run.origin
    if origin is None:
        return {}
    cards: Mapping[str, Mapping[str, Any]] = run.cards()
    used = {key: card.get("made_from", {}).get(USED, origin.episodes) for key, card in cards.items()}
    return {
        key: str(cards[key].get("command"))
        for key, episodes in used.items()
        if key != INSPECTED and episodes != origin.episodes
    }
