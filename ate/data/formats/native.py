"""The native layout: a folder with one HDF5 file an episode, root dataset `qpos (n_steps, dof)`.

Nothing is converted, dropped or written: what cannot be used as it stands is refused by file, dataset and row.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from ate.data.episodes import SOURCES, Episode, Episodes
from ate.errors import InputError, nearest

COMPANIONS = ("action", "state", "ee_pose", "phase")


def load(path: str | Path, source: str = "qpos", exclude: Sequence[str] = ()) -> Episodes:
    """Read the native layout: a folder with one HDF5 file an episode.

    Args:
        path: the folder; every `*.hdf5` and `*.h5` directly in it is an episode.
        source: `"qpos"` (measured positions) or `"action"` (commanded targets): what chunks are cut from.
        exclude: names of files (with or without suffix) to leave out.

    Returns:
        The episodes, sorted by file name.

    Raises:
        InputError: the folder or its files are missing or unreadable, a dataset is missing, not a numeric
            matrix, of another width than the rest, or holds NaN or infinity; or `exclude` names no file.
    """
    folder = Path(path)
    if source not in SOURCES:
        raise InputError(repr(source), where="source", expected="'qpos' or 'action'", way_out=nearest(source, SOURCES))
    files = _files(folder, exclude)
    items, attributes = [], []
    for file in files:
        item, found = _read(file, source)
        items.append(item)
        attributes.append(found)
    _check_widths(items, source)
    first = attributes[0]
    width = items[0].qpos.shape[1] if source == "qpos" else items[0].extras["action"].shape[1]
    names = _joint_names(first)
    if len(names) != width:
        names = tuple(f"joint_{i}" for i in range(width))
    robot = _text(first.get("robot", folder.parent.name if folder.name == "hdf5" else folder.name))
    task = _text(first["task"]) if "task" in first else None
    return Episodes(tuple(items), source, robot, names, _rate(first), task)


def _joint_names(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    found = attributes.get("joint_names", ())
    if isinstance(found, (str, bytes)):
        return tuple(_text(found).split(","))
    return tuple(_text(name) for name in found)


def _text(value: str | bytes) -> str:
    """HDF5 gives back fixed-length strings as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _rate(attributes: Mapping[str, Any]) -> float | None:
    if "rate_hz" in attributes:
        return float(attributes["rate_hz"])
    step = float(attributes.get("median_dt", 0.0))
    return round(1.0 / step, 3) if step > 0 else None


def load_sets(path: str | Path, source: str = "qpos", exclude: Sequence[str] = ()) -> tuple[Episodes, ...]:
    """Read one set, or a folder of sets (one sub-folder a robot), sorted by folder name.

    Args:
        path: a folder of episodes, or of such folders.
        source: as `load`.
        exclude: episodes to leave out; `panda/episode_0003` names one of the sub-folder `panda`.

    Raises:
        InputError: as `load`.
    """
    folder = Path(path)
    children = sorted(c for c in folder.iterdir() if c.is_dir() and _hdf5_files(c)) if folder.is_dir() else []
    if not children or _hdf5_files(folder):
        return (load(folder, source, exclude),)
    _check_exclude(folder, exclude, {f"{child.name}/{file.stem}" for child in children for file in _hdf5_files(child)})
    return tuple(
        load(child, source, [Path(name).name for name in exclude if Path(name).parent.name == child.name])
        for child in children
    )


def _hdf5_files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix in (".hdf5", ".h5") and f.is_file())


def _stem(name: str) -> str:
    return name.removesuffix(".hdf5").removesuffix(".h5")


def _check_exclude(folder: Path, exclude: Sequence[str], stems: set[str]) -> None:
    for name in exclude:
        if _stem(name) not in stems:
            raise InputError(
                repr(name),
                where=f"exclude list for {folder}",
                expected="the name of an episode file",
                way_out=nearest(_stem(name), stems),
            )


