"""Masks of robomimic: told in the ledger, and taken by exclude."""

import h5py
import numpy as np

from ate.data import load
from ate.data.groups import expanded, note
from tests.data.formats.makers import robomimic

DEMOS = tuple(f"demo_{i}" for i in range(2))


def masked(folder, **masks):
    robomimic(folder)
    with h5py.File(folder / "low_dim.hdf5", "a") as handle:
        for name, demos in masks.items():
            handle[f"mask/{name}"] = np.array(demos, "S")
    return folder


def test_masks_are_told_and_a_mask_may_be_excluded(tmp_path):
    folder = masked(tmp_path / "set", train=["demo_2"], valid=["demo_10"])
    episodes = load(folder)
    assert [item.name for item in episodes] == ["demo_2", "demo_10"]
    assert any("mask/train (1), mask/valid (1)" in line and "not used" in line for line in episodes.ledger.lines())
    assert [item.name for item in load(folder, exclude=["mask/valid"])] == ["demo_2"]
    assert not load(robomimic(tmp_path / "plain")).ledger.notes


def test_overlap_is_named_and_a_part_of_a_mask_is_none():
    groups = {"mask/train": ("a", "b", "c"), "mask/valid": ("c", "d"), "mask/20_percent": ("a",)}
    text = note(groups, {name for names in groups.values() for name in names})
    assert "c in both mask/train and mask/valid" in text and "20_percent" not in text.partition(";")[2]
    assert expanded(["mask/valid", "a"], groups) == ("c", "d", "a")
    assert note({}, ()) == ""


def test_odd_masks_are_passed_over(tmp_path):
    folder = robomimic(tmp_path / "set")
    with h5py.File(folder / "low_dim.hdf5", "a") as handle:
        handle["mask/matrix"] = np.zeros((2, 2))
        handle["mask/link"] = h5py.ExternalLink("/nowhere.hdf5", "/x")
        handle["mask/empty"] = np.zeros(0, "S5")
    assert len(load(folder)) == 2 and not load(folder).ledger.notes


def test_rows_that_a_file_gives_and_does_not_have(tmp_path):
    folder = robomimic(tmp_path / "set")
    with h5py.File(folder / "low_dim.hdf5", "a") as handle:
        handle["data"].attrs["total"] = 21
        handle["data/demo_2"].attrs["num_samples"] = 12
    assert not load(folder).ledger.notes
    with h5py.File(folder / "low_dim.hdf5", "a") as handle:
        handle["data"].attrs["total"] = 30
        handle["data/demo_2"].attrs["num_samples"] = 40
    (text,) = load(folder).ledger.notes
    assert "demo_2: 40 rows (12 recorded)" in text and "all: 30 rows (21 recorded)" in text
