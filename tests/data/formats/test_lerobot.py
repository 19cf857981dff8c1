import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ate.data import DataSet, load
from ate.errors import InputError
from tests.conftest import REAL
from tests.data.formats.makers import NAMES, frames, info, lerobot_v2, lerobot_v3, truth

V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
FIRST = "data/chunk-000/episode_000000.parquet"


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_version_2(version, tmp_path):
    episodes = load(lerobot_v2(tmp_path / "set", version))
    assert (episodes.robot, episodes.task, episodes.rate_hz, episodes.joint_names) == ("arm", "lift", 20.0, NAMES)
    assert version in episodes.ledger.evidence
    assert episodes[0].attributes["action_names"] == NAMES
    assert "observation.images.top" in episodes[0].keys.ignored and "timestamp" in episodes[0].keys.found


@pytest.mark.parametrize("group", [1, 5, 12, 100])
def test_version_3_whatever_its_row_groups(group, tmp_path):
    episodes = load(lerobot_v3(tmp_path / "set", group))
    assert [item.name for item in episodes] == ["episode_000000", "episode_000001"]
    assert episodes.joint_names == NAMES and episodes.task == "lift"
    qpos, action = truth(1)
    np.testing.assert_array_equal(episodes[1].read("action", 2, 7), action[2:7])
    np.testing.assert_array_equal(episodes[1].qpos, qpos)


def test_rows_that_the_metadata_does_not_list_are_named_with_both_numbers(tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    pq.write_table(frames(0).slice(0, 7), folder / FIRST)
    found = DataSet(str(folder)).survey()
    assert [item.name for item in found.episodes] == ["episode_000001"]
    assert "7 rows" in str(found.broken[0].error) and "12" in str(found.broken[0].error)


def test_rows_of_another_episode_are_not_taken_for_this_one(tmp_path):
    folder = lerobot_v3(tmp_path / "set")
    swapped = pa.concat_tables([frames(1, True), frames(0, True)])
    pq.write_table(swapped, folder / "data/chunk-000/file-000.parquet")
    with pytest.raises(InputError, match="rows of episode 1"):
        load(folder)[0].read("qpos")


def test_a_missing_file_breaks_its_episode_only(tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    (folder / FIRST).unlink()
    found = DataSet(str(folder)).survey()
    assert [item.name for item in found.broken] == ["episode_000000"] and len(found.episodes) == 1


@pytest.mark.parametrize(
    "template",
    ["../{episode_index}.parquet", "/{episode_index}.parquet", "data/{episode_index.__class__}.parquet", "{0}", "{",
     "data/{episode_index:>99999999}.parquet", "data/{video_key}.parquet", "a\0b", 7, "x" * 5000],
)  # fmt: skip
def test_templates_are_filled_strictly_and_stay_inside(template, tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    for number in range(2):
        pq.write_table(frames(number), tmp_path / f"{number}.parquet")
    (folder / "meta/info.json").write_text(info("v2.1", template))
    with pytest.raises(InputError):
        load(folder)


@pytest.mark.parametrize(
    "said",
    ["", "[]", "{", "[" * 200_000, '{"codebase_version": "v1.6"}', '{"codebase_version": "v2.1"}',
     '{"a": 1' + "0" * 9999,
     info("v2.1", V2, chunks_size=0), info("v2.1", V2, chunks_size="x"), info("v2.1", V2, features=[])],
)  # fmt: skip
def test_odd_information_is_one_error(said, tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    (folder / "meta/info.json").write_text(said)
    with pytest.raises(InputError, match=r"info\.json"):
        load(folder)


@pytest.mark.parametrize("length", [-3, 0, 1.5, "12", None, True, 2**70, 10**13])
def test_odd_lengths_break_their_episode(length, tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    with (folder / "meta/episodes.jsonl").open("a") as lines:
        lines.write(json.dumps({"episode_index": 2, "length": length}) + "\n")
    found = DataSet(str(folder)).survey()
    assert len(found.episodes) == 2 and len(found.broken) == 1


@pytest.mark.parametrize("values", [[[0.0] * 3] * 11 + [[0.0] * 2], [[0.0] * 3] * 11 + [None], [[0.0, None, 0.0]] * 12])
def test_ragged_and_empty_rows_are_refused(values, tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    table = frames(0)
    column = table.schema.get_field_index("observation.state")
    pq.write_table(
        table.set_column(column, "observation.state", pa.array(values, pa.list_(pa.float32()))), folder / FIRST
    )
    with pytest.raises(InputError, match=r"observation\.state"):
        load(folder)[0].read("qpos")


def test_without_pyarrow_the_way_out_is_named(tmp_path, monkeypatch):
    folder = lerobot_v2(tmp_path / "set")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=r"pip install -e '.*\[lerobot\]'"):
        load(folder)


def test_the_real_set_equals_its_independent_conversion():
    folder = REAL / "gr1_lerobot_v20"
    raw, converted = load(folder / "raw"), load(folder / "hdf5")
    assert raw.ledger.layout == "lerobot" and raw.rate_hz == 20.0 and raw.joint_names[43] == "motor_43"
    for ours, theirs in zip(raw, converted, strict=True):
        np.testing.assert_array_equal(ours.qpos, theirs.qpos)
        np.testing.assert_array_equal(ours.read("action"), theirs.read("action"))