def _files(folder: Path, exclude: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        raise InputError(
            "no such folder" if not folder.exists() else "a file, not a folder",
            where=str(folder),
            expected="a folder with one HDF5 file an episode",
            way_out="give the folder that holds episode_0000.hdf5 and its siblings",
        )
    files = _hdf5_files(folder)
    if not files:
        inside = sorted(child.name for child in folder.iterdir())[:6]
        raise InputError(
            f"no .hdf5 or .h5 file among {inside or 'nothing at all'}",
            where=str(folder),
            expected="one HDF5 file an episode",
            way_out="name the folder of one robot's episodes",
        )
    _check_exclude(folder, exclude, {file.stem for file in files})
    left_out = {_stem(name) for name in exclude}
    kept = [file for file in files if file.stem not in left_out]
    if not kept:
        raise InputError(
            f"{len(files)} episodes, all excluded",
            where=str(folder),
            expected="at least one episode to remain",
            way_out="shorten the exclude list",
        )
    return kept


def _read(file: Path, source: str) -> tuple[Episode, dict[str, Any]]:
    try:
        with h5py.File(file, "r") as handle:
            qpos = _matrix(handle, "qpos", file)
            companions = {name: handle[name][()] for name in COMPANIONS if isinstance(handle.get(name), h5py.Dataset)}
            attributes = dict(handle.attrs)
    except OSError as error:
        raise InputError(
            f"a file that HDF5 cannot open ({str(error).splitlines()[0]})",
            where=str(file),
            expected="an HDF5 file",
            way_out="re-copy the file, or exclude it",
        ) from error
    if source == "action":
        if "action" not in companions:
            raise InputError(
                "no dataset 'action'",
                where=str(file),
                expected="commanded targets in 'action', because source='action' was asked for",
                way_out="use source='qpos', or record the commands",
            )
        companions["action"] = _finite(np.asarray(companions["action"]), "action", file)
    kept = {n: v for n, v in companions.items() if getattr(v, "ndim", 0) >= 1 and len(v) == len(qpos)}
    if source == "action" and "action" not in kept:
        raise InputError(
            f"{len(companions['action'])} rows of action beside {len(qpos)} of qpos",
            where=str(file),
            expected="as many rows of action as of qpos",
            way_out="use source='qpos', or record both at one rate",
        )
    return Episode(file.stem, file, qpos, MappingProxyType(kept)), attributes


def _matrix(handle: h5py.File, name: str, file: Path) -> np.ndarray:
    dataset = handle.get(name)
    if not isinstance(dataset, h5py.Dataset):
        keys = sorted(handle.keys())
        raise InputError(
            f"datasets and groups {keys}" if keys else "an empty file",
            where=str(file),
            expected=f"a root dataset {name!r} of shape (n_steps, dof)",
            way_out=f"write the joint positions to {name!r}, one row a step",
        )
    if dataset.ndim != 2 or dataset.dtype.kind not in "fiu" or 0 in dataset.shape:
        raise InputError(
            f"shape {dataset.shape} of type {dataset.dtype}",
            where=f"{file}, dataset {name!r}",
            expected="a numeric matrix (n_steps, dof) with at least one row and one column",
            way_out="write one row a step and one column a joint",
        )
    return _finite(dataset[()], name, file)


def _finite(values: np.ndarray, name: str, file: Path) -> np.ndarray:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = (int(i) for i in bad[0][:2])
        raise InputError(
            f"{len(bad)} values that are NaN or infinite, the first at row {row}, column {column}",
            where=f"{file}, dataset {name!r}",
            expected="finite numbers",
            way_out=f"repair the recording, or exclude {file.name}",
        )
    return np.ascontiguousarray(values, dtype=np.float32)


def _check_widths(items: Sequence[Episode], source: str) -> None:
    series = [item.qpos if source == "qpos" else item.extras["action"] for item in items]
    widths = [matrix.shape[1] if matrix.ndim == 2 else -1 for matrix in series]
    common = max(set(widths), key=widths.count)
    for item, width in zip(items, widths, strict=True):
        if width != common:
            raise InputError(
                f"{width} columns in {source!r}",
                where=str(item.path),
                expected=f"{common}, as in {widths.count(common)} of {len(widths)} episodes of this folder",
                way_out=f"exclude {item.path.name}, or move it to a folder of its own",
            )
