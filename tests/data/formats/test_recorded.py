"""Layouts of simulators and of large data sets: what is particular to each, and whole ways through the product."""

import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ate.data import load
from ate.data.doctor.examination import examine
from ate.data.formats import nested
from ate.data.loading import DataSet
from ate.errors import InputError, install
from tests.data.formats import recorded
from tests.data.formats.truth import LENGTHS, NAMES, truth

CASES = Path(__file__).parents[2] / "cases"


@pytest.mark.parametrize(
    ("case", "layout", "steps", "columns"),
    [
        ("libero_no_model", "libero", 210, 9),
        ("maniskill_traj", "maniskill", 204, 9),
        ("robotwin_joint_action", "robotwin", 68, 14),
        ("isaaclab_mimic", "isaaclab", 210, 9),
        ("openpi_state_actions", "lerobot", 277, 8),
    ],
)
def test_cases_from_public_reports_are_read(case, layout, steps, columns):
    empty = ["demo_6"] if case == "isaaclab_mimic" else []
    report = examine(DataSet(str(CASES / case), exclude=tuple(empty)))
    kept = [entry for entry in report.ledger.entries if entry.kept]
    assert (report.ledger.layout, sum(entry.steps for entry in kept)) == (layout, steps)
    assert {entry.columns for entry in kept} == {columns} and report.level != "FAIL"


def test_an_empty_demonstration_of_isaac_lab_is_named_and_its_way_out_leads_out():
    folder = CASES / "isaaclab_mimic"
    with pytest.raises(InputError) as caught:
        load(folder)
    assert "exclude demo_6" in caught.value.fix
    assert len(load(folder, exclude=["demo_6"])) == 6


def test_positions_that_count_from_a_default_pose_are_refused(tmp_path):
    folder = recorded.isaaclab(tmp_path)
    with h5py.File(folder / "dataset.hdf5", "r+") as handle:
        for name in ("demo_0", "demo_1"):
            del handle[f"data/{name}/states"]
    with pytest.raises(InputError) as caught:
        load(folder)
    assert "default pose" in caught.value.got


@pytest.mark.parametrize("maker", [recorded.maniskill, recorded.maniskill_states])
def test_the_observation_after_the_last_action_is_left_out(maker, tmp_path):
    episodes = load(maker(tmp_path))
    assert list(episodes.lengths) == list(LENGTHS) and episodes.robot == "arm" and episodes.rate_hz == 20
    assert episodes.task == "PickCube-v1"


def test_two_robots_of_maniskill_stand_next_to_one_another(tmp_path):
    folder = recorded.maniskill(tmp_path)
    with h5py.File(folder / "trajectory.h5", "r+") as handle:
        for name in ("traj_0", "traj_1"):
            del handle[f"{name}/obs"]
            whole = len(handle[f"{name}/actions"]) + 1
            for robot in ("panda-0", "panda-1"):
                handle[f"{name}/obs/agent/{robot}/qpos"] = np.zeros((whole, 2))
    assert load(folder).joint_names == ("panda-0_joint_0", "panda-0_joint_1", "panda-1_joint_0", "panda-1_joint_1")


def test_droid_names_its_arm_and_takes_its_rate_from_the_clock(tmp_path):
    for number in range(2):
        with h5py.File(recorded.droid(tmp_path / str(number)) / "Fri_Jul__7_09:42:23_2023/trajectory.h5", "r+") as h:
            for key, width in (("observation/robot_state/joint_positions", 7), ("action/joint_position", 7)):
                del h[key]
                h[key] = np.zeros((LENGTHS[0], width))
    shutil.rmtree(tmp_path / "0" / "Sat_Jul__8_10:11:00_2023")
    episodes = load(tmp_path / "0")
    assert episodes.joint_names == (*(f"panda_joint{i}" for i in range(1, 8)), "gripper_position")
    assert episodes.robot == "panda" and episodes.rate_hz == pytest.approx(15.15, abs=0.01)
    assert [item.name for item in episodes] == ["Fri_Jul__7_09:42:23_2023"]


