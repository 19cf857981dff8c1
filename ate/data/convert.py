"""Conversion: episodes of any layout are written in the native one, as `episode_0000.hdf5` and so on, or in another.

Everything goes to a folder of its own that takes its name only when all of it is written. Values are as they were
loaded: in rad, m and openings where a file or a robot's profile declares what was recorded.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import h5py

from ate.data.episodes import Episode, Episodes
from ate.data.formats import lerobot_writer, robomimic_writer
from ate.data.ledger import Ledger
from ate.data.units import quantities
from ate.errors import InputError, unknown
from ate.runs.files import write_json

if TYPE_CHECKING:
    from ate.robots.profile import Profile

# Rows written at once: bounded memory whatever the length of an episode.
_ROWS = 65_536
_TEXTS = ("robot", "task", "units", "converted", "retargeted_from", "retargeted_file", "retargeted_episode", "seen")
_NUMBERS = ("residual_mm", "residual_deg", "reached", "success")
NATIVE, REPORT = "native", "report.json"

WRITERS: Mapping[str, Callable[[Episodes, Path], None]] = {
    "lerobot": lerobot_writer.write,
    "robomimic": robomimic_writer.write,
}
LAYOUTS = (NATIVE, *WRITERS)


def convert(
    episodes: Episodes,
    out: Path,
    profile: "Profile | None" = None,
    root: Path | None = None,
    layout: str = NATIVE,
    report: Mapping[str, Any] | None = None,
    also: Callable[[Path], None] | None = None,
) -> Ledger:
    """Write episodes as float32, natively with the attributes they came with and `origin`.

    Args:
        episodes: what to write.
        out: a folder that is new or empty.
        layout: one of `LAYOUTS`; a profile converts native files alone.
        report: plain values that are written beside them, as `report.json`.
        also: writes what else belongs to the set into the folder that it is given.
        profile: the robot's; what it declares and was not converted when it was loaded is converted now. The attributes
            `units` and `converted` say what was done.
        root: the folder that the episodes were read from; `out` may not be in it.

    Returns:
        The ledger of what came in and was kept.

    Raises:
        InputError: an unknown layout, `out` is in use or inside of `root`, or values cannot be read; nothing is left
            behind then.
    """
    if layout not in LAYOUTS:
        raise unknown(layout, LAYOUTS, where="layout to write")
    out = Path(out)
    _check_target(out, root)
    if profile is not None:
        episodes = _in_si(episodes, profile)
    near = out.resolve().parent
    while not near.is_dir():
        near = near.parent
    try:
        with TemporaryDirectory(prefix=".converting-", dir=near, ignore_cleanup_errors=True) as work:
            if layout == NATIVE:
                _native(episodes, Path(work))
            else:
                WRITERS[layout](episodes, Path(work))
            if report is not None:
                write_json(Path(work, REPORT), report)
            if also is not None:
                also(Path(work))
            # Made for its owner only; a finished set is like any other folder.
            mask = os.umask(0o077)
            os.umask(mask)
            os.chmod(work, 0o777 & ~mask)
            out.resolve().parent.mkdir(parents=True, exist_ok=True)
            os.replace(work, out.resolve())
    except OSError as error:
        got = f"a folder that cannot be written ({error})"
        expected = "a place that may be written to, with room for the converted episodes"
        raise InputError(got, where=str(out), expected=expected, fix="name another folder, or make room") from error
    return episodes.ledger


def _check_target(out: Path, root: Path | None) -> None:
    target = out.resolve()
    if root is not None:
        source = Path(root).resolve()
        folder = source if source.is_dir() else None
        if target == source or source.is_relative_to(target) or (folder and target.is_relative_to(folder)):
            expected, fix = "a folder outside of it: recordings are never written to", "name another folder"
            raise InputError(f"the folder of the recordings, {source}", where=str(out), expected=expected, fix=fix)
    if out.is_symlink() or (target.exists() and not target.is_dir()) or (target.is_dir() and any(target.iterdir())):
        got = "a folder with files in it" if target.is_dir() and not out.is_symlink() else "a file or a link"
        fix = "name another folder; nothing is overwritten"
        raise InputError(got, where=str(out), expected="a folder that is new or empty", fix=fix)


def _native(episodes: Episodes, folder: Path) -> None:
    for number, item in enumerate(episodes):
        _write(folder / f"episode_{number:04d}.hdf5", item, episodes)


def _write(file: Path, item: Episode, episodes: Episodes) -> None:
    names = {name: _names(item, name, episodes) for name in ("qpos", "action")}
    with h5py.File(file, "w") as handle:
        for name, series in item.series.items():
            dataset = handle.create_dataset(name, series.shape, series.read(0, 1).dtype)
            for start in range(0, len(series), _ROWS):
                rows = series.read(start, min(start + _ROWS, len(series)))
                dataset[start : start + len(rows)] = rows
        if item.clock is not None and item.clock.unit:
            handle["time"] = item.clock.seconds()
        _attributes(handle, item, episodes, names["qpos"], names["action"])


def _names(item: Episode, name: str, episodes: Episodes) -> tuple[str, ...]:
    """Names of the columns of a series: the episode's own, else the set's where they are of this series."""
    if name not in item.series:
        return ()
    own, shape = item.column_names(name), item.series[name].shape
    if own:
        return own
    if name == episodes.source and shape[1:] == (len(episodes.joint_names),):
        return episodes.joint_names
    # Absolute targets have a column for each joint, in the same order.
    return _names(item, "qpos", episodes) if name == "action" and shape[1:] == item.series["qpos"].shape[1:] else ()


def _in_si(episodes: Episodes, profile: "Profile") -> Episodes:
    """The same in rad, m and openings, as this profile declares where nothing was converted before.

    Raises:
        InputError: the profile knows no column.
    """
    from ate.data.units import converted

    for item in episodes:
        names = _names(item, episodes.source, episodes)
        if not any(profile.match(names)):
            raise InputError(
                f"columns {', '.join(names) or 'without names'}",
                where=f"{item.path}, episode {item.name}",
                expected=f"joints of profile {profile.name}: {', '.join(profile.joint_names)}",
                fix="name the profile of the robot that was recorded, or convert without one",
            )
    items = tuple(converted(item, profile, True, episodes.joint_names) for item in episodes)
    return replace(episodes, items=items)


def _attributes(
    handle: h5py.File, item: Episode, episodes: Episodes, joints: tuple[str, ...], actions: tuple[str, ...]
) -> None:
    set_wide = {"robot": episodes.robot, "task": episodes.task, "rate_hz": episodes.rate_hz}
    known = {**set_wide, **item.attributes, "units": quantities(item)}
    for name in _TEXTS:
        if known.get(name):
            handle.attrs[name] = _storable(str(known[name]))
    if known.get("rate_hz"):
        handle.attrs["rate_hz"] = float(known["rate_hz"])
    for name in _NUMBERS:
        if name in known:
            handle.attrs[name] = float(known[name])
    described = {name: known.get(name, ()) for name in ("phase_names", "state_names")}
    lists = {"joint_names": joints, "action_names": actions, **described}
    for name, parts in lists.items():
        if len(parts):
            handle.attrs[name] = [_storable(str(part)) for part in parts]
    handle.attrs["origin"] = _storable(f"{item.path}, episode {item.name}")


def _storable(text: str) -> str:
    """A text that HDF5 takes: no NUL, nothing that UTF-8 has no bytes for, and within the size of an attribute."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()[:10_000]
