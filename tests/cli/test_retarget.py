"""`ate retarget`: every format holds what `ate.steer.retarget` gives, with a report, and nothing is overwritten."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ate.cli.retarget import retarget as command
from ate.data import load
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.steer import retarget

PRETRAIN = SHIPPED / "lift" / "pretrain"


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Two robots with two episodes each."""
    folder = tmp_path_factory.mktemp("few")
    for robot in ("panda", "xarm6"):
        (folder / robot).mkdir()
        for number in range(2):
            name = f"episode_{number:04d}.hdf5"
            (folder / robot / name).write_bytes((PRETRAIN / robot / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def made(few):
    return retarget([load(few / "panda"), load(few / "xarm6")], "gen3")


@pytest.mark.parametrize("layout", ["native", "lerobot", "robomimic"])
@pytest.mark.slow
def test_each_format_holds_the_same_numbers(few, made, layout, tmp_path):
    out = tmp_path / "out"
    words = [str(few / "panda"), str(few / "xarm6"), "--robot", "gen3", "--format", layout, "--out", str(out)]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0 and "4 episodes came in, 4 kept" in done.output
    read = load(out)
    assert read.ledger.layout == layout and len(read) == len(made) == 4
    assert (read.robot, read.task, read.rate_hz) == ("gen3", "lift", 20.0)
    for mine, item in zip(made, read, strict=True):
        np.testing.assert_array_equal(item.qpos, mine.qpos)
        if layout != "native":
            # A servo is told where to be next; at the end it holds its place.
            np.testing.assert_array_equal(item.read("action")[:-1], mine.qpos[1:])
            np.testing.assert_array_equal(item.read("action")[-1], mine.qpos[-1])
    if layout != "robomimic":
        assert read.joint_names == made.joint_names
    report = json.loads((out / "report.json").read_text())
    assert report["made"] == made.digest and len(report["episodes"]) == 4
    assert all(row["kept"] and row["millimetres"] < 0.01 for row in report["episodes"])
    with pytest.raises(InputError, match="nothing is overwritten"):
        CliRunner().invoke(command, words, catch_exceptions=False, standalone_mode=False)


@pytest.mark.slow
def test_the_native_set_carries_scene_names_and_provenance(few, made, tmp_path):
    words = [str(few), "--robot", "gen3", "--out", str(tmp_path / "out")]
    CliRunner().invoke(command, words, catch_exceptions=False)
    item = load(tmp_path / "out")[2]
    np.testing.assert_array_equal(item.read("state"), made[2].read("state"))
    assert item.attributes["state_names"] == made[2].attributes["state_names"]
    assert item.attributes["retargeted_from"] == "xarm6" and item.attributes["retargeted_episode"] == "episode_0000"
    assert "xarm6/episode_0000" in item.attributes["origin"]


@pytest.mark.slow
def test_lerobot_finds_what_it_reads(few, made, tmp_path):
    """The files and fields of LeRobot v3 beyond those that our own reader takes."""
    out = tmp_path / "out"
    words = [str(few / "panda"), "--robot", "gen3", "--format", "lerobot", "--out", str(out)]
    CliRunner().invoke(command, words, catch_exceptions=False)
    info = json.loads((out / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["fps"] == 20 and info["splits"] == {"train": "0:2"}
    assert info["features"]["observation.environment_state"]["names"][:3] == ["tool_x", "tool_y", "tool_z"]
    table = pq.read_table(out / "data/chunk-000/file-000.parquet")
    assert set(table.column_names) == set(info["features"]) and len(table) == info["total_frames"]
    state = np.array(table["observation.environment_state"].to_pylist(), np.float32)
    np.testing.assert_array_equal(state, np.concatenate([item.read("state") for item in made.items[:2]]))
    listing = pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["dataset_to_index"] for row in listing] == np.cumsum([len(item) for item in made.items[:2]]).tolist()
    tasks = pq.read_table(out / "meta/tasks.parquet").to_pandas()
    assert tasks.loc["lift", "task_index"] == 0
    stats = json.loads((out / "meta/stats.json").read_text())["observation.state"]
    rows = np.concatenate([item.qpos for item in made.items[:2]])
    np.testing.assert_allclose(stats["mean"], rows.mean(0), rtol=1e-4)
    np.testing.assert_allclose(stats["q90"], np.quantile(rows, 0.9, axis=0), rtol=1e-4)


@pytest.mark.slow
def test_what_is_left_out_is_printed_with_its_reason(few, tmp_path):
    words = [str(few / "panda"), "--robot", "gen3", "--out", str(tmp_path / "out"), "--most-mm", "1e-9"]
    with pytest.raises(InputError, match="none within bounds"):
        CliRunner().invoke(command, words, catch_exceptions=False, standalone_mode=False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="did you mean 'lerobot'"):
        CliRunner().invoke(
            command, [*words[:-2], "--format", "lerobott"], catch_exceptions=False, standalone_mode=False
        )
