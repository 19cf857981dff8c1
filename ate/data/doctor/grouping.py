"""Grouping: findings of one cause as one, so that seven joints in degrees are a row, and counts are counts of rows."""

from collections.abc import Sequence
from dataclasses import replace

from ate.data.doctor.finding import PASS, Finding

# What the joints of a group have in common, where the code has it in a word.
CAUSES = {
    "units.degrees": "in degrees",
    "units.ticks": "in servo ticks",
    "units.radians": "in radians",
    "units.sign": "turned round",
    "units.turn": "whole turns outside their limits",
    "units.limits": "beyond their limits",
    "units.unknown": "in no known unit",
    "motion.wraps": "that wrap around",
    "motion.turns_apart": "whole turns apart between episodes",
    "motion.jumps": "with jumps",
    "motion.clipped": "cut off",
    "constants.near": "nearly constant",
    "constants.noise": "of noise",
    "relation.scale": "with commands on another scale",
    "relation.copy": "with commands that are copies",
}
# Joints whose numbers are written out.
MOST_SHOWN = 3


def grouped(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with those of one level and code as one, at the place of the first.

    Findings below PASS about single joints become one that counts and names them; others become one where they differ
    in their subject alone.
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        alike = finding.level != PASS and finding.joint
        rest = () if alike else (finding.got, finding.expected, finding.fix)
        groups.setdefault((finding.level, finding.code, bool(alike), *rest), []).append(finding)
    return [_one(group) for group in groups.values()]


def _one(group: Sequence[Finding]) -> Finding:
    first = group[0]
    # A joint may have two findings of a kind, such as episodes a turn above and others a turn below.
    joints = list(dict.fromkeys(finding.joint for finding in group))
    subject = ", ".join(dict.fromkeys(finding.subject for finding in group))
    if len(group) == 1 or len({(finding.got, finding.fix) for finding in group}) == 1:
        return replace(first, subject=subject, joint=first.joint if len(joints) == 1 else "")
    shown = [f"{finding.subject} {finding.got}" for finding in group[:MOST_SHOWN]]
    more = f"; and {len(group) - MOST_SHOWN} more" if len(group) > MOST_SHOWN else ""
    cause = f" {CAUSES[first.code]}" if first.code in CAUSES else ""
    count = f"{len(joints)} joints" if len(joints) > 1 else joints[0]
    fixes = dict.fromkeys(_of_each(finding) for finding in group)
    if len(fixes) > 1:
        # What is to be done differs: each fix names its joint.
        fixes = dict.fromkeys(finding.fix for finding in group)
    return replace(
        first,
        subject=subject,
        got=f"{count}{cause}: {'; '.join(shown)}{more}",
        expected="; ".join(dict.fromkeys(finding.expected for finding in group[:MOST_SHOWN])),
        fix="; ".join(fixes) if len(fixes) <= MOST_SHOWN else "; ".join([*list(fixes)[:MOST_SHOWN], "and so on"]),
        joint=joints[0] if len(joints) == 1 else "",
        episodes=tuple(dict.fromkeys(name for finding in group for name in finding.episodes)),
        exclude=all(finding.exclude for finding in group),
    )


def _of_each(finding: Finding) -> str:
    """The fix without the joint's own name: one sentence for all of the group."""
    words = finding.fix.split(" ")
    return " ".join(_each(word, finding.joint) for word in words)


def _each(word: str, joint: str) -> str:
    plain = word.rstrip(",;:.")
    return f"each of them{word[len(plain) :]}" if plain == joint else word
