"""HDF5, opened with care: nothing outside the file is followed, and nothing is read that its header only promises."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ate.data.clock import Clock, is_clock
from ate.data.formats.episode_ends import OUTCOMES
from ate.data.formats.layout import RATES, check_matrix, known, listed, number, rate, refusing, text, texts
from ate.data.series import Series
from ate.errors import InputError

SUFFIXES = (".hdf5", ".h5")
# Deflate packs at most about 1,032 to 1; a header that promises more than that holds no such values.
MOST_PACKED = 1100
# Groups may be linked into one another; no layout is deeper than this.
_DEEPEST, _MOST_KEYS = 12, 200
# Files that are opened to recognise a layout.
_LOOKED_AT = 5
_REPORTED = (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError)
_TEXTS = (
    "robot", "task", "units", "converted", "origin", "retargeted_from", "retargeted_file", "retargeted_episode", "seen",
)  # fmt: skip
_LISTS = ("joint_names", "action_names", "state_names", "phase_names")


@contextmanager
def opened(file: Path) -> Iterator[h5py.File]:
    """The file, for reading; whatever HDF5 itself reports becomes one message that names the file.

    Raises:
        InputError: HDF5 cannot open or read it.
    """
    # Recordings often lie on read-only or network disks, where locks are refused.
    with refusing(file, "an HDF5 file", *_REPORTED), h5py.File(file, "r", locking="best-effort") as handle:
        yield handle


def evidence(
    path: Path, key_in: Callable[[h5py.File, Path], str], note: Callable[[h5py.Dataset], str] = lambda _: ""
) -> str | None:
    """The dataset that makes a layout, as evidence, where one of the first files of a path has it; else None.

    Args:
        path: a folder, or a file.
        key_in: the dataset's key, given an open file and its path.
        note: what else there is to note about the dataset.
    """
    for file in listed(path, SUFFIXES)[:_LOOKED_AT]:
        try:
            with opened(file) as handle:
                key = key_in(handle, file)
                item = member(handle, key, file)
                if isinstance(item, h5py.Dataset):
                    return f"a dataset {key!r} in {file.name}{note(item)}"
        except InputError:
            # Detection only: the reader itself will report what is wrong with this file.
            continue
    return None


def member(handle: h5py.Group, key: str, file: Path) -> Any:
    """The object at `key`, None where there is none.

    Raises:
        InputError: a part of the path is a link to another file, or a link that leads nowhere or in a circle.
    """
    here: Any = handle
    for part in key.split("/"):
        if not isinstance(here, h5py.Group):
            return None
        kind = link(here, part)
        if kind is None:
            return None
        if kind == h5py.h5l.TYPE_EXTERNAL:
            raise _elsewhere("a link to another file", file, key)
        try:
            # The low level: a high-level lookup costs ten times as much, and a set has thousands of files.
            identifier = h5py.h5o.open(here.id, part.encode())
        except (KeyError, OSError, RuntimeError) as error:
            raise _elsewhere("a link that leads nowhere", file, key) from error
        here = h5py.Group(identifier) if isinstance(identifier, h5py.h5g.GroupID) else identifier
    return h5py.Dataset(here) if isinstance(here, h5py.h5d.DatasetID) else here


def link(group: h5py.Group, name: str) -> int | None:
    """The kind of link under a name, None where there is none."""
    links, key = group.id.links, name.encode()
    return int(links.get_info(key).type) if links.exists(key) else None


def series(handle: h5py.Group, key: str, file: Path, exact: bool = False, matrix: bool = False) -> Series | None:
    """The dataset at `key` as a series that reads its own rows later; None where there is none.

    Raises:
        InputError: it is no dataset, takes its values from other files, or promises values it does not hold; or it is
            no numeric matrix `(n_steps, width)` where `matrix` asks for one.
    """
    item = member(handle, key, file)
    if item is None:
        return None
    where = f"{file}, dataset {key!r}"
    if not isinstance(item, h5py.Dataset):
        raise InputError(
            "a group", where=where, expected="a dataset", fix="read the file in another layout, or rewrite it"
        )
    made = item.id.get_create_plist()
    if made.get_external_count() or made.get_layout() == h5py.h5d.VIRTUAL:
        raise _elsewhere("values that are kept in other files", file, key)
    # A dataset of no space at all (null) has no shape.
    shape = tuple(item.id.shape or ())
    promised, stored = math.prod(shape) * item.id.dtype.itemsize, int(item.id.get_storage_size())
    if promised > MOST_PACKED * max(stored, 1):
        got = f"shape {shape} with {stored} bytes stored"
        fix = "the recording was cut off or its header is wrong: record it again, or exclude this episode"
        raise InputError(got, where=where, expected="values for every row", fix=fix)
    if matrix:
        check_matrix(shape, item.id.dtype, where)
    return Series(shape, where, Rows(file, (key,)), exact)


@dataclass(frozen=True)
class Rows:
    """Reads rows of datasets side by side, columns picked where a layout keeps several things in one matrix.

    A dataset of one number a row is one column, where there are others or `matrix` asks for it.
    """

    file: Path
    keys: tuple[str, ...]
    columns: tuple[int, ...] = ()
    matrix: bool = False

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `[start, stop)`."""
        with opened(self.file) as handle:
            parts = [np.asarray(member(handle, key, self.file)[start:stop]) for key in self.keys]
        rows = np.column_stack(parts) if self.matrix or len(parts) > 1 else parts[0]
        return rows[:, list(self.columns)] if self.columns else rows


