"""The doctor's report: findings by joint or episode, episodes sorted by oddness, and the verdict over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ate.data.doctor.finding import LEVELS, PASS, Finding
from ate.data.doctor.grouping import grouped
from ate.data.ledger import Ledger


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
