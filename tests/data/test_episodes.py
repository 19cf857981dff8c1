from pathlib import Path

import h5py
import numpy as np
import pytest

import ate
from ate.data import load, load_sets
from ate.errors import InputError
from tests.conftest import REAL, write_episode


def walk(seed, steps=20, dof=7):
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, dof)), 0).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        write_episode(tmp_path / "arm", i, walk(i, 20 + i), action=walk(10 + i, 20 + i, 8))
    return tmp_path / "arm"


def test_load_gives_every_episode_as_float32_in_file_order(folder):
    episodes = load(folder)
    assert len(episodes) == 4 and [e.name for e in episodes] == [f"episode_{i:04d}" for i in range(4)]
    for i, episode in enumerate(episodes):
        assert episode.qpos.dtype == np.float32
        np.testing.assert_array_equal(episode.qpos, walk(i, 20 + i))
    assert episodes.robot == "arm" and episodes.dof == 7 and list(episodes.lengths) == [20, 21, 22, 23]


def test_source_chooses_the_series(folder):
    assert load(folder, source="action").dof == 8
    np.testing.assert_array_equal(load(folder, source="action").series(2), walk(12, 22, 8))


def test_attributes_name_robot_joints_rate_and_task(tmp_path):
    write_episode(tmp_path / "x", 0, walk(0, dof=2), robot="r", joint_names="a,b", median_dt=0.05, task="lift")
    episodes = load(tmp_path / "x")
    assert (episodes.robot, episodes.joint_names, episodes.rate_hz, episodes.task) == ("r", ("a", "b"), 20.0, "lift")


def test_digest_changes_with_any_value_and_not_with_the_folder(folder, tmp_path):
    first = load(folder).digest
    with h5py.File(folder / "episode_0002.hdf5", "r+") as handle:
        handle["qpos"][3, 1] += 1e-3
    changed = load(folder).digest
    assert first != changed
    moved = tmp_path / "elsewhere" / "arm"
    moved.parent.mkdir()
    folder.rename(moved)
    assert load(moved).digest == changed


def test_split_is_by_episode_and_complete(folder):
    train, held = load(folder).split(0.25, seed=3)
    assert len(train) == 3 and len(held) == 1
    assert {e.name for e in train} | {e.name for e in held} == {f"episode_{i:04d}" for i in range(4)}


def test_exclude_leaves_out_and_refuses_unknown_names(folder):
    assert [e.name for e in load(folder, exclude=["episode_0001.hdf5"])][1] == "episode_0002"
    with pytest.raises(InputError, match="did you mean 'episode_0001'"):
        load(folder, exclude=["episode_001"])


def test_load_sets_reads_one_robot_a_folder(folder):
    write_episode(folder.parent / "brm", 0, walk(5))
    write_episode(folder.parent / "brm", 7, walk(6))
    sets = load_sets(folder.parent)
    assert [(s.robot, len(s)) for s in sets] == [("arm", 4), ("brm", 2)]
    assert [len(s) for s in load_sets(folder.parent, exclude=["brm/episode_0007.hdf5"])] == [4, 1]
    assert [len(s) for s in load_sets(folder, exclude=["episode_0001"])] == [3]
    with pytest.raises(InputError, match="did you mean 'brm/episode_0007'"):
        load_sets(folder.parent, exclude=["brm/episode_007"])


def break_width(folder: Path) -> None:
    write_episode(folder, 1, walk(1, dof=6))


def break_nan(folder: Path) -> None:
    qpos = walk(1)
    qpos[5, 2] = np.nan
    write_episode(folder, 1, qpos)


def break_format(folder: Path) -> None:
    (folder / "episode_0001.hdf5").write_bytes(b"not hdf5 at all")


def break_truncated(folder: Path) -> None:
    file = folder / "episode_0001.hdf5"
    file.write_bytes(file.read_bytes()[:900])


def break_missing(folder: Path) -> None:
    with h5py.File(folder / "episode_0001.hdf5", "w") as handle:
        handle["joints"] = walk(1)


def break_rank(folder: Path) -> None:
    write_episode(folder, 1, np.zeros(7))


def break_text(folder: Path) -> None:
    write_episode(folder, 1, np.array([[b"a", b"b"]]))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (break_width, ["episode_0001.hdf5", "6 columns", "expected 7", "exclude"]),
        (break_nan, ["episode_0001.hdf5", "'qpos'", "row 5, column 2", "exclude"]),
        (break_format, ["episode_0001.hdf5", "HDF5"]),
        (break_truncated, ["episode_0001.hdf5", "HDF5"]),
        (break_missing, ["episode_0001.hdf5", "joints", "'qpos'"]),
        (break_rank, ["episode_0001.hdf5", "shape (7,)"]),
        (break_text, ["episode_0001.hdf5", "numeric"]),
    ],
)
def test_bad_files_are_refused_by_name(folder, harm, words):
    harm(folder)
    with pytest.raises(InputError) as error:
        [item.qpos for item in load(folder)]
    for word in [*words, "Fix"]:
        assert word in str(error.value)
    kept = load(folder, strict=False)
    assert [item.name for item in kept] == ["episode_0000", "episode_0002", "episode_0003"]
    (dropped,) = kept.ledger.dropped
    assert dropped.episode == "episode_0001" and dropped.reason == str(error.value)


@pytest.mark.parametrize("path", ["missing", "file.hdf5", "empty"])
def test_folders_that_hold_nothing_are_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.hdf5").write_bytes(b"")
    with pytest.raises(InputError, match=path):
        load(tmp_path / path)


def test_action_is_refused_where_there_is_none(tmp_path):
    write_episode(tmp_path / "x", 0, walk(0))
    with pytest.raises(InputError) as caught:
        load(tmp_path / "x", source="action")
    assert caught.value.got == "no action" and "episode_0000.hdf5" in caught.value.where
    with pytest.raises(InputError, match="did you mean 'action'"):
        load(tmp_path / "x", source="actions")


def test_reading_never_writes(folder):
    before = {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.iterdir()}
    load(folder)
    assert before == {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.iterdir()}


def test_real_recordings_load_or_name_the_odd_one():
    sawyer = load(REAL / "robosuite_sawyer/hdf5")
    assert (len(sawyer), sawyer.dof, int(sawyer.lengths.sum())) == (8, 9, 19635)
    with pytest.raises(InputError, match=r"episode_0005\.hdf5: got 7 columns"):
        load(REAL / "robosuite_panda/hdf5")
    panda = ate.data.load(REAL / "robosuite_panda/hdf5", exclude=["episode_0005"])
    assert (len(panda), panda.dof, panda.rate_hz) == (5, 9, 20.0)
