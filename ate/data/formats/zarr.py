"""zarr: replay buffers of Diffusion Policy and UMI, `data/<array>` with a row a step, `meta/episode_ends`.

A folder `….zarr`, or an archive `….zarr.zip`. Source: Diffusion Policy's and UMI's `replay_buffer`, DP3's conversion.
"""

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ate.data.clock import Clock
from ate.data.episodes import Episode
from ate.data.formats.companions import pair
from ate.data.formats.episode_ends import OUTCOMES, outcomes
from ate.data.formats.layout import Broken, check_matrix, confined, refusing, timed
from ate.data.formats.zarr_chunks import check_whole
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError, library

NAME = "zarr"
EXPECTS = "a zarr store with arrays in 'data' and 'meta/episode_ends'"
_MARKS = (".zgroup", "zarr.json")
ENDS, _STAMPS = "meta/episode_ends", "data/timestamp"
_OUTCOMES = tuple(f"{group}/{name}" for group in ("meta", "data") for name in OUTCOMES)
# Names of joint positions, the first that is there counts; UMI records the tool and the gripper's width alone.
_QPOS = (
    "qpos",
    "robot_joint",
    "joint_positions",
    "joint_pos",
    "robot0_joint_pos",
    "joint_states",
    "agent_pos",
    "state",
)
_TOOL = ("eef_pos", "eef_rot_axis_angle", "gripper_width")
_ACTIONS = ("action", "actions")
_AXES = {"eef_pos": ("x", "y", "z"), "eef_rot_axis_angle": ("rx", "ry", "rz")}
_MOST_EPISODES, _ARMS = 10**7, 2


def looks(path: Path) -> str | None:
    """What makes this a zarr store, or None."""
    mark = next((mark for mark in _MARKS if path.is_dir() and (path / mark).is_file()), None)
    if mark:
        return f"a zarr store: {mark}"
    inside = stores(path)
    return f"{len(inside)} zarr store{'s' * (len(inside) > 1)}: {inside[0].name}" if inside else None


def stores(path: Path) -> list[Path]:
    """The stores at a path: itself, or those directly in a folder."""
    if path.is_file():
        return [path] if path.name.lower().endswith(".zarr.zip") else []
    if not path.is_dir():
        return []
    if any((path / mark).is_file() for mark in _MARKS):
        return [path]
    return sorted(item for item in path.iterdir() if item.name.lower().endswith((".zarr", ".zarr.zip")))


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode of every store: shapes and `episode_ends` are read, values later."""
    paths = stores(path)
    for store in paths:
        name = store.name.split(".")[0]
        try:
            yield from _episodes(store, source, f"{name}_" if len(paths) > 1 else "")
        except InputError as error:
            yield Broken(name, store, error)


@contextmanager
def opened(store: Path) -> Iterator[Any]:
    """The root group, for reading; whatever the library reports becomes one message that names the store.

    Raises:
        InputError: it is no store, or cannot be read.
    """
    module = library("zarr", "zarr", where=str(store), use="reads zarr stores")
    # Errors of zarr and of its codecs are kinds of these.
    wrong = (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError)
    packed = (ValueError, BadZipFile, LZMAError, zlib.error)
    with refusing(store, "a zarr store with its metadata and whole chunks", *wrong, *packed):
        if store.is_file():
            with module.storage.ZipStore(store, mode="r") as archive:
                yield module.open_group(archive, mode="r")
        else:
            yield module.open_group(str(store), mode="r")


@dataclass(frozen=True)
class Rows:
    """Reads rows of arrays of a store side by side, from row `first` on."""

    store: Path
    keys: tuple[str, ...]
    first: int = 0

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `[start, stop)`."""
        with opened(self.store) as root:
            parts = [np.asarray(root[key][self.first + start : self.first + stop]) for key in self.keys]
            return np.column_stack(parts)


def _episodes(store: Path, source: str, prefix: str) -> Iterator[Episode]:
    with opened(store) as root:
        arrays = _arrays(root, store)
        qpos = _positions(arrays, store)
        total = arrays[qpos[0]].shape[0]
        width = _width(arrays, qpos, total, store)
        ends = _ends(root, arrays, total, store)
        actions = next(((f"data/{name}",) for name in _ACTIONS if f"data/{name}" in arrays), ())
        try:
            acting: int | str = _width(arrays, actions, total, store)
        except InputError as error:
            acting = error.got
        known: dict[str, Any] = {}
        names = _names(arrays, qpos)
        if len(names) == width:
            known["joint_names"] = names
        stamped = _STAMPS in arrays and arrays[_STAMPS].shape == (total,) and arrays[_STAMPS].dtype.kind in "fiu"
        if stamped:
            check_whole(arrays[_STAMPS], _STAMPS, store)
        marking = next((key for key in _OUTCOMES if key in arrays and len(arrays[key].shape) <= 2), None)
        if marking:
            check_whole(arrays[marking], marking, store)
        parts = list(zip([0, *ends[:-1]], ends, strict=True))
        done = outcomes(np.asarray(root[marking][...]), parts, total) if marking else []
    for number, (start, stop) in enumerate(parts):
        name = f"{prefix}episode_{number:06d}"
        series = {"qpos": _series(store, qpos, width, start, stop)}
        action: Series | str | None = None
        if actions:
            action = acting if isinstance(acting, str) else _series(store, actions, acting, start, stop)
        left = pair(series, {"action": action}, source, f"{store}, {name}")
        used = (*qpos, *(actions if "action" in series else ()), ENDS, *([marking] if marking and done else ()))
        stamps = Series((stop - start, 1), f"{store}, array {_STAMPS!r}", Rows(store, (_STAMPS,), start), exact=True)
        clock = Clock("timestamp", stamps) if stamped else None
        left += [key for key in arrays if key not in (*used, *actions, *([_STAMPS] if clock else ()))]
        keys = Keys((*used, *([clock.label] if clock else ())), () if actions else ("data/action",), tuple(left))
        own = {**known, **timed(clock), **({"success": done[number]} if done else {})}
        yield Episode(name, store, series, own, keys, clock=clock)


