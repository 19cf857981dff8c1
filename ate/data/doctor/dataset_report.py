"""Data-set reports: the doctor's report on a set together with its episodes, for the notebook that inspects data.

Nothing here stops at bad episodes: the notebook is there to show them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ate.data.doctor.examination import examine
from ate.data.doctor.examined_set import profile_of
from ate.data.doctor.finding import PASS
from ate.data.doctor.report import Report
from ate.data.episodes import Episodes
from ate.data.formats.layout import Broken
from ate.data.loading import DataSet
from ate.data.survey import stem
from ate.errors import InputError
from ate.robots import Embodiment, Profile, unify

# The role of the adaptation robot's set, in labels.
ADAPT = "adaptation"


@dataclass(frozen=True)
class DatasetReport:
    """One robot's set with its report.

    Attributes:
        label: what to call it: the robot, or the folder where nothing could be read, and its role.
        prefix: what stands before its episodes' names in an exclude list: `"panda/"` in a folder of robots, else empty.
        data: where it is, and what is left out of it already.
        report: the doctor's report on what is not left out.
        all: every episode that has the set's width, left out or not; None where there is none.
        broken: episodes that cannot be used, left out or not.
    """

    label: str
    prefix: str
    data: DataSet
    report: Report
    all: Episodes | None
    broken: tuple[Broken, ...]

    @cached_property
    def readable(self) -> Episodes | None:
        """The episodes that are not left out and whose values are numbers; None where there is none."""
        if self.all is None:
            return None
        left_out = {stem(name) for name in self.data.exclude}
        kept = [i for i, item in enumerate(self.all) if stem(item.name) not in left_out and _reads(self.all, i)]
        return replace(self.all.select(kept), ledger=self.report.ledger) if kept else None

    @cached_property
    def profile(self) -> Profile | None:
        """The profile that was named, else the one called like the robot, if it knows a joint of the episodes."""
        known = None if self.all is None else profile_of(self.all, self.data.robot)
        return known if known and self.all and any(known.match(self.all.joint_names)) else None


def report_on(data: DataSet, horizon: int, against: DataSet | None = None, prefix: str = "") -> DatasetReport:
    """The report on one robot's set.

    Args:
        data: the set.
        horizon: S, rows a chunk.
        against: the pre-training data to compare with, or None.
        prefix: what stands before its episodes' names in an exclude list.

    Raises:
        InputError: there is nothing to read, or a list names an episode that is not there.
    """
    report = examine(data, robot=data.robot, against=against, horizon=horizon)
    whole = replace(data, exclude=()).survey()
    label = whole.episodes.robot if whole.episodes else prefix.rstrip("/") or Path(data.path).name
    role = "" if against is None else f" ({ADAPT})"
    return DatasetReport(f"{label}{role}", prefix, data, report, whole.episodes, whole.broken)


def reports_on(data: DataSet, horizon: int) -> tuple[DatasetReport, ...]:
    """The report on a set, or on each set of a folder of robots; arguments and errors as `report_on`."""
    children = data.children()
    if not children:
        return (report_on(data, horizon),)
    return tuple(report_on(child, horizon, prefix=f"{Path(child.path).name}/") for child in children)


def usable(sets: Sequence[DatasetReport]) -> tuple[Episodes, ...]:
    """The episodes of each set that has any to draw.

    Raises:
        InputError: none has.
    """
    readable = tuple(item.readable for item in sets if item.readable is not None)
    if not readable:
        got = "no episode that can be read and is not left out"
        expected, fix = "at least one, to draw it", "repair what the findings above name, or shorten the exclude list"
        raise InputError(got, where=", ".join(item.data.path for item in sets), expected=expected, fix=fix)
    return readable


def oddest(data: DatasetReport) -> int:
    """The place of the oddest measured episode among the readable ones; 0 where none was measured."""
    names = [stem(item.name) for item in data.readable or ()]
    for triage in sorted(data.report.triage, key=lambda t: -t.oddness):
        if stem(triage.episode) in names:
            return names.index(stem(triage.episode))
    return 0


def ledger_lines(sets: Sequence[DatasetReport]) -> list[str]:
    """What came in and what was kept, set by set; of several sets only counts, layouts and drops."""
    if len(sets) == 1:
        return sets[0].report.ledger.lines()
    lines = []
    for item in sets:
        came, layout, *rest = item.report.ledger.lines()
        lines.append(f"{item.label}: {came} {layout[0].upper()}{layout[1:]}")
        lines += [f"{item.label}: {line}" for line in rest if line.startswith("dropped ")]
    return lines


def doctor_sentences(sets: Sequence[DatasetReport]) -> list[str]:
    """The doctor's verdict on each set and what is left out of it, in sentences."""
    lines = []
    for item in sets:
        counts = item.report.counts()
        worst = [finding for finding in item.report.findings if finding.level == item.report.level]
        first = "" if item.report.level == PASS else f", first {worst[0].check} of {worst[0].subject}"
        lines.append(
            f"Doctor on {item.label}: {item.report.level} ({counts['FAIL']} FAIL, {counts['WARN']} WARN, "
            f"{counts['PASS']} PASS){first}."
        )
        if item.data.exclude:
            lines.append(f"Left out of {item.label}: {', '.join(item.data.exclude)}.")
    return lines


def rdt_bodies(sets: Sequence[DatasetReport]) -> tuple[Embodiment, ...]:
    """The robots in RDT's 128 slots; empty unless each has a profile that places all its columns."""
    shown = [(item.readable, item.profile) for item in sets if item.readable is not None]
    profiles = [known for _, known in shown]
    try:
        return () if None in profiles else unify([item for item, _ in shown], layout="rdt", profiles=profiles)
    except InputError:
        # A column without a place in that vector: the compact map shows it all the same.
        return ()


def _reads(episodes: Episodes, index: int) -> bool:
    try:
        episodes.series(index)
    except InputError:
        return False
    return True
