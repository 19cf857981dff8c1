import numpy as np
import pytest

from ate.data import DataSet, load
from ate.errors import InputError
from tests.conftest import write_episode


@pytest.fixture
def folder(tmp_path):
    """Four episodes: whole, of another width, with a second series cut short, and no HDF5 at all."""
    rows = np.ones((20, 3))
    write_episode(tmp_path / "arm", 0, rows, action=rows, tactile=rows)
    write_episode(tmp_path / "arm", 1, np.ones((20, 2)))
    write_episode(tmp_path / "arm", 2, rows, action=rows[:7])
    (tmp_path / "arm" / "episode_0003.hdf5").write_bytes(b"no HDF5")
    return tmp_path / "arm"


def test_the_ledger_accounts_for_every_episode(folder):
    found = DataSet(str(folder), exclude=("episode_0000.hdf5",)).survey()
    reasons = {entry.episode: entry.reason for entry in found.ledger.entries}
    assert reasons["episode_0000"] == "excluded" and "HDF5" in reasons["episode_0003"]
    reasons = {entry.episode: entry.reason for entry in DataSet(str(folder)).survey().ledger.entries}
    assert reasons["episode_0000"] == reasons["episode_0002"] == ""
    assert "2 columns" in reasons["episode_0001"] and "HDF5" in reasons["episode_0003"]
    assert [broken.name for broken in DataSet(str(folder)).survey().broken] == ["episode_0001", "episode_0003"]


def test_the_ledger_says_which_keys_were_found_missing_and_ignored(folder):
    lines = "\n".join(DataSet(str(folder)).survey().ledger.lines())
    assert "4 episodes came in, 2 kept, 2 dropped; 40 steps kept." in lines
    assert "layout native: a dataset 'qpos' in episode_0000.hdf5." in lines
    assert "keys found: action (in 1 of 4), qpos (in 3 of 4)." in lines
    assert "tactile (in 1 of 4)" in lines and "action (shape (7, 3)" in lines


def test_only_looking_leaves_bad_episodes_out_and_training_refuses_them(folder):
    assert [item.name for item in load(folder, strict=False)] == ["episode_0000", "episode_0002"]
    with pytest.raises(InputError, match="episode_0001"):
        load(folder)


def test_a_layout_can_be_named_and_a_wrong_name_is_refused(folder):
    assert DataSet(str(folder), layout="native").survey().ledger.evidence == "as asked for"
    with pytest.raises(InputError, match="did you mean 'native'"):
        DataSet(str(folder), layout="nativ").survey()
