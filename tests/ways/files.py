"""Ways out of recordings in HDF5 that cannot be read."""

import re

import h5py
import numpy as np
import pytest

from ate.data.formats import layout
from ate.data.formats.keyed import Keyed
from ate.errors import InputError
from tests.conftest import write_episode
from tests.data.formats import makers, recorded, variants
from tests.data.formats.truth import truth
from tests.ways.taking import excluding, read, spoil, way


@excluding("data/formats/aloha.py _episode")
def _(p):
    spoil(makers.aloha(p.set) / "episode_1.hdf5", "observations/qpos")


@way("data/formats/hdf5.py series")
def _(p):
    makers.native(p.set)
    file = p.set / "episode_0001.hdf5"
    spoil(file, "qpos")
    with h5py.File(file, "r+") as handle:
        handle.create_group("qpos/values")["x"] = np.zeros((3, 3))
    yield lambda: read(p.set), "rewrite it"
    spoil(file, "qpos", next(truth(1)))
    read(p.set)


@excluding("data/formats/hdf5.py series#2")
def _(p):
    makers.native(p.set)
    spoil(p.set / "episode_0001.hdf5", "qpos")
    with h5py.File(p.set / "episode_0001.hdf5", "r+") as handle:
        handle.create_dataset("qpos", (10**6, 3), "f4", chunks=(1024, 3))


@way("data/formats/hdf5.py _elsewhere")
def _(p):
    makers.native(p.set)
    other = makers.native(p.path / "other") / "episode_0001.hdf5"
    spoil(p.set / "episode_0001.hdf5", "qpos", h5py.ExternalLink(str(other), "qpos"))
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)
    yield lambda: read(p.set), "copy the values into the file"
    with h5py.File(other, "r") as source, h5py.File(p.set / "episode_0001.hdf5", "r+") as target:
        del target["qpos"]
        source.copy("qpos", target)
    read(p.set)


@excluding("data/formats/isaaclab.py _episode")
def _(p):
    recorded.isaaclab(p.set)
    with h5py.File(p.set / "dataset.hdf5", "r+") as handle:
        handle.create_group("data/demo_2")


@way("data/formats/isaaclab.py _relative")
def _(p):
    recorded.isaaclab(p.set)
    with h5py.File(p.set / "dataset.hdf5", "r+") as handle:
        relative = handle["data/demo_0/obs/joint_pos"][()]
        for name in ("demo_0", "demo_1"):
            del handle[f"data/{name}/states"]
    key = yield lambda: read(p.set), r"add the default pose and write the sum natively, to '(\w+)'"
    write_episode(p.path / "mended", 0, relative + 0.1)
    with h5py.File(p.path / "mended/episode_0000.hdf5") as handle:
        assert key in handle
    read(p.path / "mended")


@way("data/formats/keyed.py Keyed.parse")
def _(p):
    variants.keyed(p.set)
    yield lambda: Keyed.parse("qpos=a_*/q+b_*/q"), "as ate doctor shows them"
    yield lambda: read(p.set, layout="action=session/cmd"), "name the datasets as ate doctor shows them"
    read(p.set, layout=f"qpos={_shown(p)}")


def _shown(p):
    """What the doctor shows of the first positions, where no layout is named."""
    with pytest.raises(InputError) as caught:
        p.ate("doctor", p.set)
    return re.search(r"session/left/q", caught.value.got)[0]


@way("data/formats/keyed.py _missing")
def _(p):
    variants.keyed(p.set)
    spoil(p.set / "take_1.h5", "session/left/q")
    name = yield lambda: read(p.set, layout=variants.KEYED), r"exclude (\S+)"
    p.without(name, layout=variants.KEYED)
    yield lambda: read(p.set, layout="qpos=session/right/q"), "as ate doctor shows them without --layout"
    p.without("take_1", layout=f"qpos={_shown(p)}")


@way("data/formats/layout.py check_matrix")
def _(p):
    file = makers.native(p.set) / "episode_0001.hdf5"
    rows = next(truth(1))
    spoil(file, "qpos", rows[:, 0])
    yield lambda: read(p.set), "one row a step and one column a joint"
    spoil(file, "qpos", rows)
    read(p.set)


@way("data/formats/layout.py check_matrix#2")
def _(p):
    makers.native(p.set)
    rows = next(truth(0))
    p.patch.setattr(layout, "MOST_BYTES", rows.nbytes - 1)
    yield lambda: read(p.set), "cut the recording into episodes"
    half = len(rows) // 2
    for number, part in enumerate((rows[:half], rows[half:])):
        write_episode(p.path / "cut", number, part)
    read(p.path / "cut")


@excluding("data/formats/maniskill.py _trajectories")
def _(p):
    recorded.maniskill(p.set)
    with h5py.File(p.set / "empty.h5", "w") as handle:
        handle["x"] = np.zeros(3)


