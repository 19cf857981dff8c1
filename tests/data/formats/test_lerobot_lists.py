"""What LeRobot's metadata lists against what is there: names, files, rows, empty episodes, splits."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from ate.data import DataSet, load
from ate.data.columns import apart
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, WARN
from ate.errors import InputError
from tests.data.formats.makers import LENGTHS, NAMES, frames, lerobot_v2, lerobot_v3, truth


def edit(folder, **changes):
    """`info.json` with other values; `names` are those of both features."""
    file = folder / "meta/info.json"
    tree = json.loads(file.read_text())
    for feature in ("observation.state", "action"):
        if "names" in changes:
            tree["features"][feature]["names"] = changes["names"]
    file.write_text(json.dumps(tree | {k: v for k, v in changes.items() if k != "names"}))
    return folder


@pytest.mark.parametrize(
    "names",
    [
        list(NAMES), [list(NAMES)], {"motors": list(NAMES)}, {"motors": [list(NAMES)]},
        {"arm": list(NAMES[:2]), "hand": list(NAMES[2:])}, {"elbow": 1, "gripper": 2, "shoulder": 0},
        dict.fromkeys(NAMES), {"axes": {"motors": list(NAMES)}},
    ],
)  # fmt: skip
def test_names_as_recorders_nest_them(names, tmp_path):
    assert load(edit(lerobot_v2(tmp_path / "set"), names=names)).joint_names == NAMES


def test_names_twice_are_told_apart_and_the_rest_is_kept(tmp_path):
    folder = edit(lerobot_v2(tmp_path / "set"), names={"motors": ["elbow", "gripper", "gripper"]})
    assert load(folder).joint_names == ("elbow", "gripper_0", "gripper_1")
    (finding,) = [f for f in examine(folder).findings if f.code == "names.twice"]
    assert finding.level == WARN and "gripper_0, gripper_1" in finding.got
    # The way out: these names in the files.
    edit(folder, names=finding.fix.rpartition(": ")[2].split(", ") and ["elbow", "gripper_0", "gripper_1"])
    assert not [f for f in examine(folder).findings if f.code == "names.twice"]


def test_apart_takes_no_name_that_is_there():
    assert apart(["a", "a", "a_0"]) == ("a_1", "a_2", "a_0")
    assert apart(["a", "b"]) == ("a", "b")


def test_too_few_names_are_counted(tmp_path):
    folder = edit(lerobot_v2(tmp_path / "set"), names=["elbow"])
    (finding,) = [f for f in examine(folder).findings if f.code == "names.missing"]
    assert finding.got.startswith("1 names for 3 columns")


def test_files_that_are_not_listed_are_named(tmp_path):
    folder = edit(lerobot_v2(tmp_path / "set"), total_episodes=2, total_frames=sum(LENGTHS))
    assert not load(folder).ledger.notes and not load(folder).ledger.unlisted
    listing = folder / "meta/episodes.jsonl"
    listing.write_text(listing.read_text().splitlines()[0] + "\n")
    ledger = load(folder).ledger
    assert ledger.unlisted == ("data/chunk-001/episode_000001.parquet",)
    lines = " ".join(ledger.lines())
    assert "1 file not listed" in lines and "episode_000001.parquet" in lines
    assert "total_episodes 2 (1 listed), total_frames 21 (12 listed)" in lines
    (finding,) = [f for f in examine(folder).findings if f.code == "files.unlisted"]
    assert finding.level == WARN


def test_files_beside_the_set_of_another_layout_are_named(tmp_path):
    from tests.data.formats.makers import native

    folder = native(tmp_path / "set")
    np.savez(folder / "episode_7.npz", qpos=np.zeros((5, 3)))
    (folder / "failed").mkdir()
    (folder / "episode_0001.hdf5").rename(folder / "failed/episode_0001.hdf5")
    assert load(folder).ledger.unlisted == ("episode_7.npz", "failed/episode_0001.hdf5")


@pytest.mark.parametrize("make", [lerobot_v2, lerobot_v3])
def test_an_episode_of_no_steps_is_excluded_by_its_name(make, tmp_path):
    folder = make(tmp_path / "set")
    if make is lerobot_v2:
        listing = folder / "meta/episodes.jsonl"
        listing.write_text(listing.read_text() + json.dumps({"episode_index": 2, "length": 0}) + "\n")
    else:
        file = folder / "meta/episodes/chunk-000/file-000.parquet"
        table = pq.read_table(file).to_pydict()
        more = {"episode_index": 2, "length": 0, "data/chunk_index": 0, "data/file_index": 0}
        for key, values in table.items():
            values.append(more.get(key, values[-1]))
        import pyarrow as pa

        pq.write_table(pa.table(table), file)
    with pytest.raises(InputError) as caught:
        load(folder)
    assert caught.value.fix == "exclude episode_000002"
    name = caught.value.fix.removeprefix("exclude ")
    assert len(load(folder, exclude=[name])) == 2


def test_a_line_that_is_no_episode_is_excluded_by_its_line(tmp_path):
    folder = lerobot_v2(tmp_path / "set")
    listing = folder / "meta/episodes.jsonl"
    listing.write_text(listing.read_text() + json.dumps({"episode_index": "x", "length": 3}) + "\n")
    with pytest.raises(InputError) as caught:
        load(folder)
    name = caught.value.fix.rpartition("exclude ")[2].strip("'")
    assert name == "line 3" and len(load(folder, exclude=[name])) == 2


def stale(folder):
    """The second episode lies in a file of its own, and is listed in the first."""
    lerobot_v3(folder)
    for number in range(2):
        pq.write_table(frames(number, True), folder / f"data/chunk-000/file-{number:03d}.parquet")
    return folder


def test_rows_are_found_where_the_list_is_wrong_about_the_file(tmp_path):
    folder = stale(tmp_path / "set")
    file = folder / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file).to_pydict()
    assert table["data/file_index"] == [0, 0]
    # A third episode, so that the second file is listed at all.
    import pyarrow as pa

    third = frames(1, True)
    index = third.schema.get_field_index("episode_index")
    third = third.set_column(index, "episode_index", pa.array([2] * len(third), third.schema.field(index).type))
    pq.write_table(pa.concat_tables([frames(1, True), third]), folder / "data/chunk-000/file-001.parquet")
    more = {"episode_index": 2, "length": LENGTHS[1], "data/chunk_index": 0, "data/file_index": 1}
    for key, values in table.items():
        values.append(more.get(key, values[-1]))
    pq.write_table(pa.table(table), file)
    episodes = load(folder)
    assert [item.name for item in episodes] == [f"episode_{n:06d}" for n in range(3)]
    for number, item in enumerate(episodes):
        np.testing.assert_array_equal(item.qpos, next(truth(min(number, 1))))
    assert any(
        "episode_000001 is listed in data/chunk-000/file-000.parquet" in line for line in episodes.ledger.lines()
    )
    report = examine(folder)
    assert [f.episodes for f in report.findings if f.code == "files.listed_elsewhere"] == [("episode_000001",)]
    assert not [f for f in report.findings if f.level == FAIL and f.check == "files"]
    assert len(load(folder, exclude=["episode_000001"])) == 2


def test_one_wrong_length_costs_one_episode(tmp_path):
    folder = lerobot_v3(tmp_path / "set")
    file = folder / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file).to_pydict()
    table["length"][1] = 20
    import pyarrow as pa

    pq.write_table(pa.table(table), file)
    surveyed = DataSet(str(folder)).survey()
    assert [b.name for b in surveyed.broken] == ["episode_000001"]
    name = surveyed.broken[0].error.fix.rpartition("exclude ")[2]
    assert len(load(folder, exclude=[name])) == 1


def test_splits_are_told_and_may_be_left_out(tmp_path):
    folder = edit(lerobot_v2(tmp_path / "set"), splits={"train": "0:1", "val": "1:2"})
    episodes = load(folder)
    assert len(episodes) == 2 and any("split/train (1), split/val (1)" in line for line in episodes.ledger.lines())
    assert [item.name for item in load(folder, exclude=["split/val"])] == ["episode_000000"]
    with pytest.raises(InputError, match="did you mean 'split/val'"):
        load(folder, exclude=["split/vall"])
