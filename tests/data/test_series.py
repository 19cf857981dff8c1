import h5py
import numpy as np
import pytest

from ate.data import load, series
from ate.data.series import Series
from ate.errors import InputError
from tests.conftest import write_episode


def test_windows_read_only_their_rows(tmp_path, monkeypatch):
    rows = np.arange(5000, dtype=np.float64).reshape(1000, 5)
    write_episode(tmp_path / "arm", 0, rows)
    item = load(tmp_path / "arm")[0]
    asked = []
    fetch = item.series["qpos"].fetch
    monkeypatch.setattr(type(fetch), "__call__", lambda self, a, b: asked.append((a, b)) or rows[a:b])
    np.testing.assert_array_equal(item.read("qpos", 990, 995), rows[990:995].astype(np.float32))
    assert asked == [(990, 995)]
    for _ in range(2):
        np.testing.assert_array_equal(item.qpos, rows.astype(np.float32))
    np.testing.assert_array_equal(item.read("qpos", 3, 4), rows[3:4])
    assert asked == [(990, 995), (0, 1000)]  # read whole once, and kept
    with pytest.raises(ValueError, match="read-only"):
        item.qpos[0] = 0


def test_what_is_kept_is_bounded(tmp_path):
    for i in range(3):
        write_episode(tmp_path / "arm", i, np.zeros((4, 2)) + i)
    episodes = load(tmp_path / "arm")
    before = series._kept.currsize
    for i in range(3):
        episodes.series(i)
    assert series._kept.currsize <= min(before + 3 * (4 * 2 * 4 + 256), series._kept.maxsize)


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN"), (np.inf, "infinite"), (1e305, r"beyond what float32 holds \(1e\+305\)")]
)
def test_values_that_no_network_can_take_are_refused_by_row(value, words):
    rows = np.zeros((9, 3))
    rows[5, 2] = rows[7, 0] = value
    with pytest.raises(InputError, match=f"2 .*{words}.*first at row 5, column 2") as error:
        Series.of(rows, "arm.hdf5").read(0, 9)
    assert "arm.hdf5" in str(error.value)
    with pytest.raises(InputError, match="first at row 7, column 0"):
        Series.of(rows, "arm.hdf5").read(6, 9)


def test_a_file_that_changes_under_way_is_noticed(tmp_path):
    file = write_episode(tmp_path / "arm", 0, np.ones((9, 3)))
    item = load(tmp_path / "arm")[0]
    with h5py.File(file, "w") as handle:
        handle["qpos"] = np.ones((5, 3))
    with pytest.raises(InputError, match="load the set again"):
        item.read("qpos")