def test_two_hands_beside_two_arms_have_names_of_their_own(tmp_path):
    folder = recorded.agibot(tmp_path)
    for file in folder.glob("*/proprio_stats.h5"):
        with h5py.File(file, "r+") as handle:
            n = len(handle["timestamp"])
            for group in ("state", "action"):
                del handle[f"{group}/joint"], handle[f"{group}/effector"]
                handle[f"{group}/joint/position"] = np.zeros((n, 14))
                handle[f"{group}/effector/position"] = np.zeros((n, 12))
    names = load(folder).joint_names
    assert names[0] == "left_joint_0" and names[7] == "right_joint_0" and len(set(names)) == 26
    assert names[14:26] == tuple(f"{side}_gripper_{i}" for side in ("left", "right") for i in range(6))
    assert load(folder).rate_hz == pytest.approx(30, abs=0.01)


def test_hands_of_one_robot_in_robomimic_stand_beside_its_joints(tmp_path):
    def fill(group, qpos, action):
        group["actions"], group["obs/robot0_joint_pos"] = action, qpos
        group["obs/robot0_left_gripper_qpos"], group["obs/robot0_right_gripper_qpos"] = qpos[:, :2], qpos[:, 1:]

    names = load(recorded.demonstrations(tmp_path, "demo.hdf5", fill)).joint_names
    assert len(names) == 7 and names[3:] == (
        "robot0_left_gripper_qpos_0", "robot0_left_gripper_qpos_1",
        "robot0_right_gripper_qpos_0", "robot0_right_gripper_qpos_1",
    )  # fmt: skip


def test_robots_in_folders_of_their_own_are_no_episodes(tmp_path):
    for robot in ("xarm6", "xarm7"):
        recorded.json_lists(tmp_path / "json" / robot)
        folder = tmp_path / "hdf5" / robot
        folder.mkdir(parents=True)
        with h5py.File(folder / "demo.hdf5", "w") as handle:
            handle["qpos"] = np.zeros((5, int(robot[-1])))
    assert [Path(child.path).name for child in DataSet(str(tmp_path / "hdf5")).children()] == ["xarm6", "xarm7"]


def test_episodes_in_folders_of_their_own_are_one_set(tmp_path):
    for number in range(3):
        folder = tmp_path / f"episode_{number}"
        folder.mkdir()
        with h5py.File(folder / "robot.hdf5", "w") as handle:
            handle["qpos"] = np.zeros((5, 2))
    assert DataSet(str(tmp_path)).children() == ()
    assert [item.name for item in load(tmp_path)] == ["episode_0", "episode_1", "episode_2"]
    assert len(load(tmp_path, exclude=["episode_1"])) == 2


def test_no_folder_of_a_large_set_is_left_out(tmp_path):
    for number in range(1200):
        (tmp_path / f"{number:05d}").mkdir()
        (tmp_path / f"{number:05d}" / "proprio_stats.h5").write_bytes(b"")
    assert len(nested.files(tmp_path, (".h5",))) == 1200
    assert nested.files(tmp_path, (".npz",)) == []


def test_robots_whose_episodes_have_folders_are_sets(tmp_path):
    for robot, maker in (("a", recorded.droid), ("b", recorded.agibot), ("c", recorded.unitree)):
        maker(tmp_path / robot)
    assert [Path(child.path).name for child in DataSet(str(tmp_path)).children()] == ["a", "b", "c"]


def test_unitree_names_its_joints_rate_and_task(tmp_path):
    episodes = load(recorded.unitree(tmp_path))
    assert episodes.joint_names == ("shoulder", "elbow", "left_ee")
    assert (episodes.rate_hz, episodes.task) == (30, "lift")


def test_velocities_and_poses_in_json_are_no_joints(tmp_path):
    steps = [{"arm": [i, 1.0], "arm_velocity": [0.0, 0.0], "tcp_pose": [0.0] * 6, "gripper": 0.5} for i in range(9)]
    (tmp_path / "a.json").write_text(json.dumps([{"states": step} for step in steps]))
    assert load(tmp_path).joint_names == ("arm_0", "arm_1", "gripper")


