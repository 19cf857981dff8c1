"""The examination: survey a path, gather its facts, run every check, sort what they find."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ate.data.doctor.checks import (
    against,
    chunking,
    clocks,
    constants,
    duplicates,
    files,
    frames,
    gripper,
    motion,
    names,
    outliers,
    quaternions,
    relation,
    scaling,
    shapes,
    stillness,
    units,
    values,
    zeros,
)
from ate.data.doctor.examined_set import ExaminedSet, profile_of
from ate.data.doctor.facts import gather
from ate.data.doctor.finding import FAIL, LEVELS, PASS, Finding
from ate.data.doctor.report import Report, Triage
from ate.data.episodes import Episodes
from ate.data.formats.layout import Broken
from ate.data.ledger import Ledger
from ate.data.loading import DataSet
from ate.data.units import joints_now
from ate.errors import InputError

Source = DataSet | Episodes | str | Path
_UNREADABLE = "files.unreadable"
# The path of a set, what of it can be used, what cannot, and the ledger.
Surveyed = tuple[str, Episodes | None, tuple[Broken, ...], Ledger]
# In the order of the report where levels are equal.
CHECKS = (
    files,
    values,
    zeros,
    shapes,
    clocks,
    names,
    units,
    scaling,
    gripper,
    constants,
    motion,
    stillness,
    relation,
    quaternions,
    duplicates,
    chunking,
)


def examine(data: Source, *, robot: str = "", against: Source | None = None, horizon: int = 16) -> Report:
    """Examine one set of demonstrations.

    Args:
        data: a path, a `DataSet` (which also says source, layout and what to leave out), or episodes already read.
        robot: name or file of the robot's profile; empty to look it up by the name in the files.
        against: the pre-training set or folder of sets to compare with; None for none.
        horizon: chunk length in steps.

    Returns:
        The report; episodes that cannot be read are findings in it.

    Raises:
        InputError: there is nothing to read, `robot` is unknown, or `horizon` is below 1.
    """
    return _examine(data, robot, _others(against), horizon)


def examine_sets(
    data: DataSet | str | Path, *, robot: str = "", against: Source | None = None, horizon: int = 16
) -> tuple[Report, ...]:
    """One report a set: of a folder of robots one each, else one.

    Raises:
        InputError: as `examine`.
    """
    whole = _data_set(data)
    others = _others(against)
    return tuple(_examine(item, robot, others, horizon) for item in whole.children() or (whole,))


def examine_study(pretrain: Sequence[DataSet], adapt: Sequence[DataSet], horizon: int = 16) -> tuple[Report, ...]:
    """The reports on the sets of a study, each read once: the pre-training robots', then the adaptation robots'.

    Args:
        pretrain: sets or folders of sets, one a robot.
        adapt: the adaptation robots' sets, each compared with these.
        horizon: chunk length in steps.

    Raises:
        InputError: as `examine`.
    """
    reports, others = [], []
    for item in (child for whole in pretrain for child in whole.children() or (whole,)):
        surveyed = _read(item, item.robot)
        examined = _examined_of(surveyed, item.robot, horizon, ())
        others += [examined] if examined is not None and examined.facts.summaries else []
        reports.append(_report(surveyed, item.robot, horizon, examined))
    for item in adapt:
        surveyed = _read(item, item.robot)
        examined = _examined_of(surveyed, item.robot, horizon, tuple(others))
        reports.append(_report(surveyed, item.robot, horizon, examined))
    return tuple(reports)


def _examine(data: Source, robot: str, others: tuple[ExaminedSet, ...], horizon: int) -> Report:
    if horizon < 1:
        raise InputError(str(horizon), where="horizon", expected="at least 1", fix="give a chunk length in steps")
    surveyed = _read(data, robot)
    return _report(surveyed, robot, horizon, _examined_of(surveyed, robot, horizon, others))


def _report(surveyed: Surveyed, robot: str, horizon: int, examined: ExaminedSet | None) -> Report:
    path, episodes, broken, ledger = surveyed
    findings = _broken(broken)
    lost = [Triage(b.name, str(b.path), 0, float("inf"), {}, (f"cannot be used: {b.error.got}",)) for b in broken]
    if episodes is None or examined is None:
        return Report(path, robot, "qpos", (), tuple(findings), tuple(lost), ledger)
    facts = examined.facts
    rows: tuple[Triage, ...] = ()
    if facts.summaries:
        rows = outliers.triage(examined)
        for module in CHECKS:
            findings += module.check(examined)
        findings += outliers.check(examined, rows)
        findings += against.check(examined)
        findings += frames.check(examined)
    else:
        findings += values.damaged(examined)
    findings.sort(key=lambda finding: -LEVELS.index(finding.level))
    readable = {summary.name for summary in facts.summaries}
    lost += [
        Triage(item.name, str(item.path), len(item), float("inf"), {}, ("cannot be read",))
        for item in episodes
        if item.name not in readable
    ]
    return Report(
        path,
        episodes.robot,
        episodes.source,
        episodes.joint_names,
        tuple(findings),
        (*lost, *rows),
        ledger,
        ", ".join(other.path for other in examined.against),
        {"profile": examined.robot, "sampled_rows": len(facts.rows), "stride": facts.stride, "horizon": horizon},
    )


def _data_set(data: DataSet | str | Path) -> DataSet:
    return data if isinstance(data, DataSet) else DataSet(str(data))


def _read(data: Source, robot: str) -> Surveyed:
    if isinstance(data, Episodes):
        return str(data[0].path.parent), data, (), data.ledger
    chosen = _data_set(data)
    children = chosen.children()
    if children:
        fix = "name one of its sub-folders, or call examine_sets"
        raise InputError(f"{len(children)} sets, one a robot", where=chosen.path, expected="one set", fix=fix)
    surveyed = replace(chosen, robot=robot or chosen.robot).survey()
    return chosen.path, surveyed.episodes, surveyed.broken, surveyed.ledger


def _others(data: Source | None) -> tuple[ExaminedSet, ...]:
    """The pre-training sets that can be read."""
    if data is None:
        return ()
    if isinstance(data, Episodes):
        return (_examined(str(data[0].path.parent), data, "", 1, ()),)
    chosen = _data_set(data)
    sets = []
    for item in chosen.children() or (chosen,):
        path, episodes, _, _ = _read(item, "")
        if episodes is not None:
            examined = _examined(path, episodes, item.robot, 1, ())
            sets += [examined] if examined.facts.summaries else []
    if not sets:
        fix = "run ate doctor on it first"
        raise InputError("no episode that can be read", where=chosen.path, expected="a pre-training set", fix=fix)
    return tuple(sets)


def _examined_of(surveyed: Surveyed, robot: str, horizon: int, others: tuple[ExaminedSet, ...]) -> ExaminedSet | None:
    path, episodes, _, _ = surveyed
    return None if episodes is None else _examined(path, episodes, robot, horizon, others)


def _examined(path: str, episodes: Episodes, robot: str, horizon: int, others: tuple[ExaminedSet, ...]) -> ExaminedSet:
    known = profile_of(episodes, robot)
    return ExaminedSet(path, episodes, gather(episodes), known, joints_now(episodes, known), horizon, others)


def _broken(broken: Sequence[Broken]) -> list[Finding]:
    """A finding for each cause: episodes that cannot be read, and are refused in the same words, are one."""
    causes: dict[tuple[str, ...], list[Broken]] = {}
    for item in broken:
        error = item.error
        own = "" if item.code == _UNREADABLE else item.name
        key = (item.code, error.got, error.expected, error.fix.replace(item.name, ""), own)
        causes.setdefault(key, []).append(item)
    findings = []
    for (code, got, expected, *_), items in causes.items():
        names, error = tuple(item.name for item in items), items[0].error
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        few = ", ".join(names[:8]) + ("" if len(names) <= 8 else ", …")
        fix = error.fix.replace(names[0], few)
        wrong = Finding(FAIL, code, f"{names[0]}{more}", f"{error.where}{more}: {got}", expected, fix)
        findings.append(replace(wrong, episodes=names, exclude=True))
    return findings or [Finding(PASS, "files", "all files", "every episode could be opened, all of one width")]
