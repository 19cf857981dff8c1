"""Some columns taken for the whole robot: by name, by pattern, lazily, and refused with the way out."""

import h5py
import numpy as np
import pytest

from ate.data import load
from ate.data.loading import DataSet
from ate.errors import InputError
from ate.experiments.settings import settings

NAMES = ("left_a", "left_b", "right_a", "right_b", "grip")


def record(folder, index, names, extra=0, named=True):
    """An episode whose column j holds 100·index + j; `extra` more columns in `action`, without names."""
    folder.mkdir(exist_ok=True)
    values = np.tile(100.0 * index + np.arange(len(names), dtype=np.float32), (12, 1))
    with h5py.File(folder / f"episode_{index:04d}.hdf5", "w") as handle:
        handle["qpos"] = values
        handle["action"] = np.zeros((12, len(names) + extra), np.float32)
        if named:
            handle.attrs["joint_names"] = np.array(names, "S16")


def test_patterns_take_columns_in_the_order_of_the_file_whatever_the_width(tmp_path):
    record(tmp_path / "set", 0, NAMES)
    record(tmp_path / "set", 1, ("right_b", "right_a", "left_a"))  # narrower, and in another order
    with pytest.raises(InputError, match="columns in 'qpos'"):
        load(tmp_path / "set")
    found = DataSet(str(tmp_path / "set"), joints=("right_*",)).load()
    assert found.joint_names == ("right_a", "right_b") and found.series(1)[0].tolist() == [101, 100]
    record(tmp_path / "set", 1, ("right_b", "right_c", "left_a"))
    with pytest.raises(InputError, match="right_a, right_b"):
        DataSet(str(tmp_path / "set"), joints=("right_*",)).load()
    record(tmp_path / "set", 1, ("right_a", "left_a", "right_b"))
    found = DataSet(str(tmp_path / "set"), joints=("right_*",)).load()
    assert found.joint_names == ("right_a", "right_b") and found.dof == 2 and len(found) == 2
    assert found.series(0)[0].tolist() == [2, 3] and found.series(1)[0].tolist() == [100, 102]
    assert found[0].read("action").shape == (12, 2)
    assert found.digest != load(tmp_path / "set", exclude=["episode_0001"]).digest


def test_a_companion_series_without_names_is_left_out_and_the_source_is_refused(tmp_path):
    record(tmp_path / "set", 0, NAMES, extra=1)
    found = load(tmp_path / "set", joints=["left_a", "grip"])
    assert found.joint_names == ("left_a", "grip") and not found.has("action")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "set", source="action", joints=["left_a"])
    assert caught.value.got.startswith("6 columns") and caught.value.where.endswith("'action'")


def test_names_come_from_a_profile_where_files_have_none(tmp_path):
    names = tuple(f"joint_{i}" for i in range(8))
    record(tmp_path / "panda", 0, names, named=False)
    found = DataSet(str(tmp_path / "panda"), robot="panda", joints=("panda_joint[12]",)).load()
    assert found.dof == 2 and found.series(0)[0].tolist() == [0, 1]


def test_a_mistyped_joint_names_the_nearest_one(tmp_path):
    record(tmp_path / "set", 0, NAMES)
    with pytest.raises(InputError, match="did you mean 'right_a'"):
        load(tmp_path / "set", joints=["right_*", "rigth_a"])
    with pytest.raises(InputError, match="no joint that matches wrist"):
        load(tmp_path / "set", joints=["wrist*"])


def test_settings_hand_them_on(tmp_path):
    chosen = settings({"profile": "smoke", "joints": "right_*, grip", "joints_pretrain": "left_*"})
    assert chosen.adapt_data.joints == ("right_*", "grip") and chosen.pretrain_data.joints == ("left_*",)