@excluding("data/formats/maniskill.py _episode")
def _(p):
    recorded.maniskill(p.set)
    spoil(p.set / "trajectory.h5", "traj_1", np.zeros((3, 3)))


@way("data/formats/maniskill.py _simulated")
def _(p):
    recorded.maniskill(p.set, observed=False)
    spoil(p.set / "trajectory.h5", "traj_1/env_states/articulations/arm", np.zeros((10, 16)))
    yield lambda: read(p.set), "obs_mode='state_dict', which writes qpos"
    for file in p.set.iterdir():
        file.unlink()
    read(recorded.maniskill(p.set, observed=True))


@way("data/formats/maniskill.py _without")
def _(p):
    recorded.maniskill(p.set)
    spoil(p.set / "trajectory.h5", "traj_1/obs")
    spoil(p.set / "trajectory.h5", "traj_1/env_states")
    name = yield lambda: read(p.set), r"or exclude (\S+)"
    p.without(name)
    file = yield lambda: read(p.set), r"--traj-path (\S+) -o state_dict"
    assert (p.set / file).is_file()


@way("data/formats/mujoco_model.py _odd")
def _(p):
    makers.robosuite(p.set)
    (p.set / "models/m.xml").write_text("<mujoco/>")
    yield lambda: read(p.set), "restore the model's file"
    (p.set / "models/m.xml").write_text(makers.MODEL)
    read(p.set)


@way("data/formats/native.py _episode")
def _(p):
    makers.native(p.set)
    spoil(p.set / "episode_0001.hdf5", "qpos")
    key = yield lambda: read(p.set), r"write the joint positions to '(\w+)', one row a step"
    spoil(p.set / "episode_0001.hdf5", key, next(truth(1)))
    read(p.set)


@excluding("data/formats/parts.py joined")
def _(p):
    recorded.agibot(p.set)
    spoil(p.set / "648643/proprio_stats.h5", "state/effector/position", np.zeros((3, 1)))


@excluding("data/formats/recording.py Recording._episode")
def _(p):
    recorded.robotwin(p.set, vector=False)
    spoil(p.set / "episode1.hdf5", "joint_action")


@excluding("data/formats/robomimic.py _episode")
def _(p):
    makers.robomimic(p.set)
    spoil(p.set / "low_dim.hdf5", "data/demo_10/obs/robot0_joint_pos")


@excluding("data/formats/robomimic.py _episode#2")
def _(p):
    makers.robomimic(p.set)
    spoil(p.set / "low_dim.hdf5", "data/demo_10/obs/robot0_gripper_qpos", np.zeros((3, 1)))


@excluding("data/formats/robosuite.py _episode")
def _(p):
    makers.robosuite(p.set)
    spoil(p.set / "demo.hdf5", "data/demo_2/states")


@way("data/formats/robosuite.py _episode#2")
def _(p):
    makers.robosuite(p.set, model=makers.MODEL.replace('<body name="door"><joint name="door_hinge"/></body>', ""))
    yield lambda: read(p.set), "put the model that was recorded next to the states"
    (p.set / "models/m.xml").write_text(makers.MODEL)
    read(p.set)


@way("data/formats/robosuite.py _model")
def _(p):
    makers.robosuite(p.set)
    with h5py.File(p.set / "demo.hdf5", "r+") as handle:
        del handle["data/demo_2"].attrs["model_file"]
    name = yield lambda: read(p.set), r"exclude (\S+)$"
    p.without(name)
    yield lambda: read(p.set), "put the model that was recorded next to the states"
    with h5py.File(p.set / "demo.hdf5", "r+") as handle:
        handle["data/demo_2"].attrs["model_file"] = makers.MODEL
    read(p.set)


@excluding("data/formats/tree.py demos")
def _(p):
    makers.robomimic(p.set)
    with h5py.File(p.set / "other.hdf5", "w") as handle:
        handle["x"] = np.zeros(3)


@way("data/formats/tree.py demo")
def _(p):
    makers.robomimic(p.set)
    with h5py.File(p.set / "low_dim.hdf5", "r+") as handle:
        handle.move("data/demo_10", "data/" + "x" * 3000)
    yield lambda: read(p.set), "rename the demonstration"
    with h5py.File(p.set / "low_dim.hdf5", "r+") as handle:
        handle.move("data/" + "x" * 3000, "data/demo_10")
    read(p.set)


@excluding("data/formats/tree.py demo#2")
def _(p):
    makers.robomimic(p.set)
    spoil(p.set / "low_dim.hdf5", "data/demo_3", np.zeros((3, 3)))


@excluding("data/formats/tree.py without")
def _(p):
    recorded.libero(p.set)
    spoil(p.set / "pick_up_the_bowl_demo.hdf5", "data/demo_1/obs")
