"""Isaac Lab and its Mimic: HDF5 files of many demonstrations, `data/<demo>/states/articulation/<robot>/joint_position`.

`obs/joint_pos` is not read: it counts from the robot's default pose. Source: Isaac Lab's documentation, "Teleoperation
and imitation learning", its `HDF5DatasetFileHandler` and `ActionStateRecorderManagerCfg`.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from ate.data.episodes import Episode
from ate.data.formats import hdf5, parts, tree
from ate.data.formats.companions import natural
from ate.data.formats.layout import Broken, known, rate
from ate.data.formats.parts import Part
from ate.errors import InputError

NAME = "isaaclab"
EXPECTS = "HDF5 files with 'data/<demo>/states/articulation/<robot>/joint_position'"
_ARTICULATIONS, _POSITIONS = "states/articulation", "joint_position"
_RELATIVE, _SPEED = "obs/joint_pos", "obs/joint_vel"
_ACTIONS = Part("actions", (), True)
# The robot of the scenes that ship with it; its joints are in this order there, and both fingers count from 0 (closed).
_FRANKA = (*(f"panda_joint{i}" for i in range(1, 8)), "finger_joint_1", "finger_joint_2")


def looks(path: Path) -> str | None:
    """What makes this the layout of Isaac Lab, or None."""
    return hdf5.evidence(path, _evidence)


# Masks, and numbers of rows that files give and do not hold: as in every file of this tree.
groups, notes = tree.groups, tree.notes


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every demonstration of every file, its shapes and attributes; values stay on disk."""
    return tree.index(path, lambda file, data: partial(_episode, file, _attributes(data), source))


def _evidence(handle: h5py.File, file: Path) -> str:
    for name in tree.demos(handle, file):
        group = tree.demo(handle[tree.ROOT], name, file)
        keys = [f"{_ARTICULATIONS}/{robot}/{_POSITIONS}" for robot in _robots(group, file)]
        # What only counts from the default pose is known, and refused with the reason.
        relative = [_RELATIVE] if hdf5.member(group, _SPEED, file) is not None else []
        for key in (*keys, *relative):
            return f"{tree.ROOT}/{name}/{key}"
    return tree.ROOT


def _robots(group: h5py.Group, file: Path) -> list[str]:
    """Articulations that are robots: those that are called so, else the only one."""
    item = hdf5.member(group, _ARTICULATIONS, file)
    inside = sorted(tree.names(item), key=natural) if isinstance(item, h5py.Group) else []
    called = [name for name in inside if "robot" in name.lower()]
    return called or (inside if len(inside) == 1 else [])


def _episode(file: Path, shared: dict[str, Any], source: str, group: h5py.Group, name: str, prefix: str) -> Episode:
    here = f"{tree.ROOT}/{name}"
    if not len(group):
        fix = f"exclude {prefix}{name}: the recorder was stopped before its first step"
        raise InputError("an empty demonstration", where=f"{file}, {here}", expected="recorded steps", fix=fix)
    robots = _robots(group, file)
    stems = ("joint",) if len(robots) == 1 else tuple(f"{robot}_joint" for robot in robots)
    wanted = [
        Part(f"{_ARTICULATIONS}/{robot}/{_POSITIONS}", (stem,), True) for robot, stem in zip(robots, stems, strict=True)
    ]
    qpos = parts.joined(group, wanted, file, here)
    if qpos is None:
        raise _relative(group, file, name, prefix)
    attributes = dict(shared)
    if "franka" in str(shared.get("task", "")).lower() and qpos.series.shape[1] == len(_FRANKA):
        attributes |= {"robot": "panda", "joint_names": _FRANKA}
    action = tree.action(group, _ACTIONS, file, here)
    return parts.episode(f"{prefix}{name}", file, group, qpos, action, source, attributes, here)


def _relative(group: h5py.Group, file: Path, name: str, prefix: str) -> InputError:
    expected = f"joint positions in '{_ARTICULATIONS}/<robot>/{_POSITIONS}'"
    if hdf5.member(group, _RELATIVE, file) is None:
        return tree.without(group, file, name, expected, prefix)
    return InputError(
        f"{_RELATIVE!r} alone, which counts from the robot's default pose",
        where=f"{file}, {tree.ROOT}/{name}",
        expected=expected,
        fix="record the states as well (ActionStateRecorderManagerCfg), or add the default pose and write the sum "
        "natively, to 'qpos'",
    )


def _attributes(data: h5py.Group) -> dict[str, Any]:
    environment = tree.json_attribute(data, "env_args")
    arguments = environment.get("sim_args")
    settings = arguments if isinstance(arguments, dict) else {}
    task, step, every = environment.get("env_name"), settings.get("dt"), settings.get("decimation")
    seconds = step * every if isinstance(step, float) and isinstance(every, int) else None
    hertz = rate({"median_dt": seconds})
    return known(task=task if isinstance(task, str) else None, rate_hz=hertz)
