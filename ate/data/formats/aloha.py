"""ALOHA and RDT: one HDF5 file an episode, `observations/qpos (n_steps, dof)` and `action (n_steps, k)`."""

from collections.abc import Iterator
from pathlib import Path

from ate.data.episodes import Episode
from ate.data.formats import hdf5
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, each_file, timed
from ate.data.formats.tree import companion
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "aloha"
EXPECTS = "one HDF5 file an episode, with datasets 'observations/qpos' and 'action'"
_QPOS, _ACTION = "observations/qpos", "action"
# Two ViperX-300 arms with six joints and a gripper each; other widths are other robots in the same layout.
_COLUMNS = 14


def looks(path: Path) -> str | None:
    """What makes this the ALOHA layout, or None."""
    named = " and 14 columns, which are named by the profile aloha"
    return hdf5.evidence(path, lambda *_: _QPOS, lambda dataset: named if _is_aloha(dataset.shape) else "")


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode of a folder (or one file), its shapes and attributes; values stay on disk."""
    return each_file(path, hdf5.SUFFIXES, lambda file: [_episode(file, source)])


def _episode(file: Path, source: str) -> Episode:
    with hdf5.opened(file) as handle:
        qpos = hdf5.series(handle, _QPOS, file, matrix=True)
        if qpos is None:
            got, fix = f"datasets and groups {hdf5.keys(handle)}", "name another layout, or exclude this file"
            raise InputError(got, where=str(file), expected=f"a dataset {_QPOS!r} of shape (n_steps, dof)", fix=fix)
        series: dict[str, Series] = {"qpos": qpos}
        left = pair(series, {"action": companion(handle, _ACTION, file)}, source, str(file))
        present = hdf5.keys(handle)
        used = (_QPOS, _ACTION) if "action" in series else (_QPOS,)
        left += [key for key in present if key not in (_QPOS, _ACTION)]
        keys = Keys(used, () if _ACTION in present else (_ACTION,), tuple(left))
        clock = hdf5.clock(handle, present, len(qpos), file)
        known = hdf5.attributes(handle)
        known |= timed(clock, known)
    if "joint_names" not in known and _is_aloha(qpos.shape):
        from ate.robots.profile import profile

        known["joint_names"] = profile("aloha").joint_names
    return Episode(file.stem, file, series, known, keys, clock=clock)


def _is_aloha(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] == _COLUMNS
