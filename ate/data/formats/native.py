"""The native layout: one HDF5 file an episode, root dataset `qpos (n_steps, dof)`, and beside it, where recorded,
`action (n_steps, dof)`, `state`, `ee_pose`, `phase`; attributes `robot`, `task`, `rate_hz`, `joint_names`, `units`.
"""

from collections.abc import Iterator
from pathlib import Path

import h5py

from ate.data.episodes import Episode
from ate.data.formats import hdf5
from ate.data.formats.layout import Broken, check_matrix, listed
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "native"
EXPECTS = "one HDF5 file an episode, with a root dataset 'qpos'"
COMPANIONS = ("action", "state", "ee_pose", "phase")


def looks(path: Path) -> str | None:
    """What makes this the native layout, or None."""
    return hdf5.evidence(path, _seen)


def _seen(handle: h5py.File, file: Path) -> str | None:
    there = isinstance(hdf5.member(handle, "qpos", file), h5py.Dataset)
    return f"a root dataset 'qpos' in {file.name}" if there else None


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode of a folder (or one file), its shapes and attributes; values stay on disk."""
    for file in listed(path, hdf5.SUFFIXES):
        try:
            yield _episode(file, source)
        except InputError as error:
            yield Broken(file.stem, file, error)


def _episode(file: Path, source: str) -> Episode:
    with hdf5.opened(file) as handle:
        qpos = hdf5.matrix(handle, "qpos", file)
        if qpos is None:
            raise _no_qpos(handle, file)
        found: dict[str, Series] = {"qpos": qpos}
        ignored = []
        for name in COMPANIONS:
            companion = hdf5.series(handle, name, file, exact=name == "phase")
            if companion is None:
                continue
            if name == "action" and source == "action":
                _check_action(companion, qpos, handle)
            if len(companion.shape) >= 1 and companion.shape[0] == len(qpos):
                found[name] = companion
            else:
                ignored.append(f"{name} (shape {companion.shape} beside {len(qpos)} rows of qpos)")
        if source == "action" and "action" not in found:
            raise InputError(
                "no dataset 'action'",
                where=str(file),
                expected="commanded targets in 'action', because source='action' was asked for",
                fix="use source='qpos', or record the commands",
            )
        there = hdf5.keys(handle)
        missing = tuple(name for name in COMPANIONS if name not in there)
        ignored += [key for key in there if key not in ("qpos", *COMPANIONS)]
        keys = Keys(tuple(found), missing, tuple(ignored))
        return Episode(file.stem, file, found, hdf5.attributes(handle), keys)


def _check_action(action: Series, qpos: Series, handle: h5py.File) -> None:
    check_matrix(action.shape, handle["action"].dtype, action.where)
    if len(action) != len(qpos):
        raise InputError(
            f"{len(action)} rows of action beside {len(qpos)} of qpos",
            where=action.where,
            expected="as many rows of action as of qpos",
            fix="use source='qpos', or record both at one rate",
        )


def _no_qpos(handle: h5py.File, file: Path) -> InputError:
    keys = sorted(hdf5.keys(handle))
    return InputError(
        f"datasets and groups {keys}" if keys else "an empty file",
        where=str(file),
        expected="a root dataset 'qpos' of shape (n_steps, dof)",
        fix="write the joint positions to 'qpos', one row a step, or name another layout",
    )
