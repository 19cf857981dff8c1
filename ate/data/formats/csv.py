"""CSV: tables with a header, a column a joint; without one where a robot's profile names the columns.

A column that is called like a clock (`ate.data.clock`) gives the rate; columns such as `action_…`, `cmd_…` or
`target_…` are the action; velocities, forces and the like are left out (`ate.robots.headings`). A table is one episode,
or one a number in its column `episode`, one a flag in its column `done`, or one a count of its column `step`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ate.data.clock import Clock, is_clock, split
from ate.data.episodes import Episode
from ate.data.formats import table
from ate.data.formats.companions import pair
from ate.data.formats.episode_ends import Part, by_flag, by_number, by_step, named
from ate.data.formats.layout import Broken, check_matrix, counted, each_file, listed, timed
from ate.data.formats.table import Rows, Table
from ate.data.formats.table_columns import Columns
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError
from ate.robots.headings import CLOCK, END, EPISODE, STEP

if TYPE_CHECKING:
    from ate.robots.profile import Profile

NAME = "csv"
EXPECTS = "tables with a header that names the joints, or without one and with the robot named"
SUFFIXES = (".csv",)


def looks(path: Path) -> str | None:
    """What makes this the csv layout, or None."""
    return counted(path, SUFFIXES, NAME)


def index(
    path: Path, source: str, profile: "Profile | None" = None, joints: Sequence[str] = ()
) -> Iterator[Episode | Broken]:
    """Every table of a folder: lines are counted, numbers are read later.

    Args:
        path: a folder or a file.
        source: `"qpos"` or `"action"`.
        profile: the robot's profile, which names the columns of tables without a header.
        joints: names of columns that are joints, whatever else their names tell.
    """
    many = len(listed(path, SUFFIXES)) > 1
    return each_file(path, SUFFIXES, lambda file: _episodes(file, source, profile, joints, many))


def _episodes(
    file: Path, source: str, profile: "Profile | None", joints: Sequence[str], many: bool
) -> Iterator[Episode]:
    head = table.scan(file)
    names = _names(head, file, profile)
    columns = Columns.of(names, joints, table.written(file, head)) if head.header else Columns.of(names, names)
    if not columns.joints:
        got = f"columns {', '.join(names)[:500]}"
        fix = f"name the joints after what they are, or say which columns they are, --joints {','.join(names[:2])}"
        raise InputError(got, where=f"{file}, first line", expected="measured positions of joints", fix=fix)
    parts = _parts(file, head, names, columns)
    clock = _clock(names, columns)
    loose = tuple(i for i in columns.left if i not in clock)
    for number, part in enumerate(parts):
        name = file.stem if len(parts) == 1 else f"{file.stem}_" * many + named(part, number)
        yield _episode(Piece(file, head, names, part, loose), name, source, columns, profile)


@dataclass(frozen=True)
class Piece:
    """Rows of a table that are one episode; columns `loose` may hold text."""

    file: Path
    head: Table
    names: tuple[str, ...]
    part: Part
    loose: tuple[int, ...]

    def series(self, columns: Sequence[int]) -> Series:
        """Some columns of it."""
        picked = tuple(columns)
        file, names = self.file, self.names
        where = f"{file}, columns {', '.join(names[i] for i in picked)}" if len(picked) < 9 else str(file)
        rows = Rows(file, self.head, names, picked, self.part.start, self.loose)
        return Series((self.part.stop - self.part.start, len(picked)), where, rows)


def _episode(piece: Piece, name: str, source: str, columns: Columns, profile: "Profile | None") -> Episode:
    file, names = piece.file, piece.names
    qpos = piece.series(columns.joints)
    check_matrix(qpos.shape, np.dtype(np.float64), str(file))
    series = {"qpos": qpos}
    left = pair(series, {"action": piece.series(columns.commands) if columns.commands else None}, source, str(file))
    attributes: dict[str, object] = {"joint_names": tuple(names[i] for i in columns.joints)}
    if columns.commands:
        attributes["action_names"] = columns.command_names
    stamps = _clock(names, columns)
    clock = Clock(names[stamps[0]], piece.series(stamps)) if stamps else None
    attributes |= timed(clock)
    if not piece.head.header and profile is not None:
        attributes["robot"] = profile.name
    left += [f"{names[i]} ({kind})" for i, kind in columns.left.items() if i not in stamps]
    used = [n for i, n in enumerate(names) if i not in columns.left] + ([clock.label] if clock else [])
    keys = Keys(tuple(used), () if columns.commands else ("action_…",), tuple(left))
    return Episode(name, file, series, attributes, keys, clock=clock)


def _clock(names: Sequence[str], columns: Columns) -> tuple[int, ...]:
    """The column of time stamps, or those of seconds and the nanoseconds after them; none where there is none."""
    known = [i for i in columns.of_kind(CLOCK) if is_clock(names[i])]
    return (split(names) or tuple(known[:1])) if known else ()


def _parts(file: Path, head: Table, names: Sequence[str], columns: Columns) -> list[Part]:
    """The episodes of a table."""
    whole = [Part(0, head.rows)]

    def cells(column: int) -> list[str]:
        return table.texts(file, head, column)

    for column in columns.of_kind(EPISODE):
        return by_number(cells(column), f"{file}, column {names[column]!r}")
    for column in columns.of_kind(END):
        flags = np.array([_flagged(cell) for cell in cells(column)])
        # A flag that stays on after the end, or is on everywhere, ends nothing.
        if 0 < flags.sum() < len(flags) / 2:
            return by_flag([flags], head.rows)
    for column in columns.of_kind(STEP):
        try:
            return by_step(np.array(cells(column), float))
        except ValueError:
            continue
    return whole


def _flagged(cell: str) -> bool:
    try:
        return float(cell) != 0
    except ValueError:
        return cell.lower() in ("true", "yes", "t", "y")


def _names(head: Table, file: Path, profile: "Profile | None") -> tuple[str, ...]:
    if head.header:
        if head.first[0] == "" and "index" not in head.first:
            # As pandas writes its index.
            head = replace(head, first=("index", *head.first[1:]))
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
