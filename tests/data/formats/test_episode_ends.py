"""Many episodes in one file of arrays: whatever tells them apart, chunks never run from one into the next."""

import h5py
import numpy as np
import pytest

from ate.data import DataSet, load
from ate.data.chunks import chunk
from ate.data.formats.episode_ends import by_flag, by_step
from ate.data.space import spaces
from ate.errors import InputError

LENGTHS = (30, 25, 40)
ROWS = sum(LENGTHS)
QPOS = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
PARTS = np.split(QPOS, np.cumsum(LENGTHS)[:-1])


def flags(*episodes):
    values = np.zeros(ROWS, bool)
    values[[np.cumsum(LENGTHS)[i] - 1 for i in episodes]] = True
    return values


NUMBERS = np.repeat([4, 7, 9], LENGTHS)
TOLD = {
    "terminals": {"terminals": flags(0, 1, 2)},
    "a column": {"terminals": flags(0, 1, 2)[:, None]},
    "dones as floats": {"dones": flags(0, 1, 2).astype(np.float32)},
    "terminals and timeouts": {"terminals": flags(1), "timeouts": flags(0, 2)},
    "no last flag": {"terminals": flags(0, 1)},
    "terminals never set": {"terminals": flags(), "timeouts": flags(0, 1, 2)},
    "traj_id": {"traj_id": NUMBERS},
    "numbers go before flags": {"traj_id": NUMBERS, "terminals": flags(2)},
    "episode_index": {"episode_index": NUMBERS[:, None].astype(float)},
    "is_last": {"is_last": flags(0, 1, 2).astype(np.uint8)},
}


def written(folder, layout, arrays):
    folder.mkdir()
    if layout == "npz":
        np.savez(folder / "all.npz", qpos=QPOS, action=QPOS + 1, **arrays)
    else:
        with h5py.File(folder / "all.hdf5", "w") as handle:
            for key, values in {"qpos": QPOS, "action": QPOS + 1, **arrays}.items():
                handle[key] = values
    return folder


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("layout", ["npz", "native"])
def test_episodes_end_where_the_file_tells(told, layout, tmp_path):
    episodes = load(written(tmp_path / "set", layout, TOLD[told]))
    assert [len(item) for item in episodes] == list(LENGTHS)
    for item, part in zip(episodes, PARTS, strict=True):
        np.testing.assert_array_equal(item.qpos, part)
        np.testing.assert_array_equal(item.read("action", 3, 9), part[3:9] + 1)
    numbers = [4, 7, 9] if "traj_id" in TOLD[told] or "episode_index" in TOLD[told] else [0, 1, 2]
    assert [item.name for item in episodes] == [f"episode_{n:06d}" for n in numbers]
    chunks = chunk(episodes, 16, spaces([episodes])[0])
    assert len(chunks) == sum(n - 16 + 1 for n in LENGTHS)
    assert len(load(tmp_path / "set", exclude=[episodes[1].name])) == 2


@pytest.mark.parametrize("arrays", [{"terminals": flags()}, {"terminals": ~flags()}, {"done": np.zeros(5)}, {}])
@pytest.mark.parametrize("layout", ["npz", "native"])
def test_what_tells_nothing_leaves_one_episode(arrays, layout, tmp_path):
    (item,) = load(written(tmp_path / "set", layout, arrays))
    assert (item.name, len(item)) == ("all", ROWS) and set(item.keys.ignored) == set(arrays)


def test_episodes_in_pieces_are_refused_and_the_way_out_leads_out(tmp_path):
    numbers = np.repeat([1, 2, 1], LENGTHS)
    folder = written(tmp_path / "set", "npz", {"traj_id": numbers})
    (broken,) = DataSet(str(folder)).survey().broken
    assert "episode 1" in broken.error.got and "sort the rows by episode" in broken.error.fix
    order = np.argsort(numbers, kind="stable")
    np.savez(folder / "all.npz", qpos=QPOS[order], traj_id=numbers[order])
    assert [len(item) for item in load(folder)] == [70, 25]


def test_flags_and_steps():
    assert [(p.start, p.stop) for p in by_flag([np.array([0, 1, 0, 1])], 4)] == [(0, 2), (2, 4)]
    assert [(p.start, p.stop) for p in by_step(np.array([3, 4, 5, 3, 4]))] == [(0, 3), (3, 5)]
    # A clock that jumps back a little starts no episode.
    assert len(by_step(np.array([0, 1, 2, 1, 2, 3]))) == 1


def test_an_error_names_the_file(tmp_path):
    np.savez(tmp_path / "a.npz", qpos=QPOS, traj_id=np.repeat([1, 2, 1], LENGTHS))
    with pytest.raises(InputError, match=r"a\.npz, array 'traj_id'"):
        load(tmp_path)
