"""The native layout: one HDF5 file an episode, root dataset `qpos (n_steps, dof)` and, where recorded,
`action (n_steps, dof)`, `state`, `ee_pose`, `phase`; attributes `robot`, `task`, `rate_hz`, `joint_names`, `units`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from ate.data.episodes import Episode
from ate.data.formats import hdf5
from ate.data.formats.companions import pair
from ate.data.formats.episode_ends import KEYS, Part, named, of_arrays
from ate.data.formats.layout import Broken, check_matrix, each_file, listed, timed
from ate.data.ledger import Keys
from ate.errors import InputError

NAME = "native"
EXPECTS = "one HDF5 file an episode, with a root dataset 'qpos'"
COMPANIONS = ("action", "state", "ee_pose", "phase")


def looks(path: Path) -> str | None:
    """What makes this the native layout, or None."""
    return hdf5.evidence(path, lambda *_: "qpos")


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode of a folder (or one file), its shapes and attributes; values stay on disk."""
    many = len(listed(path, hdf5.SUFFIXES)) > 1
    return each_file(path, hdf5.SUFFIXES, lambda file: _episodes(file, source, many))


def _episodes(file: Path, source: str, many: bool) -> Iterator[Episode]:
    return parted(_episode(file, source), file, many)


def parted(whole: Episode, file: Path, many: bool) -> Iterator[Episode]:
    """The episode of an HDF5 file; or those of one with flags at last rows, or numbers of episodes, in its root.

    Args:
        whole: all rows of the file.
        file: the file.
        many: whether the set has other files.

    Raises:
        InputError: rows of one episode do not lie together.
    """
    rows, ignored = len(whole), [key for key in whole.keys.ignored if key in KEYS]
    parts: list[Part] = [Part(0, rows)]
    telling: tuple[str, ...] = ()
    if ignored:
        with hdf5.opened(file) as handle:
            items = {key: hdf5.member(handle, key, file) for key in ignored}
            shapes = {key: tuple(item.shape) for key, item in items.items() if isinstance(item, h5py.Dataset)}
            parts, telling = of_arrays(shapes, lambda key: np.asarray(items[key][:]), rows, str(file))
    if len(parts) == 1:
        yield whole
        return
    left = tuple(key for key in whole.keys.ignored if key not in telling)
    keys = replace(whole.keys, found=(*whole.keys.found, *telling), ignored=left)
    for number, part in enumerate(parts):
        series = {name: item.part(part.start, part.stop) for name, item in whole.series.items()}
        name = f"{file.stem}_" * many + named(part, number)
        clock = None if whole.clock is None else whole.clock.part(part.start, part.stop)
        yield replace(whole, name=name, series=series, keys=keys, clock=clock)


def _episode(file: Path, source: str) -> Episode:
    with hdf5.opened(file) as handle:
        qpos = hdf5.series(handle, "qpos", file, matrix=True)
        if qpos is None:
            keys = sorted(hdf5.keys(handle))
            got = f"datasets and groups {keys}" if keys else "an empty file"
            fix = "write the joint positions to 'qpos', one row a step, or name another layout"
            raise InputError(got, where=str(file), expected="a root dataset 'qpos' of shape (n_steps, dof)", fix=fix)
        companions = {name: hdf5.series(handle, name, file, exact=name == "phase") for name in COMPANIONS}
        action = companions["action"]
        if source == "action" and action is not None:
            check_matrix(action.shape, handle["action"].dtype, action.where)
        series = {"qpos": qpos}
        left = pair(series, companions, source, str(file))
        present = hdf5.keys(handle)
        missing = tuple(name for name in COMPANIONS if name not in present)
        clock = hdf5.clock(handle, [key for key in present if "/" not in key], len(qpos), file)
        left += [key for key in present if key not in ("qpos", *COMPANIONS, *([clock.name] if clock else ()))]
        used = Keys((*series, *([clock.label] if clock else ())), missing, tuple(left))
        attributes = hdf5.attributes(handle)
        return Episode(file.stem, file, series, {**attributes, **timed(clock, attributes)}, used, clock=clock)