def test_steps_of_json_with_a_number_a_joint_are_a_table(tmp_path):
    steps = [{"t": i / 20, "elbow": float(i), "wrist": 0.5, "elbow_velocity": 1.0, "cmd_elbow": 1.0} for i in range(9)]
    (tmp_path / "a.json").write_text(json.dumps(steps))
    episodes = load(tmp_path)
    assert episodes.joint_names == ("elbow", "wrist") and episodes.rate_hz == 20
    assert episodes[0].qpos[3, 0] == 3 and episodes[0].series["action"].shape == (9, 1)


def test_umi_is_read_as_poses_of_the_tool(tmp_path):
    import zarr

    root = zarr.open_group(str(tmp_path / "replay_buffer.zarr.zip"), mode="w", zarr_format=2)
    for name, width in (("eef_pos", 3), ("eef_rot_axis_angle", 3), ("gripper_width", 1), ("demo_start_pose", 6)):
        root.create_array(f"data/robot0_{name}", data=np.ones((21, width), np.float32))
    root.create_array("meta/episode_ends", data=np.array([12, 21]))
    root.store.close()
    episodes = load(tmp_path)
    assert list(episodes.lengths) == [12, 21 - 12] and episodes.joint_names == (
        *(f"robot0_eef_{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz")), "robot0_gripper_width",
    )  # fmt: skip


def test_a_store_that_lost_its_hidden_files_is_named_with_the_way():
    with pytest.raises(InputError) as caught:
        load(CASES / "zarr_replay_buffer" / "pusht_cchi_v7_replay.zarr")
    assert "zarr store" in caught.value.where and "data/state" in caught.value.got and "np.savez" in caught.value.fix


def test_chunks_that_are_missing_are_no_zeros(tmp_path):
    folder = recorded.replay_buffer(tmp_path)
    (folder / "replay_buffer.zarr/data/robot_joint/1.0").unlink()
    with pytest.raises(InputError) as caught:
        load(folder)
    assert caught.value.got == "2 of 3 chunks"


def test_without_the_library_the_error_has_the_command(tmp_path, monkeypatch):
    folder = recorded.replay_buffer(tmp_path)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InputError) as caught:
        load(folder)
    assert caught.value.fix == install("zarr")


def test_lerobot_v1_as_saved_on_disk_has_a_way(tmp_path):
    folder = recorded.lerobot_v1(tmp_path)
    shutil.rmtree(folder / "data")
    with pytest.raises(InputError) as caught:
        load(folder)
    assert "to_parquet('data/train.parquet')" in caught.value.fix


def test_a_lone_parquet_file_is_read(tmp_path):
    folder = recorded.lerobot_v1(tmp_path)
    episodes = load(folder / "data" / "train-00000-of-00001.parquet")
    assert [item.name for item in episodes] == ["episode_000000", "episode_000001"]
    np.testing.assert_array_equal(episodes[1].qpos, next(truth(1)))


@pytest.mark.parametrize("maker", [recorded.joint_states, recorded.plotjuggler])
def test_tables_of_ros_name_joints_by_the_message_and_take_the_rate_of_its_clock(maker, tmp_path):
    episodes = load(maker(tmp_path))
    assert episodes.joint_names == NAMES and episodes.rate_hz == pytest.approx(20)
    assert episodes[0].column_names("action") == NAMES


def test_joints_that_change_from_row_to_row_are_refused(tmp_path):
    file = recorded.joint_states(tmp_path) / "episode_0.csv"
    lines = file.read_text().splitlines()
    lines[4] = lines[4].replace("elbow", "finger")
    file.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert caught.value.where.endswith("row 3") and "finger" in caught.value.got


def test_a_list_of_names_in_one_cell_names_the_joints(tmp_path):
    head = "Time,header.seq,name,position_0,position_1,velocity_0,velocity_1"
    rows = [f"{i / 10},{i},\"['elbow', 'shoulder']\",{i}.0,1.0,0.0,0.0" for i in range(9)]
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]))
    episodes = load(tmp_path)
    assert episodes.joint_names == ("elbow", "shoulder") and episodes[0].qpos[4, 0] == 4 and episodes.rate_hz == 10
