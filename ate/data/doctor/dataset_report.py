"""Examined sets: what the doctor said of a set, beside its episodes, for the notebook that looks at data.

Everything here goes on where a set is dirty, because the notebook is there to show it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ate.data.doctor.report import Report
from ate.data.episodes import Episodes
from ate.data.formats.layout import Broken
from ate.data.loading import DataSet
from ate.errors import InputError
from ate.robots import Embodiment, Profile, available, profile, unify

# What a set is called by its role: that of the new robot.
ADAPT = "adaptation"


@dataclass(frozen=True)
class Examined:
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
        """The robot's profile: the one that was named, else the one of that name, if it knows all required joints."""
        return None if self.all is None else profile_of(self.all, self.data.robot)


def examine_set(data: DataSet, horizon: int, against: DataSet | None = None, prefix: str = "") -> Examined:
    """Ask the doctor about one robot's set.

    Args:
        data: the set.
        horizon: S, rows a chunk.
        against: the pre-training data to compare with, or None.
        prefix: what stands before its episodes' names in an exclude list.

    Raises:
        InputError: there is nothing to read, or a list names an episode that is not there.
    """
    from ate.data.doctor import examine

    report = examine(data, robot=data.robot, against=against, horizon=horizon)
    whole = replace(data, exclude=()).survey()
    label = whole.episodes.robot if whole.episodes else prefix.rstrip("/") or Path(data.path).name
    role = "" if against is None else f" ({ADAPT})"
    return Examined(f"{label}{role}", prefix, data, report, whole.episodes, whole.broken)


def examine_sets(data: DataSet, horizon: int) -> tuple[Examined, ...]:
    """Ask the doctor about a set, or about each set of a folder of robots; arguments and errors as `examine_set`."""
    children = data.children()
    return tuple(examine_set(child, horizon, prefix=f"{Path(child.path).name}/") for child in children) or (
        examine_set(data, horizon),
    )


def usable(sets: Sequence[Examined]) -> tuple[Episodes, ...]:
    """The episodes of each set that has any to draw.

    Raises:
        InputError: none has.
    """
    found = tuple(one.readable for one in sets if one.readable is not None)
    if not found:
        raise InputError(
            "no episode that can be read and is not left out",
            where=", ".join(one.data.path for one in sets),
            expected="at least one, to draw it",
            fix="mend what the verdict above names, or shorten the exclude list",
        )
    return found


def oddest(one: Examined) -> int:
    """The place among its readable episodes of the oddest one that the doctor measured; 0 where none was."""
    names = [stem(item.name) for item in one.readable or ()]
    for triage in sorted(one.report.triage, key=lambda t: -t.oddness):
        if stem(triage.episode) in names:
            return names.index(stem(triage.episode))
    return 0


def ledger_lines(sets: Sequence[Examined]) -> list[str]:
    """What came in and what was kept, set by set; of several sets only counts, layouts and drops."""
    if len(sets) == 1:
        return sets[0].report.ledger.lines()
    lines = []
    for one in sets:
        came, layout, *rest = one.report.ledger.lines()
        lines.append(f"{one.label}: {came} {layout[0].upper()}{layout[1:]}")
        lines += [f"{one.label}: {line}" for line in rest if line.startswith("dropped ")]
    return lines


def doctor_sentences(sets: Sequence[Examined]) -> list[str]:
    """The doctor's verdict on each set and what is left out of it, in sentences."""
    lines = []
    for one in sets:
        counts = one.report.counts()
        worst = [finding for finding in one.report.findings if finding.level == one.report.level]
        about = "" if one.report.level == "PASS" else f", first {worst[0].check} of {worst[0].subject}"
        lines.append(
            f"Doctor on {one.label}: {one.report.level} ({counts['FAIL']} FAIL, {counts['WARN']} WARN, "
            f"{counts['PASS']} PASS){about}."
        )
        if one.data.exclude:
            lines.append(f"Left out of {one.label}: {', '.join(one.data.exclude)}.")
    return lines


def profile_of(episodes: Episodes, robot: str = "") -> Profile | None:
    """The profile that was named, else the one called like the robot, if it knows a joint of these episodes."""
    name = robot or (episodes.robot if episodes.robot in available() else "")
    found = profile(name) if name else None
    return found if found and any(found.match(episodes.joint_names)) else None


def rdt_bodies(sets: Sequence[Examined]) -> tuple[Embodiment, ...]:
    """The robots in RDT's 128 slots; empty unless each has a profile that places all its columns."""
    shown = [one for one in sets if one.readable is not None]
    profiles = [one.profile for one in shown]
    if None in profiles:
        return ()
    try:
        return unify([one.readable for one in shown if one.readable], layout="rdt", profiles=profiles)
    except InputError:
        # A column without a place in that vector: the compact map shows it all the same.
        return ()


def stem(name: str) -> str:
    """An episode's name as exclude lists compare it."""
    return name.removesuffix(".hdf5").removesuffix(".h5").removesuffix(".npz").removesuffix(".csv")


def _reads(episodes: Episodes, index: int) -> bool:
    try:
        episodes.series(index)
    except InputError:
        return False
    return True
