"""Recordings of people: a Sawyer's episodes in a Panda's joints, from fingers and 83 to 100 Hz to a LeRobot set."""

import numpy as np
import pytest

from ate.data import load
from ate.data.convert import convert
from ate.data.rate import at_rate
from ate.robots.frames import Placement, origin
from ate.steer.retargeting import residual_rows, retarget
from tests.conftest import REAL

BASE = origin((-0.56, 0, 0, 0, 0, 0))


@pytest.fixture(scope="module")
def sawyer():
    return at_rate(load(REAL / "robosuite_sawyer" / "hdf5").select([0, 1]), 20)


@pytest.fixture(scope="module")
def made(sawyer):
    given = {"sawyer": Placement.of("sawyer", base=BASE)}
    return retarget(sawyer, Placement.of("panda", base=BASE), placements=given)


@pytest.mark.slow
def test_the_tool_is_where_it_was(sawyer, made):
    """By both robots' kinematics, row by row, and not by the residuals that are reported."""
    assert made.joint_names[-1] == "gripper" and made.rate_hz == 20 and len(made) == 2
    old, new = Placement.of("sawyer", base=BASE), Placement.of("panda", base=BASE)
    for before, after in zip(sawyer, made, strict=True):
        positions = [place.forward(item.qpos[:, :7].astype(float))[0] for place, item in ((old, before), (new, after))]
        assert np.abs(positions[0] - positions[1]).max() < 1e-4
        assert np.ptp(after.qpos[:, 7]) > 0.5 and after.qpos[:, 7].min() >= 0 and after.qpos[:, 7].max() <= 1
    assert all(row["kept"] and row["millimetres"] < 0.1 for row in residual_rows(made))


def test_a_lerobot_set_is_read_back_to_the_bit(made, tmp_path):
    pytest.importorskip("pyarrow")
    convert(made, tmp_path / "set", layout="lerobot")
    back = load(tmp_path / "set")
    assert (back.robot, back.joint_names, back.rate_hz) == ("panda", made.joint_names, 20.0)
    assert all(np.array_equal(a.qpos, b.qpos) for a, b in zip(made, back, strict=True))
