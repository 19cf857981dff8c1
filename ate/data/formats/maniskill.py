"""ManiSkill: HDF5 files of many trajectories, `traj_<k>/obs/agent/qpos` or `traj_<k>/env_states/articulations/<robot>`.

Observations and states have a row more than actions, the last one after the last action: it is left out. A state is
the pose of the base (7), its velocities (6), joint positions, joint velocities. What the environment was stands in a
JSON file of the same name. Source: ManiSkill 3's documentation, "Demonstrations" and "Trajectory format".
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from ate.data.episodes import Episode
from ate.data.formats import hdf5, parts, tree
from ate.data.formats.companions import natural
from ate.data.formats.jsonfile import read_object
from ate.data.formats.layout import Broken, known, listed, rate
from ate.data.formats.parts import Joined, Part
from ate.data.series import Series
from ate.errors import InputError

NAME = "maniskill"
EXPECTS = "HDF5 files with 'traj_<k>/obs/agent/qpos' or 'traj_<k>/env_states/articulations/<robot>', and 'actions'"
_TRAJECTORY, _AGENT, _STATES = "traj_", "obs/agent", "env_states/articulations"
_ACTIONS = Part("actions", (), True)
_BASE = 13
# Steps of control a second, unless its JSON says otherwise.
_RATE = 20.0
_PANDA = (*(f"panda_joint{i}" for i in range(1, 8)), "finger_joint_1", "finger_joint_2")


def looks(path: Path) -> str | None:
    """What makes this ManiSkill's layout, or None."""
    return hdf5.evidence(path, lambda handle, file: f"{_trajectories(handle, file)[0]}/{_ACTIONS.key}")


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every trajectory of every file, its shapes; values stay on disk."""
    files = listed(path, hdf5.SUFFIXES)
    for file in files:
        prefix = f"{file.stem}_" if len(files) > 1 else ""
        try:
            with hdf5.opened(file) as handle:
                environment = _environment(file)
                for name in _trajectories(handle, file):
                    try:
                        yield _episode(handle, file, name, prefix, source, environment)
                    except InputError as error:
                        yield Broken(f"{prefix}{name}", file, error)
        except InputError as error:
            yield Broken(file.stem, file, error)


def _trajectories(handle: h5py.File, file: Path) -> list[str]:
    trajectories = sorted((name for name in tree.names(handle) if name.startswith(_TRAJECTORY)), key=natural)
    if not trajectories:
        got, fix = f"datasets and groups {', '.join(hdf5.keys(handle))[:2000]}", "name another layout, or exclude it"
        raise InputError(got, where=str(file), expected="a group 'traj_0' and its siblings", fix=fix)
    return trajectories


def _episode(
    handle: h5py.File, file: Path, name: str, prefix: str, source: str, environment: dict[str, Any]
) -> Episode:
    group = hdf5.member(handle, name, file)
    if not isinstance(group, h5py.Group):
        fix = f"exclude {prefix}{name}"
        raise InputError("no group", where=f"{file}, {name}", expected="a group of datasets", fix=fix)
    robot = environment.get("robot_uids")
    qpos = _observed(group, file, name) or _simulated(group, file, name, robot)
    if qpos is None:
        raise _without(group, file, name, f"{prefix}{name}")
    action = tree.action(group, _ACTIONS, file, name)
    rows = len(action.series) if isinstance(action, Joined) else len(qpos.series) - 1
    if len(qpos.series) == rows + 1 and rows:
        whole = qpos.series
        qpos = replace(qpos, series=Series((rows, whole.shape[1]), whole.where, whole.fetch))
    attributes = known(
        robot=robot if isinstance(robot, str) else _articulation(group, file),
        task=environment.get("env_id"),
        rate_hz=rate({"rate_hz": environment.get("control_freq", _RATE)}),
    )
    attributes |= known(success=environment.get("outcomes", {}).get(name)) | hdf5.outcome(group)
    if str(attributes.get("robot", "")).startswith("panda") and qpos.series.shape[1] == len(_PANDA):
        attributes |= {"robot": "panda", "joint_names": _PANDA}
    return parts.episode(f"{prefix}{name}", file, group, qpos, action, source, attributes, name)


def _observed(group: h5py.Group, file: Path, name: str) -> Joined | None:
    """`obs/agent/qpos`, or `obs/agent/<robot>/qpos` of several robots."""
    agent = hdf5.member(group, _AGENT, file)
    if not isinstance(agent, h5py.Group):
        return None
    whole = parts.joined(group, [Part(f"{_AGENT}/qpos", ("joint",), True)], file, name)
    robots = sorted(tree.names(agent), key=natural)
    several = [Part(f"{_AGENT}/{robot}/qpos", (f"{robot}_joint",), True) for robot in robots]
    return whole or parts.joined(group, several, file, name)


def _simulated(group: h5py.Group, file: Path, name: str, robot: Any) -> Joined | None:
    """The joint positions in a robot's state: of the robot that the JSON names, or of the only articulation."""
    chosen = robot if isinstance(robot, str) else None
    only = _articulation(group, file)
    key = f"{_STATES}/{chosen if only is None else only}"
    state = hdf5.series(group, key, file, matrix=True) if chosen or only else None
    if state is None:
        return None
    joints, odd = divmod(state.shape[1] - _BASE, 2)
    if joints < 1 or odd:
        expected = "a base's pose and velocities (13), then as many positions as velocities"
        got, fix = f"{state.shape[1]} columns", "replay the trajectory with obs_mode='state_dict', which writes qpos"
        raise InputError(got, where=state.where, expected=expected, fix=fix)
    rows = hdf5.Rows(file, (f"{name}/{key}",), tuple(range(_BASE, _BASE + joints)))
    series = Series((len(state), joints), f"{file}, dataset {f'{name}/{key}'!r}", rows)
    return Joined(series, tuple(f"joint_{i}" for i in range(joints)), (key,))


def _articulation(group: h5py.Group, file: Path) -> str | None:
    item = hdf5.member(group, _STATES, file)
    inside = list(tree.names(item)) if isinstance(item, h5py.Group) else []
    return inside[0] if len(inside) == 1 else None


def _without(group: h5py.Group, file: Path, name: str, whole: str) -> InputError:
    return InputError(
        f"datasets and groups {', '.join(hdf5.keys(group))[:2000] or 'none'}",
        where=f"{file}, {name}",
        expected=f"joint positions in '{_AGENT}/qpos', or the state of one robot in '{_STATES}/<robot>'",
        fix="replay the trajectories with observations (python -m mani_skill.trajectory.replay_trajectory --traj-path "
        f"{file.name} -o state_dict --save-traj), or exclude {whole}",
    )


def _environment(file: Path) -> dict[str, Any]:
    """What the JSON of the same name says of the environment; empty where there is none."""
    beside = file.with_suffix(".json")
    if not beside.is_file():
        return {}
    whole = read_object(beside)
    described = whole.get("env_info")
    info = described if isinstance(described, dict) else {}
    entries = whole.get("episodes")
    outcomes = {
        f"{_TRAJECTORY}{entry.get('episode_id')}": entry["success"]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("success"), bool)
    }
    inner = info.get("env_kwargs")
    settings = inner if isinstance(inner, dict) else {}
    simulation = settings.get("sim_config")
    frequency = simulation.get("control_freq") if isinstance(simulation, dict) else None
    task = info.get("env_id")
    return known(
        env_id=task if isinstance(task, str) else None,
        robot_uids=settings.get("robot_uids"),
        control_freq=frequency,
        outcomes=outcomes,
    )
