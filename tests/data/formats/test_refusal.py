"""Refusals: the keys once, at full depth, with a way out that leads out; files that are not read, with a converter."""

import json
import re

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.convert import convert
from ate.cli.doctor import doctor
from ate.data import load
from ate.data.doctor.examination import examine
from ate.data.formats.refusal import FOREIGN
from ate.errors import InputError
from tests.data.formats import makers, recorded
from tests.data.formats.truth import truth


def unknown_runs(folder, files=1):
    """A file of three runs in no layout, its joints six groups deep."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        with h5py.File(folder / f"recorded_{number}.h5", "w") as handle:
            for run in range(3):
                group = handle.create_group(f"sessions/run_{run}")
                for side in ("left", "right"):
                    group[f"robot/{side}/sensors/encoder/joint_angle"] = np.full((9, 2), run, np.float32)
                    group[f"robot/{side}/sensors/encoder/joint_velocity"] = np.zeros((9, 2))
                    group[f"commands/{side}"] = np.ones((9, 2))
                group["camera/rgb"] = np.zeros((9, 2, 2, 3), np.uint8)
    return folder


def test_the_keys_of_all_files_are_shown_once_at_full_depth(tmp_path):
    with pytest.raises(InputError) as caught:
        load(unknown_runs(tmp_path, files=3))
    error = caught.value
    assert error.got.count("sessions/run_*/robot/left/sensors/encoder/joint_angle (9, 2)") == 1
    assert "run_1" not in error.got and "2 more files" in error.where
    result = CliRunner().invoke(doctor, [str(tmp_path)])
    shown = result.output or str(result.exception)
    assert result.exit_code != 0 and shown.count("left/sensors/encoder/joint_velocity") == 1


def test_the_option_in_the_refusal_reads_the_file(tmp_path):
    with pytest.raises(InputError) as caught:
        load(unknown_runs(tmp_path))
    option = re.search(r"--layout '([^']+)'", caught.value.fix)[1]
    episodes = load(tmp_path, layout=option)
    assert [item.name for item in episodes] == ["run_0", "run_1", "run_2"] and episodes.dof == 4
    assert (episodes[2].qpos == 2).all() and (episodes[0].read("action") == 1).all()
    assert episodes.joint_names[:2] == (
        "robot_left_sensors_encoder_joint_angle_0",
        "robot_left_sensors_encoder_joint_angle_1",
    )


def test_keys_of_a_file_of_one_episode(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as handle:
        handle["arm/pos"], handle["arm/cmd"], handle["grip"] = np.zeros((5, 2)), np.ones((5, 3)), np.arange(5.0)
    episodes = load(tmp_path, layout="qpos=arm/pos+grip,action=arm/cmd")
    assert episodes.joint_names == ("arm_pos_0", "arm_pos_1", "grip") and episodes[0].qpos[4, 2] == 4
    assert (episodes[0].read("action") == 1).all()


@pytest.mark.parametrize(
    "text", ["qpos=", "action=a", "qpos=a_*/b_*/c", "qpos=a_*/x,action=b_*/y", "pos=a", "qpos=gone"]
)
def test_keys_that_cannot_be_meant_are_refused(text, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as handle:
        handle["a"] = np.zeros((5, 2))
    with pytest.raises(InputError):
        load(tmp_path, layout=text)


def test_features_of_a_lerobot_set_can_be_named_as_the_refusal_does(tmp_path):
    folder = makers.lerobot_v2(tmp_path / "set")
    info = folder / "meta" / "info.json"
    said = json.loads(info.read_text())
    said["features"]["motor_angles"] = said["features"].pop("observation.state")
    info.write_text(json.dumps(said))
    import pyarrow.parquet as pq

    for file in folder.glob("data/*/*.parquet"):
        table = pq.read_table(file)
        renamed = ["motor_angles" if name == "observation.state" else name for name in table.column_names]
        pq.write_table(table.rename_columns(renamed), file)
    with pytest.raises(InputError) as caught:
        load(folder)
    option = re.search(r"--layout '([^']+)'", caught.value.fix)[1]
    np.testing.assert_array_equal(load(folder, layout=option)[1].qpos, next(truth(1)))
    with pytest.raises(InputError) as caught:
        load(folder, layout="qpos=motor_angels")
    assert "motor_angles" in caught.value.fix


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_files_that_are_not_read_are_named_with_a_converter(kind, tmp_path):
    name = f"a{kind}-00000-of-00001" if kind == ".tfrecord" else f"a{kind}"
    inside = tmp_path / "session" / "1.0.0" if kind not in (".txt", ".tsv", ".mp4", ".tar", ".gz", ".zip") else tmp_path
    inside.mkdir(parents=True, exist_ok=True)
    (inside / name).write_bytes(b"\x00")
    for path in (tmp_path, inside / name):
        with pytest.raises(InputError) as caught:
            load(path)
        assert kind in caught.value.got and caught.value.fix == FOREIGN[kind][1]


def test_the_line_for_npy_works(tmp_path):
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", rows)
    line = FOREIGN[".npy"][1].split(", one file")[0]
    exec(line, {"np": np, "FILE": str(tmp_path / "a.npy")})
    np.testing.assert_array_equal(load(tmp_path)[0].qpos, rows)


def test_the_line_for_lines_of_json_works(tmp_path):
    steps = [{"qpos": [float(i), 1.0], "action": [0.0, 1.0]} for i in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(step) for step in steps))
    line = FOREIGN[".jsonl"][1].split(": ", 1)[1]
    exec(line, {"json": json, "FILE": tmp_path / "a.jsonl", "OUT": tmp_path / "a.json"})
    assert load(tmp_path)[0].qpos[3, 0] == 3


def test_json_that_only_describes_a_set_is_no_recording(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({"env_info": {}, "episodes": [{"episode_id": 0}]}))
    with pytest.raises(InputError):
        load(tmp_path)


def test_the_line_for_a_table_in_parquet_works(tmp_path):
    import pandas

    file = tmp_path / "a.parquet"
    pandas.DataFrame({"shoulder": np.arange(9.0), "elbow": np.ones(9)}).to_parquet(file)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    exec(caught.value.fix, {"pandas": pandas, "FILE": str(file)})
    episodes = load(f"{file}.csv")
    assert episodes.joint_names == ("shoulder", "elbow") and episodes[0].qpos[3, 0] == 3


def test_videos_next_to_recordings_do_not_hide_them(tmp_path):
    for name in ("a.mp4", "b.mp4", "c.mcap"):
        (tmp_path / name).write_bytes(b"0")
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert caught.value.got.startswith("1 .mcap file")


def test_keys_can_be_named_to_the_commands(tmp_path):
    folder = unknown_runs(tmp_path / "set")
    option = "qpos=sessions/run_*/robot/left/sensors/encoder/joint_angle"
    result = CliRunner().invoke(convert, [str(folder), str(tmp_path / "out"), "--layout", option])
    assert result.exit_code == 0 and len(load(tmp_path / "out")) == 3


def test_keys_of_a_file_whose_last_rows_are_flagged(tmp_path):
    with h5py.File(tmp_path / "pen.hdf5", "w") as handle:
        handle["observations"], handle["actions"], handle["infos/qpos"] = (np.zeros((20, w)) for w in (5, 3, 4))
        handle["terminals"] = np.arange(20) % 10 == 9
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    option = re.search(r"--layout '([^']+)'", caught.value.fix)[1]
    assert option == "qpos=infos/qpos,action=actions" and list(load(tmp_path, layout=option).lengths) == [10, 10]


def test_states_without_a_model_have_a_way_where_joints_were_measured(tmp_path):
    def fill(group, qpos, action):
        group["actions"], group["states"], group["obs/measured_joint_angles"] = action, np.zeros((len(qpos), 9)), qpos

    recorded.demonstrations(tmp_path, "demo.hdf5", fill)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    option = re.search(r"--layout '([^']+)'", caught.value.fix)[1]
    np.testing.assert_array_equal(load(tmp_path, layout=option)[1].qpos, next(truth(1)))


def test_demonstrations_that_are_refused_in_the_same_words_are_one_finding(tmp_path):
    folder = recorded.isaaclab(tmp_path)
    with h5py.File(folder / "dataset.hdf5", "r+") as handle:
        for name in ("demo_0", "demo_1"):
            del handle[f"data/{name}/states"]
    wrong = [finding for finding in examine(folder).findings if finding.code == "files.unreadable"]
    assert len(wrong) == 1 and wrong[0].episodes == ("demo_0", "demo_1") and wrong[0].exclude
