import json
import shutil

import h5py
import numpy as np
import pytest

from ate.data import DataSet, load
from ate.errors import InputError
from tests.data.formats.makers import robomimic, truth


def test_demonstrations_come_in_natural_order_with_their_own_names(tmp_path):
    episodes = load(robomimic(tmp_path / "set"))
    assert [item.name for item in episodes] == ["demo_2", "demo_10"]


def test_demonstrations_of_several_files_carry_the_file(tmp_path):
    folder = robomimic(tmp_path / "set")
    shutil.copy(folder / "low_dim.hdf5", folder / "more.hdf5")
    names = ["low_dim_demo_2", "low_dim_demo_10", "more_demo_2", "more_demo_10"]
    assert [item.name for item in load(folder)] == names


def test_the_environment_gives_robot_task_and_rate(tmp_path):
    episodes = load(robomimic(tmp_path / "set"))
    assert (episodes.robot, episodes.task, episodes.rate_hz) == ("Panda", "Lift", 20.0)
    assert episodes.joint_names == ("robot0_joint1", "robot0_joint2", "gripper0_finger_joint1")


def test_two_arms_are_put_side_by_side(tmp_path):
    folder = robomimic(tmp_path / "set", robots=("Sawyer", "Sawyer"))
    with h5py.File(folder / "low_dim.hdf5", "r+") as handle:
        for name in handle["data"]:
            obs = handle[f"data/{name}/obs"]
            obs["robot1_joint_pos"] = obs["robot0_joint_pos"][()] + 1
    episodes = load(folder)
    qpos, _ = truth(0)
    np.testing.assert_array_equal(episodes[0].qpos, np.concatenate([qpos, qpos[:, :2] + 1], 1))
    assert episodes.joint_names[2:4] == ("robot0_gripper_qpos_0", "robot1_joint_pos_0")
    assert episodes.robot == "Sawyer+Sawyer"


def test_a_demonstration_without_joint_positions_is_broken_and_named(tmp_path):
    folder = robomimic(tmp_path / "set")
    with h5py.File(folder / "low_dim.hdf5", "r+") as handle:
        del handle["data/demo_10/obs/robot0_joint_pos"]
    found = DataSet(str(folder)).survey()
    assert [item.name for item in found.episodes] == ["demo_2"] and [item.name for item in found.broken] == ["demo_10"]
    with pytest.raises(InputError, match=r"demo_10.*obs/robot0_joint_pos"):
        load(folder)


def test_a_gripper_of_another_length_is_refused(tmp_path):
    folder = robomimic(tmp_path / "set")
    with h5py.File(folder / "low_dim.hdf5", "r+") as handle:
        del handle["data/demo_2/obs/robot0_gripper_qpos"]
        handle["data/demo_2/obs/robot0_gripper_qpos"] = np.zeros((5, 1))
    with pytest.raises(InputError, match=r"12 rows in robot0_joint_pos, 5 rows in robot0_gripper_qpos"):
        load(folder)


@pytest.mark.parametrize("said", ["{", "[" * 100_000, json.dumps([1]), json.dumps({"env_kwargs": 3, "env_name": []})])
def test_an_odd_environment_is_refused_or_unsaid(said, tmp_path):
    folder = robomimic(tmp_path / "set")
    with h5py.File(folder / "low_dim.hdf5", "r+") as handle:
        del handle["data"].attrs["env_args"]
        # Long texts are kept in a dataset of their own by HDF5: attributes hold up to 64 KiB.
        handle["data"].attrs["env_args"] = said[:60_000]
    if said.startswith(("{}", '{"', "[1")):
        assert load(folder).rate_hz is None
    else:
        with pytest.raises(InputError, match="env_args"):
            load(folder)
