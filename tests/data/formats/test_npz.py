import struct
import zipfile

import numpy as np
import pytest

from ate.data import DataSet, load
from ate.errors import InputError
from tests.data.formats.makers import NAMES, npz, npz_packed, truth


@pytest.mark.parametrize("compressed", [False, True])
def test_one_archive_an_episode(compressed, tmp_path):
    episodes = load(npz(tmp_path / "set", compressed))
    assert episodes.joint_names == NAMES and episodes.rate_hz == 20.0
    qpos, _ = truth(1)
    np.testing.assert_array_equal(episodes[1].read("qpos", 4, 9), qpos[4:9])


@pytest.mark.parametrize("fortran", [False, True])
def test_one_archive_of_many_episodes(fortran, tmp_path):
    episodes = load(npz_packed(tmp_path / "set", fortran))
    assert [item.name for item in episodes] == ["episode_000000", "episode_000001"]
    qpos, action = truth(1)
    np.testing.assert_array_equal(episodes[1].qpos, qpos)
    np.testing.assert_array_equal(episodes[1].read("action", 2, 5), action[2:5])


@pytest.mark.parametrize("ends", [[5, 5, 21], [12, 20], [12, 22], [-1, 21], [12.0, 21.0], [[21]], []])
def test_odd_ends_are_refused(ends, tmp_path):
    qpos = np.zeros((21, 3))
    np.savez(tmp_path / "a.npz", qpos=qpos, episode_ends=np.array(ends))
    with pytest.raises(InputError, match="episode_ends"):
        load(tmp_path)


@pytest.mark.parametrize("key", ["observations/qpos", "joint_positions", "state"])
def test_other_names_of_joint_positions_are_shown(key, tmp_path):
    np.savez(tmp_path / "a.npz", **{key: np.ones((4, 2)), "other": np.ones(3)})
    episode = load(tmp_path)[0]
    assert episode.qpos.shape == (4, 2) and episode.keys.found == (key,) and episode.keys.ignored == ("other",)
    assert episode.keys.missing == ("action",)


def test_ragged_objects_are_refused_and_never_unpickled(tmp_path):
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((3, 2)), np.zeros((4, 2))]
    np.savez(tmp_path / "a.npz", qpos=ragged)
    with pytest.raises(InputError, match="array of Python objects, as ragged episodes become"):
        load(tmp_path)


def test_a_header_that_promises_more_than_is_stored_is_refused(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 7), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as handle:
        handle.writestr("qpos.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(280))
    with pytest.raises(InputError, match=r"1000000000000, 7.*280|28,000,000,000,128 bytes"):
        load(tmp_path)


@pytest.mark.slow
def test_a_packed_desert_of_zeros_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", qpos=np.zeros((10**6, 14)))
    with zipfile.ZipFile(tmp_path / "a.npz") as handle:
        member = handle.getinfo("qpos.npy")
    # Deflate itself stays below the limit: what it can pack is read.
    assert member.file_size < 1100 * member.compress_size and len(load(tmp_path)[0]) == 10**6


def test_one_bad_archive_leaves_the_rest(tmp_path):
    folder = npz(tmp_path / "set")
    (folder / "episode_2.npz").write_bytes((folder / "episode_0.npz").read_bytes()[:300])
    found = DataSet(str(folder)).survey()
    assert len(found.episodes) == 2 and [item.name for item in found.broken] == ["episode_2"]