def _arrays(root: Any, store: Path) -> dict[str, Any]:
    """Arrays of `data` and `meta`, whose metadata and chunks are all there."""
    arrays: dict[str, Any] = {}
    for group in ("data", "meta"):
        if store.is_dir():
            confined(store, group, str(store / group))
        if group in root and hasattr(root[group], "arrays"):
            with warnings.catch_warnings():
                # What lies in a group and is no array is reported below, where it is missed.
                warnings.simplefilter("ignore")
                arrays |= {f"{group}/{name}": array for name, array in root[group].arrays()}
    if ENDS not in arrays:
        raise _without_ends(store, arrays)
    return arrays


def _positions(arrays: dict[str, Any], store: Path) -> tuple[str, ...]:
    joints = next((f"data/{name}" for name in _QPOS if f"data/{name}" in arrays), None)
    tools = [f"data/robot{arm}_{part}" for arm in range(_ARMS) for part in _TOOL]
    chosen = (joints,) if joints else tuple(key for key in tools if key in arrays)
    if not chosen:
        wide = [f"{key} {array.shape}" for key, array in arrays.items()]
        fix = "save the positions in the store as 'data/qpos', with a row a step"
        expected = f"joint positions under one of {', '.join(_QPOS)} in 'data', or UMI's tool poses"
        raise InputError(f"arrays {', '.join(wide)[:2000]}", where=str(store), expected=expected, fix=fix)
    return chosen


def _names(arrays: dict[str, Any], chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Names of UMI's columns; none for joints, which a store does not name."""
    names: list[str] = []
    for key in chosen if len(chosen) > 1 else ():
        stem, part = key.removeprefix("data/").split("_", 1)
        names += [f"{stem}_eef_{axis}" for axis in _AXES[part]] if part in _AXES else [f"{stem}_{part}"]
    return tuple(names)


def _width(arrays: dict[str, Any], keys: tuple[str, ...], rows: int, store: Path) -> int:
    """Columns of arrays side by side.

    Raises:
        InputError: one of them is no numeric matrix of that many rows, or not whole.
    """
    width = 0
    for key in keys:
        array, where = arrays[key], f"{store}, array {key!r}"
        shape = (*array.shape, 1) if len(array.shape) == 1 else array.shape
        check_matrix(shape, array.dtype, where)
        if shape[0] != rows:
            expected = f"{rows:,} rows, as the positions have"
            raise InputError(f"shape {shape}", where=where, expected=expected, fix="save the store again")
        check_whole(array, key, store)
        width += shape[1]
    return width


def _series(store: Path, keys: tuple[str, ...], width: int, start: int, stop: int) -> Series:
    where = f"{store}, array{'s' * (len(keys) > 1)} {', '.join(repr(key) for key in keys)}"
    return Series((stop - start, width), where, Rows(store, keys, start))


def _ends(root: Any, arrays: dict[str, Any], rows: int, store: Path) -> list[int]:
    array = arrays[ENDS]
    usable = len(array.shape) == 1 and array.dtype.kind in "iu" and 0 < array.shape[0] <= _MOST_EPISODES
    if usable:
        check_whole(array, ENDS, store)
    values = np.asarray(root[ENDS][:]).astype(np.int64) if usable else np.empty(0, np.int64)
    if not usable or (np.diff(values, prepend=0) <= 0).any() or values[-1] != rows:
        last = f", the last {values[-1]}" if len(values) else ""
        raise InputError(
            f"shape {array.shape} of type {array.dtype}{last}",
            where=f"{store}, array {ENDS!r}",
            expected=f"rising row numbers, the last {rows}, the rows of the positions",
            fix="write the row after the last of each episode",
        )
    return [int(value) for value in values]


def _without_ends(store: Path, arrays: dict[str, Any]) -> InputError:
    folders = [str(item.relative_to(store)) for item in sorted(store.glob("*/*")) if item.is_dir()][:20]
    bare = [name for name in folders if name not in arrays]
    if bare:
        return InputError(
            f"folders {', '.join(bare)} without their metadata (.zarray, or zarr.json)",
            where=f"{store}, a zarr store",
            expected="the metadata of every array, in files that some programs hide and do not copy",
            fix="copy the store again with its hidden files (cp -r, rsync -a), or save its arrays as npz where they "
            "can be read: np.savez('all.npz', qpos=…, action=…, episode_ends=…)",
        )
    got, fix = f"arrays {', '.join(arrays) or 'none'}", "write the row after the last of each episode to it"
    return InputError(got, where=f"{store}, a zarr store", expected=f"an array {ENDS!r}", fix=fix)
