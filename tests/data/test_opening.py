"""One opening in place of fingers, by what the profiles of two recorded grippers declare."""

import numpy as np
import pytest

from ate.data import load
from ate.data.convert import convert
from ate.data.doctor.examination import examine
from ate.data.doctor.finding import FAIL
from ate.data.loading import DataSet
from ate.data.opening import opened, with_opening
from ate.data.placements import is_placed
from ate.data.rate import at_rate
from ate.errors import InputError
from tests.conftest import REAL, write_episode

PANDA = [f"robot0_joint{i}" for i in range(1, 8)] + ["gripper0_finger_joint1", "gripper0_finger_joint2"]


def test_fingers_become_the_share_of_their_stroke(tmp_path):
    # Of 40 mm a finger, counted in opposite senses: 0, a half, and wide open with one finger 4 mm short of it.
    fingers = np.array([[0, 0], [0.02, -0.02], [0.04, -0.036]])
    qpos = np.hstack([np.full((3, 7), 0.1), fingers])
    write_episode(tmp_path / "panda", 0, qpos, action=qpos, robot="panda", rate_hz=20.0, joint_names=PANDA)
    made = with_opening(load(tmp_path / "panda"))
    assert made.joint_names == (*PANDA[:7], "gripper") and made[0].column_names("qpos") == made.joint_names
    assert made[0].qpos[:, 7] == pytest.approx([0, 0.5, 0.95]) and made[0].read("action")[:, 7] == pytest.approx(
        [0, 0.5, 0.95]
    )
    assert np.all(made[0].qpos[:, :7] == np.float32(0.1))


def test_people_recorded_fingers_and_tool_motion_says_all_once_they_are_one_opening():
    sawyer = load(REAL / "robosuite_sawyer" / "hdf5")
    assert not is_placed(sawyer) and is_placed(opened(sawyer))
    opening = opened(sawyer)[0].qpos[:, 7]
    assert opening.min() >= 0 and opening.max() <= 1 and np.ptp(opening) > 0.5


def test_commands_that_are_no_targets_of_the_joints_do_not_become_some(tmp_path):
    # Speeds of seven joints and a gripper's command: as many columns as the joints have once the fingers are one.
    sawyer = load(REAL / "robosuite_sawyer" / "hdf5").select([0, 1])
    assert (sawyer.dof, sawyer[0].series["action"].shape[1]) == (9, 8)
    made = with_opening(sawyer)
    assert made.dof == 8 and not any(item.has("action") for item in made)
    assert any("action of 2 of 2 episodes left out: 8 columns for 9 joints" in note for note in made.ledger.notes)
    convert(at_rate(made, 20), tmp_path / "sawyer")
    report = examine(DataSet(str(tmp_path / "sawyer")))
    assert not [finding.code for finding in report.findings if finding.level == FAIL]


def test_a_set_without_known_fingers_stays_as_it_is(make_set):
    episodes = make_set("arm")
    assert opened(episodes) is episodes
    with pytest.raises(InputError, match="fingers of one gripper"):
        with_opening(episodes)
