"""LIBERO: HDF5 files of many demonstrations of a Franka Panda, `data/<demo>/obs/joint_states` and `gripper_states`.

The simulator's states and its model may be there as well; these are what was measured, so no model is needed. Source:
LIBERO's `scripts/create_dataset.py`, and OpenVLA's regeneration without pauses, which writes no model.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ate.data.episodes import Episode
from ate.data.formats import hdf5, parts, tree
from ate.data.formats.layout import Broken, clock_rate, known, rate
from ate.data.formats.parts import Part
from ate.errors import InputError

NAME = "libero"
EXPECTS = "HDF5 files with 'data/<demo>/obs/joint_states' and 'data/<demo>/obs/gripper_states'"
_JOINTS = Part("obs/joint_states", tuple(f"robot0_joint{i}" for i in range(1, 8)), True)
_FINGERS = Part("obs/gripper_states", ("gripper0_finger_joint1", "gripper0_finger_joint2"))
_ACTIONS, _STATES = Part("actions", (), True), "states"
# Enough rows to measure the time step.
_TIMED = 2000


def looks(path: Path) -> str | None:
    """What makes this LIBERO's layout, or None."""
    return hdf5.evidence(path, lambda *opened: f"{tree.ROOT}/{tree.demos(*opened)[0]}/{_JOINTS.key}")


# Masks, and numbers of rows that files give and do not hold: as in every file of this tree.
groups, notes = tree.groups, tree.notes


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every demonstration of every file, its shapes and attributes; values stay on disk."""
    return tree.index(path, lambda file, data: partial(_episode, file, _attributes(data), source))


def _episode(file: Path, shared: dict[str, Any], source: str, group: h5py.Group, name: str, prefix: str) -> Episode:
    here = f"{tree.ROOT}/{name}"
    qpos = parts.joined(group, (_JOINTS, _FINGERS), file, here)
    if qpos is None:
        raise tree.without(group, file, name, f"joint positions in {_JOINTS.key!r}", prefix)
    action = tree.action(group, _ACTIONS, file, here)
    clock = {} if "rate_hz" in shared else _clock(group, file)
    return parts.episode(f"{prefix}{name}", file, group, qpos, action, source, {**clock, **shared}, here)


def _clock(group: h5py.Group, file: Path) -> dict[str, float]:
    """The rate by the clock of the simulator, the first column of its states; pauses may have been cut out."""
    try:
        states = hdf5.series(group, _STATES, file, matrix=True)
    except InputError:
        return {}
    return {} if states is None else clock_rate(np.asarray(group[_STATES][:_TIMED, 0], dtype=np.float64))


def _attributes(data: h5py.Group) -> dict[str, Any]:
    problem = tree.json_attribute(data, "problem_info")
    environment = tree.json_attribute(data, "env_args", "env_kwargs")
    inner = environment.get("env_kwargs")
    settings = inner if isinstance(inner, dict) else environment
    task = problem.get("language_instruction") or environment.get("env_name")
    hertz = rate({"control_freq": settings.get("control_freq")})
    robot = tree.robots(settings.get("robots")) or "Panda"
    return known(robot=robot, task=task if isinstance(task, str) else None, rate_hz=hertz)
