"""robosuite: HDF5 files of flattened simulator states, `data/<demo>/states` = time, positions, velocities.

Which column is which joint stands in the model's XML: in the attribute `model_file`, or in a file of `models/` that
the attribute names. Joints that an actuator moves are the robot's; objects and doors are left out.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from ate.data.clock import Clock
from ate.data.episodes import Episode
from ate.data.formats import hdf5, mujoco_model, tree
from ate.data.formats.companions import pair
from ate.data.formats.layout import Broken, confined, known, text, timed
from ate.data.formats.mujoco_model import Model
from ate.data.formats.outline import outline, positions
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "robosuite"
EXPECTS = "HDF5 files with 'data/<demo>/states' and the model's XML, in 'model_file' or in the folder models/"
_STATES, _ACTIONS, _MODEL = "states", "actions", "model_file"
# Enough rows to measure the time step; reading all of them would be reading the set.
_TIMED = 2000


def looks(path: Path) -> str | None:
    """What makes this robosuite's layout, or None."""
    return hdf5.evidence(path, lambda *opened: f"{tree.ROOT}/{tree.demos(*opened)[0]}/{_STATES}")


def groups(path: Path) -> dict[str, tuple[str, ...]]:
    """The masks of its files."""
    return tree.groups(path)


def notes(path: Path) -> tuple[str, ...]:
    """Numbers of rows that its files give and do not have."""
    return tree.notes(path)


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every demonstration of every file, its shapes and attributes; values stay on disk."""
    return tree.index(path, lambda file, data: partial(_episode, file, data, _attributes(data), {}, source))


def _episode(
    file: Path,
    data: h5py.Group,
    shared: dict[str, Any],
    models: dict[str, Model],
    source: str,
    group: h5py.Group,
    name: str,
    prefix: str,
) -> Episode:
    model = _model(group, data, file, name, models, prefix)
    here = f"{tree.ROOT}/{name}"
    states = hdf5.series(group, _STATES, file, matrix=True)
    if states is None:
        got, fix = f"datasets {', '.join(tree.names(group)) or 'none'}", f"exclude {prefix}{name}"
        raise InputError(got, where=f"{file}, {here}", expected=f"flattened simulator states in {_STATES!r}", fix=fix)
    robot = model.driven
    if states.shape[1] != model.width or not robot:
        raise InputError(
            f"{states.shape[1]} columns of states",
            where=f"{file}, {here}/{_STATES}",
            expected=f"{model.width}: time, positions and velocities of the {len(model.joints)} joints of the model, "
            f"{len(robot)} of them driven by an actuator",
            fix="put the model that was recorded next to the states",
        )
    key = f"{here}/{_STATES}"
    picked = hdf5.Rows(file, (key,), tuple(1 + joint.address for joint in robot))
    series = {"qpos": Series((len(states), len(robot)), f"{file}, dataset {key!r}", picked)}
    action = tree.companion(group.file, f"{here}/{_ACTIONS}", file)
    left = pair(series, {"action": action}, source, f"{file}, {here}")
    present = list(tree.names(group))
    left += [_noted(group, other, file) for other in present if other not in (_STATES, _ACTIONS)]
    used = (_STATES, _MODEL, *([_ACTIONS] if "action" in series else []))
    keys = Keys(used, () if _ACTIONS in present else (_ACTIONS,), tuple(left))
    stamps = Series((len(states), 1), f"{file}, dataset {key!r}, the time", hdf5.Rows(file, (key,), (0,)), exact=True)
    clock = Clock("time_s", stamps)
    slides = any(joint.kind == "slide" for joint in robot)
    attributes = {
        **shared,
        **timed(clock),
        "joint_names": tuple(joint.name for joint in robot),
        "units": "rad (hinges), m (slides)" if slides else "rad",
    }
    return Episode(f"{prefix}{name}", file, series, attributes, keys, clock=clock)


def _model(group: h5py.Group, data: h5py.Group, file: Path, name: str, models: dict[str, Model], prefix: str) -> Model:
    holder = next((g for g in (group, data) if h5py.h5a.exists(g.id, _MODEL.encode())), None)
    where = f"{file}, attribute {_MODEL!r} of {tree.ROOT}/{name}"
    given = None if holder is None else text(holder.attrs[_MODEL])
    inline = given is not None and given.lstrip().startswith("<")
    if given is None or (not inline and ("\0" in given or len(given) > 1000)):
        got = "no such attribute" if given is None else f"{len(given)} characters that name no file"
        fix = f"put the model that was recorded next to the states{_measured(file)}, or exclude {prefix}{name}"
        raise InputError(got, where=where, expected="the model's XML, or the name of its file in models/", fix=fix)
    if given not in models:
        if inline:
            models[given] = mujoco_model.parse(given, where)
        else:
            models[given] = mujoco_model.read(confined(file.parent / "models", given, where))
    return models[given]


def _measured(file: Path) -> str:
    """The option that reads what was measured, where a file without its model has that."""
    keys = positions(outline(file))
    return f", or read what was measured, --layout 'qpos={keys[0]}'" if keys else ""


def _noted(group: h5py.Group, name: str, file: Path) -> str:
    """A key that is not used, with its shape where that says why."""
    if hdf5.link(group, name) != h5py.h5l.TYPE_HARD:
        return f"{name} (link)"
    item = hdf5.member(group, name, file)
    shape = tuple(item.id.shape or ()) if isinstance(item, h5py.Dataset) else None
    return f"{name} (shape {shape})" if shape is not None and 0 in shape else name


def _attributes(data: h5py.Group) -> dict[str, Any]:
    environment = tree.json_attribute(data, "env_info", "env_args")
    task = text(data.attrs["env"]) if h5py.h5a.exists(data.id, b"env") else environment.get("env_name")
    return known(task=task if isinstance(task, str) else None, robot=tree.robots(environment.get("robots")))
