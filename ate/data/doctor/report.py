"""The doctor's report: findings by joint or episode, episodes sorted by oddness, and the verdict over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ate.data.ledger import Ledger

PASS, WARN, FAIL = "PASS", "WARN", "FAIL"
LEVELS = (PASS, WARN, FAIL)
# Not a level: what could not be checked, with the reason, is neither good nor bad.
SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        level: `PASS`, `WARN` (look at it) or `FAIL` (do not train on it as it is); `SKIPPED` on a check of the
            diagnosis that could not be made.
        code: what was checked and, after a dot, what is wrong, e.g. `"units.degrees"`; of PASS the check alone. Codes
            are stable, wording is not.
        subject: what it is about: a joint, an episode, or `"all"`.
        got: what is there, with numbers and units.
        expected: what would be right.
        fix: what to do now; empty for PASS.
        joint: the joint's name where the finding is about one.
        episodes: names of the episodes concerned, the worst first; empty where it is all of them.
        exclude: whether leaving out `episodes` is a cure.
    """

    level: str
    code: str
    subject: str
    got: str
    expected: str = ""
    fix: str = ""
    joint: str = ""
    episodes: tuple[str, ...] = ()
    exclude: bool = False

    @property
    def check(self) -> str:
        """What was checked, e.g. `"units"`."""
        return self.code.partition(".")[0].replace("_", " ")

    def row(self) -> dict[str, str]:
        """The finding as a row of a table."""
        return {name: getattr(self, name) for name in ("level", "check", "subject", "got", "expected", "fix")}


@dataclass(frozen=True)
class Triage:
    """One episode compared with the others.

    Attributes:
        episode: its name.
        file: where it is.
        steps: its length.
        oddness: the largest of its measures, robust standard deviations from the median episode; infinite where the
            episode cannot be used at all.
        measures: robust deviations by name: length, jerk, stillness, end pose, largest step, repeated rows.
        reasons: what is odd, in words; empty for ordinary episodes.
    """

    episode: str
    file: str
    steps: int
    oddness: float
    measures: Mapping[str, float]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The doctor's report on one set.

    Attributes:
        path: what was examined.
        robot: the robot.
        source: the series, `"qpos"` or `"action"`.
        joint_names: its columns.
        findings: everything that was checked, the worst first.
        triage: every episode, the oddest first.
        ledger: what came in and what was kept.
        against: the path of the set it was compared with, empty for none.
    """

    path: str
    robot: str
    source: str
    joint_names: tuple[str, ...]
    findings: tuple[Finding, ...]
    triage: tuple[Triage, ...]
    ledger: Ledger
    against: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """The worst level of all findings."""
        return max((finding.level for finding in self.findings), key=LEVELS.index, default=PASS)

    def of(self, check: str) -> tuple[Finding, ...]:
        """The findings of one check."""
        return tuple(finding for finding in self.findings if finding.check == check)

    @property
    def exclude(self) -> dict[str, str]:
        """Episodes that the doctor would leave out, with the reason."""
        chosen: dict[str, str] = {}
        for finding in self.findings:
            if finding.exclude and finding.level != PASS:
                for name in finding.episodes:
                    chosen.setdefault(name, f"{finding.check}: {finding.got}")
        return chosen

    def rows(self, passed: bool = False) -> list[dict[str, str]]:
        """One row a cause for a table, the worst first; what passed only on request."""
        return [f.row() for f in self.grouped if passed or f.level != PASS]

    @cached_property
    def grouped(self) -> tuple[Finding, ...]:
        """The findings with those of one cause as one (`ate.data.doctor.grouping`)."""
        from ate.data.doctor.grouping import grouped

        return tuple(grouped(self.findings))

    def counts(self) -> dict[str, int]:
        """Rows a level."""
        return {level: sum(f.level == level for f in self.grouped) for level in LEVELS}


def merged(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows that differ in their subject alone, as one: eighteen padded joints are one line."""
    alike: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        key = tuple(value for name, value in row.items() if name != "subject")
        first = alike.get(key)
        alike[key] = {**row, "subject": f"{first['subject']}, {row['subject']}" if first else row["subject"]}
    return list(alike.values())
