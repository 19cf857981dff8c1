"""robomimic: HDF5 files of many demonstrations, `data/<demo>/actions` and `data/<demo>/obs/robot0_joint_pos`.

An arm's columns are its joint positions (rad), then its gripper's, as its simulator counts them.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from ate.data.episodes import Episode
from ate.data.formats import hdf5, tree
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, known, rate, text
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "robomimic"
EXPECTS = "HDF5 files with 'data/<demo>/actions' and 'data/<demo>/obs/robot0_joint_pos'"
_JOINTS, _GRIPPER = "robot{}_joint_pos", "robot{}_gripper_qpos"
# A robot of two arms has all its joints in one dataset, and a hand a side.
_HANDS = ("robot{}_left_gripper_qpos", "robot{}_right_gripper_qpos")
_ARMS = 2


def looks(path: Path) -> str | None:
    """What makes this the robomimic layout, or None."""
    return hdf5.evidence(path, lambda *opened: f"{tree.ROOT}/{tree.demos(*opened)[0]}/obs/{_JOINTS.format(0)}")


# Masks, and numbers of rows that files give and do not hold: as in every file of this tree.
groups, notes = tree.groups, tree.notes


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every demonstration of every file, its shapes and attributes; values stay on disk."""
    return tree.index(path, lambda file, data: partial(_episode, file, _attributes(data), source))


def _episode(file: Path, shared: dict[str, Any], source: str, group: h5py.Group, name: str, prefix: str) -> Episode:
    here = f"{tree.ROOT}/{name}"
    obs = hdf5.member(group, "obs", file)
    wanted = [form.format(arm) for arm in range(_ARMS) for form in (_JOINTS, _GRIPPER, *_HANDS)]
    parts = {key: hdf5.series(obs, key, file, matrix=True) for key in wanted} if isinstance(obs, h5py.Group) else {}
    present = {key: series for key, series in parts.items() if series is not None}
    if _JOINTS.format(0) not in present:
        raise InputError(
            f"datasets {', '.join(tree.names(obs if isinstance(obs, h5py.Group) else group))}",
            where=f"{file}, {here}",
            expected=f"joint positions in 'obs/{_JOINTS.format(0)}'",
            fix=f"extract the low-dimensional observations with joint positions, or exclude {prefix}{name}",
        )
    rows = {len(part) for part in present.values()}
    if len(rows) > 1:
        got = ", ".join(f"{len(part)} rows in {key}" for key, part in present.items())
        expected = "as many rows of the gripper as of the joints"
        raise InputError(got, where=f"{file}, {here}/obs", expected=expected, fix=f"exclude {prefix}{name}")
    keys = tuple(f"{here}/obs/{key}" for key in present)
    shape = (rows.pop(), sum(part.shape[1] for part in present.values()))
    series = {"qpos": Series(shape, f"{file}, datasets {', '.join(keys)}", hdf5.Rows(file, keys))}
    action = tree.companion(group.file, f"{here}/actions", file)
    left = pair(series, {"action": action}, source, f"{file}, {here}")
    used = (*(f"obs/{key}" for key in present), *(["actions"] if "action" in series else []))
    others = [*(f"obs/{key}" for key in tree.names(obs)), *(key for key in tree.names(group) if key != "obs")]
    hands = [form.format(0) for form in _HANDS]
    usual = wanted[:1] if any(key in present for key in hands) else wanted[:2]
    missing = [f"obs/{key}" for key in usual if key not in present]
    missing += [] if "actions" in others else ["actions"]
    left += [key for key in others if key not in (*used, "actions")]
    attributes = {**shared, "joint_names": _joint_names(present, shared.get("robot"))}
    return Episode(f"{prefix}{name}", file, series, attributes, Keys(used, tuple(missing), tuple(left)))


def _joint_names(parts: dict[str, Series], robot: Any) -> tuple[str, ...]:
    names = []
    for key, series in parts.items():
        form, first = f"{key}_{{}}", 0
        if robot == "Panda" and key in (_JOINTS.format(0), _GRIPPER.format(0)):
            # As the simulator's own model of this arm calls them.
            form, first = "robot0_joint{}" if key.endswith("joint_pos") else "gripper0_finger_joint{}", 1
        names += [form.format(i + first) for i in range(series.shape[1])]
    return tuple(names)


def _attributes(data: h5py.Group) -> dict[str, Any]:
    environment = tree.json_attribute(data, "env_args")
    inner = environment.get("env_kwargs")
    settings = inner if isinstance(inner, dict) else {}
    task = environment.get("env_name")
    hertz = rate({"control_freq": settings.get("control_freq")})
    units = text(data.attrs["units"]) if h5py.h5a.exists(data.id, b"units") else None
    named = task if isinstance(task, str) else None
    return known(robot=tree.robots(settings.get("robots")), task=named, rate_hz=hertz, units=units)