def attributes(handle: h5py.Group) -> dict[str, Any]:
    """What files say about themselves, under the names that the house uses; what they do not say is absent."""
    wanted = (*_TEXTS, *_LISTS, *RATES, "seed", "neg_dt")
    recorded = {name: handle.attrs[name] for name in wanted if h5py.h5a.exists(handle.id, name.encode())}
    # A unit a column comes as an array.
    described = {name: ", ".join(texts(recorded[name])) if name == "units" else text(recorded[name])
                 for name in _TEXTS if name in recorded}  # fmt: skip
    named = {name: texts(recorded[name]) for name in _LISTS if name in recorded}
    # Where a recording was simulated, its seed starts the same scene again.
    seed, backwards = number(recorded.get("seed")), number(recorded.get("neg_dt"))
    return known(
        **described, **named, **outcome(handle),
        neg_dt=None if backwards is None else int(backwards),
        seed=int(seed) if seed is not None and seed == int(seed) >= 0 else None,
        rate_hz=rate(recorded),
    )  # fmt: skip


def outcome(handle: h5py.Group) -> dict[str, bool]:
    """`success`, where an attribute of an episode says whether the task was done; empty where none does."""
    for name in OUTCOMES:
        if h5py.h5a.exists(handle.id, name.encode()):
            value = np.asarray(handle.attrs[name]).ravel()
            if len(value) == 1 and value.dtype.kind in "biuf":
                return {"success": bool(value[0])}
            if len(value) == 1 and text(value[0]).lower() in ("true", "false"):
                return {"success": text(value[0]).lower() == "true"}
    return {}


def clock(handle: h5py.Group, present: Sequence[str], rows: int, file: Path) -> Clock | None:
    """The first dataset that is called like a clock and has a number for each of `rows`."""
    for key in present:
        if not is_clock(key.rpartition("/")[2]):
            continue
        stamps = series(handle, key, file, exact=True)
        if stamps is not None and len(stamps.shape) in (1, 2) and len(stamps) == rows:
            named = Clock.named(key.rpartition("/")[2], stamps)
            if named is not None and handle[key].dtype.kind in "fiu":
                return named
    return None


def keys(handle: h5py.Group, prefix: str = "", depth: int = 0) -> list[str]:
    """Paths of the datasets in a file; links are named, never followed."""
    names: list[str] = []
    for raw in handle.id:
        name = raw.decode("utf-8", "replace")
        path = f"{prefix}{name}"
        if handle.id.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
            names.append(f"{path} (link)")
        elif h5py.h5o.get_info(handle.id, raw).type == h5py.h5o.TYPE_GROUP and depth + 1 < _DEEPEST:
            names += keys(h5py.Group(h5py.h5g.open(handle.id, raw)), f"{path}/", depth + 1)
        else:
            names.append(path)
        if len(names) > _MOST_KEYS:
            return [*names[:_MOST_KEYS], "…"]
    return names


def _elsewhere(got: str, file: Path, key: str) -> InputError:
    fix = "copy the values into the file (h5repack or h5copy), or exclude it"
    return InputError(got, where=f"{file}, {key!r}", expected="values inside this file", fix=fix)
