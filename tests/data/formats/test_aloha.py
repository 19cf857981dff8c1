import h5py
import numpy as np
import pytest

from ate.data import load
from ate.errors import InputError
from ate.robots.profile import profile
from tests.data.formats.makers import aloha


def test_fourteen_columns_are_named_by_the_profile_and_the_evidence_says_so(tmp_path):
    episodes = load(aloha(tmp_path / "set", 14))
    assert episodes.joint_names == profile("aloha").joint_names and "profile aloha" in episodes.ledger.evidence
    assert episodes.joint_names[0].startswith("left") and episodes.joint_names[13] == "right_gripper"


def test_other_widths_stay_unnamed(tmp_path):
    assert load(aloha(tmp_path / "set")).joint_names == ("joint_0", "joint_1", "joint_2")


def test_images_and_velocities_are_ignored_keys(tmp_path):
    entry = load(aloha(tmp_path / "set")).ledger.entries[0]
    assert entry.keys.found == ("observations/qpos", "action")
    assert set(entry.keys.ignored) == {"observations/qvel", "observations/images/cam_high"}


def test_a_short_action_is_noted_or_refused(tmp_path):
    folder = aloha(tmp_path / "set")
    with h5py.File(folder / "episode_1.hdf5", "r+") as handle:
        del handle["action"]
        handle["action"] = np.zeros((4, 3))
    episodes = load(folder)
    assert not episodes[1].has("action") and "action (shape (4, 3)" in episodes[1].keys.ignored[0]
    with pytest.raises(InputError, match=r"episode_1.*shape \(4, 3\)"):
        load(folder, source="action")


def test_no_action_is_a_missing_key(tmp_path):
    folder = aloha(tmp_path / "set")
    for file in folder.iterdir():
        with h5py.File(file, "r+") as handle:
            del handle["action"]
    assert load(folder)[0].keys.missing == ("action",)
    with pytest.raises(InputError, match="no action"):
        load(folder, source="action")
