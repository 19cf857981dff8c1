"""CSV: one table an episode, a column a joint; with a header, or without one where a robot's profile names the columns.

A column `time`, `t` or `timestamp` (seconds) gives the rate; columns `action_…` or `action.…` are the action.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ate.data.episodes import Episode
from ate.data.formats import table
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, check_matrix, listed
from ate.data.formats.table import Rows, Table
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

if TYPE_CHECKING:
    from ate.robots.profile import Profile

NAME = "csv"
EXPECTS = "tables with a header that names the joints, or without one and with the robot named"
SUFFIXES = (".csv",)
_TIMES = ("time", "t", "timestamp")
_ACTIONS = ("action_", "action.")
# Enough rows to tell the time step.
_TIMED = 2000


def looks(path: Path) -> str | None:
    """What makes this the csv layout, or None."""
    files = listed(path, SUFFIXES)
    return f"{len(files)} csv file{'s' if len(files) > 1 else ''}" if files else None


def index(path: Path, source: str, body: "Profile | None" = None) -> Iterator[Episode | Broken]:
    """Every table of a folder: lines are counted, numbers are read later.

    Args:
        path: a folder or a file.
        source: `"qpos"` or `"action"`.
        body: the robot's profile, which names the columns of tables without a header.
    """
    for file in listed(path, SUFFIXES):
        try:
            yield _episode(file, source, body)
        except InputError as error:
            yield Broken(file.stem, file, error)


def _episode(file: Path, source: str, body: "Profile | None") -> Episode:
    found = table.scan(file)
    names = _names(found, file, body)
    clock = next((i for i, name in enumerate(names) if found.header and name.lower() in _TIMES), None)
    commanded = [i for i, name in enumerate(names) if found.header and name.lower().startswith(_ACTIONS)]
    measured = [i for i in range(len(names)) if i != clock and i not in commanded]
    qpos = _series(file, found, names, measured)
    check_matrix(qpos.shape, np.dtype(np.float64), str(file))
    series = {"qpos": qpos}
    action = _series(file, found, names, commanded) if commanded else None
    left = pair(series, {"action": action}, source, str(file))
    attributes: dict[str, object] = {"joint_names": tuple(names[i] for i in measured)}
    if commanded:
        attributes["action_names"] = tuple(names[i][len(_ACTIONS[0]) :] for i in commanded)
    if clock is not None:
        attributes |= _rate(file, found, names, clock)
    if not found.header and body is not None:
        attributes["robot"] = body.name
    missing = () if commanded else ("action_…",)
    return Episode(file.stem, file, series, attributes, Keys(tuple(names), missing, tuple(left)))


def _series(file: Path, found: Table, names: tuple[str, ...], columns: list[int]) -> Series:
    picked = tuple(columns)
    where = f"{file}, columns {', '.join(names[i] for i in picked)}" if len(picked) < 9 else str(file)
    return Series((found.rows, len(picked)), where, Rows(file, found, names, picked))


def _rate(file: Path, found: Table, names: tuple[str, ...], clock: int) -> dict[str, float]:
    seconds = Rows(file, found, names, (clock,))(0, min(found.rows, _TIMED))
    steps = np.diff(seconds[:, 0])
    steps = steps[np.isfinite(steps)]
    median = float(np.median(steps)) if len(steps) else 0.0
    return {"rate_hz": round(1.0 / median, 3)} if median > 1e-6 else {}


def _names(found: Table, file: Path, body: "Profile | None") -> tuple[str, ...]:
    if found.header:
        if len(set(found.first)) < len(found.first) or "" in found.first:
            odd = next(name for name in found.first if not name or found.first.count(name) > 1)
            raise InputError(
                f"the column name {odd!r:.60} {'twice' if odd else 'without text'}",
                where=f"{file}, first line",
                expected="a name of its own for each column",
                fix="name the columns after the joints",
            )
        return found.first
    if body is None:
        raise InputError(
            f"{len(found.first)} columns of numbers without names",
            where=f"{file}, first line",
            expected="a header that names the joints",
            fix="write a first line with the joints' names, or name the robot whose columns these are (robot=…, "
            "--robot)",
        )
    if len(found.first) != len(body.joint_names):
        raise InputError(
            f"{len(found.first)} columns",
            where=f"{file}, first line",
            expected=f"{len(body.joint_names)}, the joints of profile {body.name}: {', '.join(body.joint_names)}",
            fix="name the profile of the robot that was recorded, or write a header",
        )
    return body.joint_names
