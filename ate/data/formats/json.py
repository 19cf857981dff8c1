"""JSON: a file an episode, `{"data": [{"states": {"left_arm": {"qpos": […]}, …}, "actions": …}, …]}` or plainer ones.

Unitree's recorder (xr_teleoperate) writes the first, in a folder an episode. Also read are a list of steps, each with
`qpos` and `action`, and an object of lists, `{"qpos": [[…], …], "action": …, "joint_names": …, "rate_hz": …}`. Source:
xr_teleoperate's `episode_writer`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache

from ate.data.clock import Clock, is_clock
from ate.data.episodes import Episode
from ate.data.formats.companions import pair
from ate.data.formats.jsonfile import read_value
from ate.data.formats.layout import Broken, check_matrix, each_file, known, listed, rate, texts, timed
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError
from ate.robots.headings import COMMAND, NO_JOINTS, POSE, POSITION, heading

NAME = "json"
EXPECTS = "one JSON file an episode, with joint positions under 'qpos', or in 'states' of each step"
SUFFIXES = (".json",)
# Names of joint positions and of commands, the first that is there counts.
_QPOS = ("qpos", "joint_positions", "joint_position", "positions", "observation.state", "state", "states")
_ACTION = ("action", "actions")
_STEPS = ("data", "steps", "frames", "trajectory")
_LOOKED_AT = 3
# Files are parsed whole, and read in windows: what was parsed is kept for the next window.
_KEPT_BYTES = 64 * 2**20
_Stamp = tuple[Path, int, int]


@dataclass(frozen=True)
class Parsed:
    """What a file holds.

    Attributes:
        matrices: `qpos` and where there is one `action`, float64 `(n_steps, k)`.
        names: the columns of each, where they are named.
        attributes: what the file says of itself.
        keys: the names under which they were found, and what else was there.
        clock: name and values, float64 `(n_steps,)`, of what is called like a clock and has a number for each row.
    """

    matrices: Mapping[str, np.ndarray]
    names: Mapping[str, tuple[str, ...]]
    attributes: Mapping[str, Any]
    keys: Keys
    clock: tuple[str, np.ndarray] | None = None


_kept: LRUCache[_Stamp, Parsed] = LRUCache(
    _KEPT_BYTES, getsizeof=lambda parsed: sum(matrix.nbytes for matrix in parsed.matrices.values()) + 1024
)
_lock = Lock()


def looks(path: Path) -> str | None:
    """What makes this the json layout, or None: most JSON files describe recordings and hold none."""
    for file in listed(path, SUFFIXES)[:_LOOKED_AT]:
        try:
            parsed = _parsed(file)
        except InputError:
            continue
        return f"{parsed.keys.found[0]!r} in {file.name}"
    return None


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every file of a folder, parsed; values are parsed again when they are needed."""
    return each_file(path, SUFFIXES, lambda file: [_episode(file, source)])


@dataclass(frozen=True)
class Rows:
    """Reads rows of one matrix of a file."""

    file: Path
    name: str

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `[start, stop)`."""
        return _parsed(self.file).matrices[self.name][start:stop]


def _episode(file: Path, source: str) -> Episode:
    parsed = _parsed(file)
    series = {
        name: Series(matrix.shape, f"{file}, {name}", Rows(file, name)) for name, matrix in parsed.matrices.items()
    }
    left = pair(held := {"qpos": series["qpos"]}, {"action": series.get("action")}, source, str(file))
    named = {"joint_names": parsed.names["qpos"]} if "qpos" in parsed.names else {}
    if "action" in parsed.names:
        named["action_names"] = parsed.names["action"]
    clock = None if parsed.clock is None else Clock(parsed.clock[0], Series.of(parsed.clock[1], f"{file}, clock"))
    used = (*parsed.keys.found, *([clock.label] if clock else ()))
    others = tuple(key for key in parsed.keys.ignored if clock is None or key != clock.name)
    keys = Keys(used, parsed.keys.missing, (*others, *left))
    attributes = {**named, **parsed.attributes, **timed(clock, parsed.attributes)}
    return Episode(file.stem, file, held, attributes, keys, clock=clock)


def _parsed(file: Path) -> Parsed:
    try:
        status = file.stat()
    except OSError as error:
        expected, fix = "a JSON file", "restore the file, or exclude it"
        raise InputError(
            f"a file that cannot be read ({error})", where=str(file), expected=expected, fix=fix
        ) from error
    stamp = (file, status.st_mtime_ns, status.st_size)
    with _lock:
        held = _kept.get(stamp)
    if held is None:
        held = _of(read_value(file), file)
        with _lock:
            if sum(matrix.nbytes for matrix in held.matrices.values()) < _KEPT_BYTES // 2:
                _kept[stamp] = held
    return held


def _of(value: Any, file: Path) -> Parsed:
    outer = value if isinstance(value, dict) else {}
    steps = (
        value if isinstance(value, list) else next((outer[k] for k in _STEPS if isinstance(outer.get(k), list)), None)
    )
    if isinstance(steps, list) and steps and all(isinstance(step, dict) for step in steps):
        columns: dict[str, Any] = {key: [step.get(key) for step in steps] for key in steps[0]}
    else:
        columns = {key: entry for key, entry in outer.items() if isinstance(entry, list)}
    qpos = next((key for key in _QPOS if key in columns), None)
    if qpos is None and _is_table(columns):
        return _table(columns, f"{file}", _attributes(outer))
    if qpos is None:
        inside = ", ".join(map(str, columns or outer))[:500] or type(value).__name__
        fix = "write {'qpos': [[…], …]}, a list of numbers a step"
        raise InputError(inside, where=str(file), expected=EXPECTS, fix=fix)
    action = next((key for key in _ACTION if key in columns), None)
    matrices, names = {}, {}
    for role, key in (("qpos", qpos), ("action", action)):
        if key is not None:
            matrices[role], own = _matrix(columns[key], _given(outer), f"{file}, {key!r}")
            if own:
                names[role] = own
    used = tuple(key for key in (qpos, action) if key)
    others = tuple(str(key) for key in columns if key not in used)
    keys = Keys(used, () if action else ("action",), others)
    return Parsed(matrices, names, _attributes(outer), keys, _clock(columns, len(matrices["qpos"])))


def _clock(columns: Mapping[str, Any], rows: int) -> tuple[str, np.ndarray] | None:
    timed = (key for key, column in columns.items() if is_clock(str(key)) and _plain([column]) and len(column) == rows)
    return next(((str(key), np.asarray(columns[key], np.float64)) for key in timed), None)


def _matrix(steps: Any, given: Mapping[str, Any], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Steps as a matrix and the names of its columns: each step is a list of numbers, or parts with `qpos` by name."""
    names: list[str] = []
    rows = steps
    if isinstance(steps, list) and steps and all(isinstance(step, dict) for step in steps):
        widths = {name: len(_numbers(part)) for name, part in steps[0].items() if _is_joints(name, part)}
        for name, width in widths.items():
            own = given.get(name)
            numbered = [name] if width == 1 else [f"{name}_{i}" for i in range(width)]
            names += map(str, own) if isinstance(own, list) and len(own) == width else numbered
        rows = [[number for name, w in widths.items() if w for number in _numbers(step.get(name))] for step in steps]
    try:
        matrix = np.asarray(rows, dtype=np.float64 if _plain(rows) else None)
    except (ValueError, OverflowError) as error:
        got, fix = "rows of different lengths, or no numbers", "write as many numbers in every step"
        raise InputError(got, where=where, expected="a list of numbers a step", fix=fix) from error
    check_matrix(matrix.shape, matrix.dtype, where)
    return matrix, tuple(names) if len(set(names)) == len(names) else ()


