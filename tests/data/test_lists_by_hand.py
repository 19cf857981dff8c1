"""Exclude lists and layouts as people write them: read, or refused in one message with a way that leads out."""

import json

import h5py
import numpy as np
import pytest

from ate.data import excludes, load
from ate.errors import InputError
from tests.conftest import write_episode
from tests.data.test_clocks import ARM, arms


@pytest.fixture
def native(tmp_path):
    for number, rows in enumerate(arms()):
        write_episode(tmp_path / "set", number, rows, joint_names=ARM, rate_hz=20.0)
    return tmp_path / "set"


@pytest.mark.parametrize(
    "text",
    [
        "episode_0001\n",
        "episode_0001.hdf5\n",
        "\n\nepisode_0001\n\n",
        "episode_0001\r\n",
        "\ufeffepisode_0001\n",
        "  episode_0001  \n",
        "# bad ones\nepisode_0001\n",
        "episode_0001  # knocked over\n",
        "# episodes to leave out\nepisode_0001\n",
        "episode_0001\nepisode_0001\n",
        "episode_0001",
    ],
)
@pytest.mark.slow
def test_lists_by_hand_leave_out_what_they_name(text, native, tmp_path):
    (tmp_path / "bad.txt").write_text(text, newline="")
    left = load(native, exclude=excludes.names(str(tmp_path / "bad.txt")))
    assert "episode_0001" not in [item.name for item in left] and len(left) == len(arms()) - 1


@pytest.mark.parametrize("text", ["", "\n", "# only words\n", "episode_9999\n", "\x00\x01\n"])
@pytest.mark.slow
def test_lists_that_name_nothing_are_refused_and_no_episode_is_lost(text, native, tmp_path):
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(InputError):
        load(native, exclude=excludes.names(str(tmp_path / "bad.txt")))


@pytest.mark.slow
def test_hundreds_of_names_are_a_list_and_no_path(native):
    names = ",".join(["episode_0001"] * 400)
    assert len(load(native, exclude=excludes.names(names))) == len(arms()) - 1


def keyed(key):
    """A file an episode, with positions under a name of nobody."""

    def write(folder, rows, number):
        with h5py.File(folder / f"take_{number}.h5", "w") as handle:
            handle[key] = rows

    return write


def npz(key, **more):
    def write(folder, rows, number):
        np.savez(folder / f"take_{number}.npz", **{key: rows}, **more)

    return write


def listed(key):
    def write(folder, rows, number):
        (folder / f"take_{number}.json").write_text(json.dumps({key: rows.tolist()}))

    return write


@pytest.mark.parametrize(
    ("write", "word"),
    [
        (keyed("robot/arm/joint_positions"), "robot/arm/joint_positions"),
        (keyed("data/q"), "data"),
        (keyed("a/b/c/d/e/f/q"), "a/b/c/d/e/f/q"),
        (keyed("observations/joints"), "observations/joints"),
        (keyed("state"), "state"),
        (npz("joints_measured"), "joints_measured"),
        (npz("arr_0"), "arr_0"),
        (listed("joints_measured"), "joints_measured"),
    ],
)
@pytest.mark.slow
def test_layouts_of_nobody_are_read_or_refused_with_their_keys_once(write, word, tmp_path):
    for number, rows in enumerate(arms()):
        write(tmp_path, rows, number)
    try:
        episodes = load(tmp_path)
    except InputError as error:
        assert str(error).count(word) >= 1 and str(error).count("got ") == 1 and error.fix
    else:
        assert [item.qpos.shape for item in episodes] == [rows.shape for rows in arms()]


@pytest.mark.parametrize("name", ["a.mcap", "a.tfrecord-00000-of-00001", "a.pkl", "a.pt", "a.npy", "a.mat", "a.bag",
                                  "a.db3", "a.arrow", "a.rrd"])  # fmt: skip
def test_files_of_other_programs_are_named_with_the_way(name, tmp_path):
    (tmp_path / name).write_bytes(b"x" * 40)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    kind = "." + name.split(".")[1].split("-")[0]
    assert kind in caught.value.got and any(word in caught.value.fix for word in ("np.savez", "csv", "to_parquet"))
