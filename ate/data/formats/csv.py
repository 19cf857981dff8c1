"""CSV: one table an episode, a column a joint; with a header, or without one where a robot's profile names the columns.

A column that is called like a clock (`time`, `timestamp_ms`, …) gives the rate; columns `action_…` or
`action.…` are the action.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ate.data.clock import Clock, is_clock, split
from ate.data.episodes import Episode
from ate.data.formats import table
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, check_matrix, counted, each_file, timed
from ate.data.formats.table import Rows, Table
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

if TYPE_CHECKING:
    from ate.robots.profile import Profile

NAME = "csv"
EXPECTS = "tables with a header that names the joints, or without one and with the robot named"
SUFFIXES = (".csv",)
_ACTIONS = ("action_", "action.")


def looks(path: Path) -> str | None:
    """What makes this the csv layout, or None."""
    return counted(path, SUFFIXES, NAME)


def index(path: Path, source: str, profile: "Profile | None" = None) -> Iterator[Episode | Broken]:
    """Every table of a folder: lines are counted, numbers are read later.

    Args:
        path: a folder or a file.
        source: `"qpos"` or `"action"`.
        profile: the robot's profile, which names the columns of tables without a header.
    """
    return each_file(path, SUFFIXES, lambda file: [_episode(file, source, profile)])


def _episode(file: Path, source: str, profile: "Profile | None") -> Episode:
    head = table.scan(file)
    names = _names(head, file, profile)
    clocks = [i for i, name in enumerate(names) if head.header and is_clock(name)]
    commanded = [i for i, name in enumerate(names) if head.header and name.lower().startswith(_ACTIONS)]
    measured = [i for i in range(len(names)) if i not in clocks and i not in commanded]
    qpos = _series(file, head, names, measured)
    check_matrix(qpos.shape, np.dtype(np.float64), str(file))
    series = {"qpos": qpos}
    action = _series(file, head, names, commanded) if commanded else None
    left = pair(series, {"action": action}, source, str(file))
    attributes: dict[str, object] = {"joint_names": tuple(names[i] for i in measured)}
    if commanded:
        attributes["action_names"] = tuple(names[i][len(_ACTIONS[0]) :] for i in commanded)
    used = list(split(names) or clocks[:1]) if clocks else []
    clock = Clock(names[used[0]], _series(file, head, names, used)) if used else None
    attributes |= timed(clock)
    if not head.header and profile is not None:
        attributes["robot"] = profile.name
    missing = () if commanded else ("action_…",)
    left += [names[i] for i in clocks if i not in used]
    found = (*(name for i, name in enumerate(names) if i not in clocks), *([clock.label] if clock else ()))
    return Episode(file.stem, file, series, attributes, Keys(found, missing, tuple(left)), clock=clock)


def _series(file: Path, head: Table, names: tuple[str, ...], columns: list[int]) -> Series:
    picked = tuple(columns)
    where = f"{file}, columns {', '.join(names[i] for i in picked)}" if len(picked) < 9 else str(file)
    return Series((head.rows, len(picked)), where, Rows(file, head, names, picked))


def _names(head: Table, file: Path, profile: "Profile | None") -> tuple[str, ...]:
    if head.header:
        if len(set(head.first)) < len(head.first) or "" in head.first:
            odd = next(name for name in head.first if not name or head.first.count(name) > 1)
            got = f"the column name {odd!r:.60} {'twice' if odd else 'without text'}"
            fix = "name the columns after the joints"
            raise InputError(got, where=f"{file}, first line", expected="a name of its own for each column", fix=fix)
        return head.first
    if profile is None:
        raise InputError(
            f"{len(head.first)} columns of numbers without names",
            where=f"{file}, first line",
            expected="a header that names the joints",
            fix="write a first line with the joints' names, or name the robot whose columns these are (robot=…, "
            "--robot)",
        )
    if len(head.first) != len(profile.joint_names):
        raise InputError(
            f"{len(head.first)} columns",
            where=f"{file}, first line",
            expected=f"{len(profile.joint_names)}, the joints of profile {profile.name}: "
            f"{', '.join(profile.joint_names)}",
            fix="name the profile of the robot that was recorded, or write a header",
        )
    return profile.joint_names
