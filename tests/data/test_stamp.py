"""Surveys that are kept while files stay as they are, and made again as soon as one changes."""

import os
import time

import h5py
import numpy as np
import pytest

from ate.data import survey as surveys
from ate.data.loading import DataSet
from ate.data.stamp import SETTLED, settled, stamp
from ate.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.hdf5", 3)
    return tmp_path


def write(file, width, rows=6):
    with h5py.File(file, "w") as handle:
        handle["qpos"] = np.zeros((rows, width), np.float32)
    age(file)


def age(file, seconds=60.0):
    """As if it had been written that long ago."""
    past = time.time() - seconds
    os.utime(file, (past, past))


@pytest.fixture
def indexed(monkeypatch):
    """How often a set is indexed."""
    calls = []
    own = surveys._survey
    monkeypatch.setattr(surveys, "_survey", lambda *given: calls.append(given[0]) or own(*given))
    return calls


def test_a_set_that_stays_as_it_is_is_opened_once(folder, indexed):
    first, again = (DataSet(str(folder)).load() for _ in range(2))
    assert first is again and len(indexed) == 1
    assert len(DataSet(str(folder), exclude=("a",)).load()) == 1 and len(indexed) == 2


def test_a_changed_a_new_and_a_removed_file_are_seen(folder, indexed):
    assert DataSet(str(folder)).load().dof == 3
    for name in ("a", "b"):
        write(folder / f"{name}.hdf5", 4)
        age(folder / f"{name}.hdf5", 30)
    assert DataSet(str(folder)).load().dof == 4
    write(folder / "c.hdf5", 4)
    assert len(DataSet(str(folder)).load()) == 3
    (folder / "c.hdf5").unlink()
    assert len(DataSet(str(folder)).load()) == 2


def test_what_was_just_written_is_looked_at_again(folder, indexed):
    os.utime(folder / "a.hdf5")
    assert not settled(stamp(folder))
    for _ in range(2):
        DataSet(str(folder)).load()
    assert len(indexed) == 2
    age(folder / "a.hdf5", SETTLED + 1)
    assert settled(stamp(folder)) and not settled(())


def test_a_refusal_comes_again(folder, indexed):
    write(folder / "c.hdf5", 4)
    for _ in range(2):
        with pytest.raises(InputError, match="4 columns"):
            DataSet(str(folder)).load()


def test_behind_a_link_to_a_folder_anything_may_change(folder):
    assert settled(stamp(folder)) and stamp(folder / "a.hdf5")[0][2] > 0 and stamp(folder / "none") == ()
    (folder / "linked").symlink_to(folder)
    assert len(stamp(folder)) == 3 and stamp(folder) != stamp(folder) and not settled(stamp(folder))
