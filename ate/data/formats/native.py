"""The native layout: one HDF5 file an episode, root dataset `qpos (n_steps, dof)` and, where recorded,
`action (n_steps, dof)`, `state`, `ee_pose`, `phase`; attributes `robot`, `task`, `rate_hz`, `joint_names`, `units`.
"""

from collections.abc import Iterator
from pathlib import Path

from ate.data.episodes import Episode
from ate.data.formats import hdf5
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, check_matrix, each_file, timed
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
    return each_file(path, hdf5.SUFFIXES, lambda file: [_episode(file, source)])


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
