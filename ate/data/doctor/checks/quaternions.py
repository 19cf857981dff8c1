"""Quaternions: their sign must not flip from step to step."""

from collections.abc import Iterator

from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.quaternions import Quaternions
from ate.data.doctor.report import FAIL, PASS, WARN, Finding


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Sign flips within episodes, and starts of opposite sign between episodes."""
    for series, quaternions in data.facts.quaternions.items():
        for start in quaternions.starts:
            names = data.names[start : start + 4] if series == data.episodes.source else ()
            subject = f"{series!r} columns {start}–{start + 3}" + (f" ({', '.join(names)})" if names else "")
            yield _finding(data, subject, series, quaternions, start, names[0] if names else "")


def _finding(data: ExaminedSet, subject: str, series: str, quaternions: Quaternions, start: int, joint: str) -> Finding:
    flips = quaternions.flips[start]
    if flips:
        names = tuple(dict.fromkeys(name for name, _ in flips))
        # A companion series is not trained on; a flip in the chosen one is a jump of up to 2 in the target.
        level = FAIL if series in (data.episodes.source, "state") else WARN
        return Finding(
            level,
            "quaternions.flips",
            subject,
            f"the sign flips {len(flips)} times in {len(names)} episodes, the first in {names[0]} at row {flips[0][1]}",
            "neighbouring rows with a positive product",
            "negate each row whose product with the row before is negative, or record a 6-D rotation",
            joint=joint,
            episodes=names,
        )
    first = quaternions.first[start]
    opposite = tuple(name for name, value in first if value @ first[0][1] < 0)
    if opposite:
        return Finding(
            WARN,
            "quaternions.start_sign",
            subject,
            f"{len(opposite)} of {len(first)} episodes start with the opposite sign of {first[0][0]}",
            "one sign for like poses",
            "negate these episodes' quaternions, or record a 6-D rotation",
            joint=joint,
            episodes=opposite,
        )
    return Finding(PASS, "quaternions", subject, f"no sign flips in {len(first)} episodes", joint=joint)
