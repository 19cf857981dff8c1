"""ROS: tables of joint states, as `rostopic echo -p`, bagpy, PlotJuggler and Foxglove write them (csv).

Joints are named by the message's own names, not by their place; velocities and efforts are left out; positions that a
controller wished for are the action. Source: sensor_msgs/JointState, control_msgs/JointTrajectoryControllerState, and
the documentation of these programs.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ate.data.clock import Clock, split
from ate.data.episodes import Episode
from ate.data.formats import table
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, check_matrix, each_file, listed, timed
from ate.data.formats.table import Rows, Table
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "ros"
EXPECTS = "tables of /joint_states (rostopic echo -p, bagpy, PlotJuggler, Foxglove), one csv an episode"
SUFFIXES = (".csv",)
# `field.position0`, `position_0`, `/joint_states.position[0]`; and `/joint_states/shoulder/position`.
_NUMBERED = re.compile(r"(?P<above>.*?)(?:^|[./])(?P<what>name|joint_names|positions?)[_\[]?(?P<number>\d+)\]?")
_NAMED = re.compile(r"(?P<above>/.*)/(?P<joint>[^/]+)/positions?")
_WISHED = re.compile(r"desired|reference|command|goal|target", re.IGNORECASE)
_OTHER = re.compile(r"error|output|velocit|effort", re.IGNORECASE)
_CLOCKS = ("%time", "__time", "Time", "receive_time")
_HEADERS = re.compile(r"(?:^|[./])header[./]?(?:seq|stamp|frame_id)")
# Rows whose names are compared.
_COMPARED = 200


@dataclass(frozen=True)
class Joints:
    """Columns of a table that are positions.

    Attributes:
        columns: of measured positions, in the order of the table.
        names: of these joints.
        wished: columns of commanded positions.
        wished_names: of these.
    """

    columns: tuple[int, ...]
    names: tuple[str, ...]
    wished: tuple[int, ...]
    wished_names: tuple[str, ...]


def looks(path: Path) -> str | None:
    """What makes these tables ROS's, or None."""
    for file in listed(path, SUFFIXES)[:1]:
        try:
            head = table.scan(file)
        except InputError:
            return None
        marks = [name for name in head.first if name in _CLOCKS or _HEADERS.search(name) or name.startswith("/")]
        positions = [name for name in head.first if _is_position(name)]
        if head.header and marks and positions:
            return f"columns {marks[0]!r} and {positions[0]!r} in {file.name}"
    return None


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every table of a folder: lines are counted, numbers are read later."""
    return each_file(path, SUFFIXES, lambda file: [_episode(file, source)])


def _episode(file: Path, source: str) -> Episode:
    head = table.scan(file)
    joints = _joints(file, head)
    series = {"qpos": _series(file, head, joints.columns)}
    check_matrix(series["qpos"].shape, np.dtype(np.float64), str(file))
    action = _series(file, head, joints.wished) if joints.wished else None
    left = pair(series, {"action": action}, source, str(file))
    known: dict[str, object] = {"joint_names": joints.names}
    if joints.wished:
        known["action_names"] = joints.wished_names
    clock, stamps = _clock(file, head)
    used = {*joints.columns, *joints.wished, *stamps}
    left += [name for i, name in enumerate(head.first) if i not in used]
    taken = (*(head.first[i] for i in (*joints.columns, *joints.wished)), *([clock.label] if clock else ()))
    keys = Keys(taken, () if joints.wished else ("desired",), tuple(left))
    return Episode(file.stem, file, series, {**known, **timed(clock)}, keys, clock=clock)


def _clock(file: Path, head: Table) -> tuple[Clock | None, tuple[int, ...]]:
    """The time stamps of the rows, and their columns: of the message's receipt, else of its header."""
    received = next(((i,) for i, name in enumerate(head.first) if name in _CLOCKS), None)
    stamps = received or split(head.first)
    if stamps is None:
        return None, ()
    where = f"{file}, column {head.first[stamps[0]]!r}"
    rows = Series((head.rows, len(stamps)), where, _numbers(file, head, stamps), exact=True)
    return Clock(head.first[stamps[0]], rows), stamps


