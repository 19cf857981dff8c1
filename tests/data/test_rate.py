"""Recordings at another rate, against signals whose values between rows are known."""

from dataclasses import replace

import numpy as np
import pytest

from ate.data.episodes import Episode, Episodes
from ate.data.rate import at_rate
from ate.errors import InputError


def recorded(rate: float, rows: int, **more: np.ndarray) -> Episodes:
    time = np.arange(rows)[:, None] / rate
    qpos = np.hstack([2 * time - 1, 5 * time]).astype(np.float32)
    item = Episode.of("e", "e.hdf5", qpos=qpos, **more)
    item = replace(item, attributes={"rate_hz": rate})
    return Episodes((item,), "qpos", "arm", ("a", "b"), rate, "lift")


@pytest.mark.parametrize(("rate", "rows", "hz", "count"), [(100, 101, 20, 21), (83.333, 90, 20, 22), (10, 11, 40, 41)])
def test_straight_lines_in_time_stay_straight(rate, rows, hz, count):
    made = at_rate(recorded(rate, rows), hz)
    time = np.arange(count)[:, None] / hz
    np.testing.assert_allclose(made[0].qpos, np.hstack([2 * time - 1, 5 * time]), atol=1e-5)
    assert (made.rate_hz, made[0].attributes["rate_hz"]) == (hz, hz)


def test_codes_take_the_nearest_row_and_rotations_stay_rotations():
    half = np.sqrt(0.5)
    pose = np.array([[0, 0, 0, 1, 0, 0, 0], [0.1, 0, 0, -half, -half, 0, 0]], np.float32)  # a quarter turn about x
    made = at_rate(recorded(10, 2, ee_pose=pose, phase=np.array([3, 5], np.int8)), 20)
    between = made[0].read("ee_pose")[1]
    # Half of a quarter turn, whatever the signs of the quaternions.
    assert between == pytest.approx([0.05, 0, 0, np.cos(np.pi / 8), np.sin(np.pi / 8), 0, 0], abs=1e-6)
    assert set(made[0].read("phase").tolist()) <= {3, 5} and made[0].read("phase")[[0, 2]].tolist() == [3, 5]


def test_an_action_that_is_no_joint_target_is_left_out():
    steps = np.zeros((11, 7), np.float32)
    assert not at_rate(recorded(10, 11, action=steps), 5)[0].has("action")
    assert at_rate(recorded(10, 11, action=steps[:, :2]), 5)[0].has("action")


def test_an_unknown_rate_is_refused():
    episodes = recorded(10, 11)
    bare = replace(episodes, items=(replace(episodes[0], attributes={}),), rate_hz=None)
    with pytest.raises(InputError, match="no rate"):
        at_rate(bare, 20)
    with pytest.raises(InputError, match="above 0"):
        at_rate(episodes, 0)