def _is_table(columns: Mapping[str, Any]) -> bool:
    """Whether these are columns of numbers over time, a joint each: lists of other things have no clock."""
    clocked = any(is_clock(str(key)) and _plain([column]) for key, column in columns.items())
    return clocked and any(heading(key).kind == POSITION and _plain([column]) for key, column in columns.items())


def _table(columns: Mapping[str, Any], where: str, known_of_it: dict[str, Any]) -> Parsed:
    """Columns that are named after joints, as those of a table (`ate.robots.headings`)."""
    kinds = {key: heading(key) for key, column in columns.items() if _plain([column])}
    matrices, names = {}, {}
    for role, kind in (("qpos", POSITION), ("action", COMMAND)):
        keys = [key for key, head in kinds.items() if head.kind == kind]
        if keys:
            rows = [list(row) for row in zip(*(columns[key] for key in keys), strict=True)]
            matrices[role], _ = _matrix(rows, {}, where)
            names[role] = tuple(keys)
    used = tuple(key for group in names.values() for key in group)
    others = tuple(str(key) for key in columns if key not in used)
    left = Keys(used, () if "action" in names else ("action",), others)
    return Parsed(matrices, names, known_of_it, left, _clock(columns, len(matrices["qpos"])))


def _given(outer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Names of the joints of each part, as Unitree's recorder writes them."""
    info = outer.get("info")
    names = info.get("joint_names") if isinstance(info, dict) else None
    return names if isinstance(names, dict) else {}


def _is_joints(name: str, part: Any) -> bool:
    """Whether a part of a step holds positions of joints: velocities, forces and poses of a tool are none."""
    kind = heading(name).kind
    return kind not in NO_JOINTS and (kind != POSE or isinstance(part, dict))


def _numbers(part: Any) -> list[Any]:
    """The numbers of a part of a robot, in a step: a number, a list, or those under `qpos`."""
    inner = part.get("qpos") if isinstance(part, dict) else part
    return inner if isinstance(inner, list) else [inner] if isinstance(inner, (int, float)) else []


def _plain(rows: Any) -> bool:
    """Whether these are lists of numbers alone: texts that numpy would take for numbers are none."""
    return isinstance(rows, list) and all(
        isinstance(row, list) and all(type(number) in (int, float) for number in row) for row in rows
    )


def _attributes(outer: Mapping[str, Any]) -> dict[str, Any]:
    info = outer.get("info")
    described = info if isinstance(info, dict) else outer
    image = described.get("image")
    fps = (
        {"fps": image.get("fps")}
        if isinstance(image, dict)
        else {k: described[k] for k in ("rate_hz", "fps") if k in described}
    )
    hertz = rate(fps)
    texts_of_it = {k: outer[k] for k in ("robot", "task", "units") if isinstance(outer.get(k), str)}
    text = outer.get("text")
    if isinstance(text, dict) and isinstance(text.get("goal"), str):
        texts_of_it.setdefault("task", text["goal"])
    joints = outer.get("joint_names")
    names = texts(joints) if isinstance(joints, list) and joints else None
    return {**known(rate_hz=hertz, joint_names=names), **texts_of_it}