def _joints(file: Path, head: Table) -> Joints:
    positions = [i for i, name in enumerate(head.first) if head.header and _is_position(name)]
    if not positions:
        got, fix = f"columns {', '.join(head.first)[:500]}", "name the layout csv, or export /joint_states"
        raise InputError(got, where=f"{file}, first line", expected="positions of joints", fix=fix)
    listed = _listed(file, head)
    names = {i: _name(head.first[i], listed) for i in positions}
    wished = tuple(i for i in positions if _WISHED.search(_above(head.first[i])))
    # Where a table has only what was commanded, that is what there is.
    measured = tuple(i for i in positions if i not in wished) or wished
    wished = () if measured == wished else wished
    for group in (measured, wished):
        if len({names[i] for i in group}) < len(group):
            names |= {i: head.first[i] for i in group}
    return Joints(measured, tuple(names[i] for i in measured), wished, tuple(names[i] for i in wished))


def _series(file: Path, head: Table, columns: tuple[int, ...]) -> Series:
    return Series((head.rows, len(columns)), f"{file}, positions", _numbers(file, head, columns))


def _numbers(file: Path, head: Table, columns: tuple[int, ...]) -> Rows:
    """Reads these columns; the others may hold text, as the names of joints are."""
    return Rows(file, head, head.first, columns, loose=tuple(i for i in range(len(head.first)) if i not in columns))


def _is_position(name: str) -> bool:
    numbered = _NUMBERED.fullmatch(name)
    wanted = (numbered and numbered["what"].startswith("position")) or _NAMED.fullmatch(name)
    return bool(wanted) and not _OTHER.search(_above(name))


def _above(name: str) -> str:
    match = _NUMBERED.fullmatch(name) or _NAMED.fullmatch(name)
    return match["above"] if match else ""


def _name(column: str, listed: dict[int, str]) -> str:
    named = None if _NUMBERED.fullmatch(column) else _NAMED.fullmatch(column)
    if named:
        return named["joint"]
    numbered = _NUMBERED.fullmatch(column)
    return listed.get(int(numbered["number"]), column) if numbered else column


def _listed(file: Path, head: Table) -> dict[int, str]:
    """Number of a joint → its name, from the cells of the columns of names.

    Raises:
        InputError: the names change from row to row.
    """
    places: dict[int, int] = {}
    for i, column in enumerate(head.first):
        match = _NUMBERED.fullmatch(column)
        if match and not match["what"].startswith("position"):
            places.setdefault(int(match["number"]), i)
    listed_in = next(
        (i for i, name in enumerate(head.first) if re.split(r"[./]", name)[-1] in ("name", "joint_names")), None
    )
    if not places and listed_in is None:
        return {}
    first: list[str] = []
    for number, cells in enumerate(_rows(file, head)):
        if places:
            here = [cells[i] if i < len(cells) else "" for _, i in sorted(places.items())]
        else:
            here = re.findall(r"[\w/.-]+", cells[listed_in or 0]) if (listed_in or 0) < len(cells) else []
        first = first or here
        if here != first:
            raise InputError(
                f"joints {', '.join(here)}",
                where=f"{file}, row {number}",
                expected=f"{', '.join(first)}, as in the first row: several nodes publish to this topic",
                fix="record the topic of one publisher, or keep the rows of one of them",
            )
    numbers = sorted(places) if places else range(len(first))
    return {number: name for number, name in zip(numbers, first, strict=True) if name}


def _rows(file: Path, head: Table) -> Iterator[Sequence[str]]:
    """Cells of the first rows, as they are written."""
    with file.open("rb") as stream:
        stream.seek(head.marks[0])
        lines = [line.decode("utf-8", "replace").strip("\r\n") for line in islice(stream, _COMPARED)]
    yield from csv.reader((line for line in lines if line.strip()), delimiter=head.delimiter)
