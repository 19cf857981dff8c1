"""Inverse kinematics: round trips, limits, speeds, poses out of reach."""

from dataclasses import replace

import numpy as np
import pytest

from ate.robots.inverse import follow, residual, turn
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from tests.robots.arms import about
from tests.robots.test_kinematics import L1, L2, planar


def reachable(kinematics, count, share):
    low, high = np.clip(kinematics.limits, -np.pi, np.pi).T
    middle = kinematics.rest
    q = np.random.default_rng(0).uniform(low, high, (count, kinematics.joints))
    q = np.clip(middle + share * (q - middle), *kinematics.limits.T)
    return kinematics.forward(q)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.slow
def test_joints_found_for_reachable_poses_give_those_poses(name):
    kinematics = Kinematics.of(name)
    position, rotation = reachable(kinematics, 60, 0.6)
    found = kinematics.inverse(position, rotation, kinematics.rest)
    left = residual(kinematics, found, position, rotation)
    assert (left.position < 1e-5).mean() > 0.95 and (left.rotation < 1e-4).mean() > 0.95
    assert (found >= kinematics.limits[:, 0]).all() and (found <= kinematics.limits[:, 1]).all()


def test_a_start_near_the_answer_finds_that_answer():
    ur5e = Kinematics.of("ur5e")
    q = ur5e.rest + np.random.default_rng(0).uniform(-0.5, 0.5, (20, 6))
    near = q + np.random.default_rng(1).normal(0, 0.02, q.shape)
    assert np.allclose(ur5e.inverse(*ur5e.forward(q), near), q, atol=1e-5)


def test_a_pose_out_of_reach_ends_as_near_as_the_arm_gets():
    # The planar arm, far along the diagonal with the tool turned along it: stretched towards it.
    tight = replace(planar(), limits=np.full((2, 2), (-2.0, 2.0)))
    away = np.array([[2.0, 2.0, 0.0]])
    found = tight.inverse(away, about((0, 0, 1), np.pi / 4)[None], np.array([0.1, 0.5]))
    assert np.linalg.norm(away - tight.forward(found)[0]) == pytest.approx(np.sqrt(8) - L1 - L2, abs=5e-3)


@pytest.mark.slow
def test_limits_hold_where_the_answer_lies_beyond_them():
    narrow = replace(Kinematics.of("ur5e"), limits=Kinematics.of("ur5e").rest[:, None] + np.array([-0.2, 0.2]))
    wide = Kinematics.of("ur5e")
    pose = wide.forward(wide.rest + np.array([0.5, 0.3, -0.4, 0.2, 0.1, 0.6]))
    found = narrow.inverse(pose[0][None], pose[1][None], wide.rest)
    assert (found >= narrow.limits[:, 0]).all() and (found <= narrow.limits[:, 1]).all()
    assert residual(narrow, found, pose[0][None], pose[1][None]).position > 0.01


@pytest.mark.slow
def test_following_keeps_to_the_path_and_to_speed_limits():
    gen3 = Kinematics.of("gen3")
    ends = gen3.rest + np.array([[0.0] * 7, [0.4, 0.2, -0.3, 0.2, 0.1, -0.2, 0.3]])
    path = np.linspace(*ends, 40)[None]
    position, rotation = gen3.forward(path)
    free = follow(gen3, position, rotation, ends[0])
    assert residual(gen3, free, position, rotation).position.max() < 1e-4
    period, slow = 0.05, replace(gen3, speed=np.full(7, 0.1))
    steps = np.abs(np.diff(follow(slow, position, rotation, ends[0], period), axis=1))
    assert steps.max() <= 0.1 * period + 1e-12 < np.abs(np.diff(free, axis=1)).max()


def test_joints_that_the_tool_does_not_need_go_to_rest():
    iiwa = Kinematics.of("iiwa14")
    position, rotation = iiwa.forward(iiwa.rest[None])
    aside = iiwa.inverse(position, rotation, iiwa.rest + 0.5 * np.eye(7)[2])
    assert np.linalg.norm(aside - iiwa.rest) > 0.2
    held = [np.repeat(values[:, None], 40, axis=1) for values in (position, rotation)]
    found = follow(iiwa, *held, aside)[0]
    assert residual(iiwa, found, position, rotation).position.max() < 1e-3
    assert np.linalg.norm(found[-1] - iiwa.rest) < 0.02


def test_turn_is_the_rotation_vector_in_the_base_frame():
    axis = np.array([1.0, 2.0, -2.0]) / 3
    for angle in (0.0, 1e-9, 0.5, 3.0):
        start = about((0, 1, 0), 0.7)
        assert np.allclose(turn(start, about(axis, angle) @ start), angle * axis, atol=1e-9)
