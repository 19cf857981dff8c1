"""Identification: exact without noise, as good as its noise with some, and it says when it is not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ate.data import load
from ate.data.tool_poses import identify_robot, recorded_poses
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.robots.identify import STILL_WIDER, WARNED, identify
from ate.robots.kinematics import Kinematics
from ate.robots.screw_fit import Poses, fit, forward_spread
from tests.robots.test_kinematics import planar

METRES, RADIANS = 5e-4, np.radians(0.17)


def demonstrations(name, count=5, seed=0):
    """Joints of shipped demonstrations and the number of each row's."""
    episodes = load(SHIPPED / "lift" / "adapt" / name)
    chosen = np.random.default_rng(seed).choice(len(episodes), count, replace=False)
    rows = [episodes.series(int(i))[:, :-1].astype(float) for i in chosen]
    return np.concatenate(rows), np.repeat(np.arange(count), [len(r) for r in rows])


def noisy(position, rotation, seed=0):
    generator = np.random.default_rng(seed)
    turned = rotation @ Rotation.from_rotvec(generator.normal(0, RADIANS, position.shape)).as_matrix()
    return position + generator.normal(0, METRES, position.shape), turned


@pytest.mark.parametrize("name", ["ur5e", "gen3"])
@pytest.mark.slow
def test_exact_poses_give_the_arm_exactly_where_it_was_never_seen(name):
    truth = Kinematics.of(name)
    q, episode = demonstrations(name)
    found = identify(q, *truth.forward(q), episode)
    away = truth.rest + np.random.default_rng(1).uniform(-0.8, 0.8, (200, truth.joints))
    assert np.abs(found.kinematics.forward(away)[0] - truth.forward(away)[0]).max() < 1e-5
    assert np.abs(found.kinematics.forward(away)[1] - truth.forward(away)[1]).max() < 1e-5
    assert found.error < 1e-6 and found.held_out.shape == (5,)
    assert np.array_equal(Kinematics.identify(q, *truth.forward(q)).screws, found.kinematics.screws)


@pytest.mark.slow
def test_noisy_poses_give_errors_within_the_expected_ones():
    truth = Kinematics.of("gen3")
    q, episode = demonstrations("gen3")
    found = identify(q, *noisy(*truth.forward(q)), episode)
    other, _ = demonstrations("gen3", 40, 1)
    errors = np.linalg.norm(found.kinematics.forward(other)[0] - truth.forward(other)[0], axis=1)
    assert 0 < errors.mean() < 1e-3 and found.error < 2e-3
    spread = forward_spread(fit(Poses(q, *noisy(*truth.forward(q)))), other)
    assert 0.3 < np.sqrt(np.mean(errors**2)) / np.sqrt(np.mean(spread**2)) < 3
    # Noise of 0.5 mm an axis is what the fit leaves: √3 · 0.5 mm.
    assert found.fit == pytest.approx(np.sqrt(3) * METRES, rel=0.1)


def test_a_slide_is_recognised_and_its_axis_found():
    truth = planar(slide=True)
    q = np.random.default_rng(0).uniform(-0.3, 0.3, (40, 2))
    found = identify(q, *truth.forward(q)).kinematics
    assert found.slides.tolist() == [False, True]
    assert np.allclose(found.forward(2 * q)[0], truth.forward(2 * q)[0], atol=1e-7)


@pytest.mark.slow
def test_postures_all_over_the_range_are_explained_too():
    truth = Kinematics.of("xarm7")
    q = np.random.default_rng(0).uniform(*np.clip(truth.limits, -3, 3).T, (100, 7))
    assert np.sqrt(np.square(fit(Poses(q, *truth.forward(q))).error).mean()) < 1e-6


@pytest.mark.slow
def test_limits_are_the_observed_range_widened_and_a_joint_at_rest_is_named():
    truth = Kinematics.of("ur5e")
    q, _ = demonstrations("ur5e")
    q = q.copy()
    q[:, 4] = q[:, 4].mean() + 0.1 * (q[:, 4] - q[:, 4].mean())
    found = identify(q, *truth.forward(q), joint_names=truth.joint_names)
    assert found.still == ("wrist_2_joint",) and found.widened[4] == STILL_WIDER * 0.05
    assert np.allclose(found.kinematics.limits[:, 0], q.min(0) - found.widened)
    assert "wrist_2_joint" in found.lines()[-1]
    known = identify(q, *truth.forward(q), limits=truth.limits)
    assert np.array_equal(known.kinematics.limits, truth.limits) and not known.widened.any()


@pytest.mark.slow
def test_a_millimetre_too_much_warns_and_centimetres_are_refused():
    truth = Kinematics.of("ur5e")
    q, episode = demonstrations("ur5e")
    position, rotation = truth.forward(q)
    generator = np.random.default_rng(0)
    assert identify(q, position + generator.normal(0, 4e-3, position.shape), rotation, episode).verdict == WARNED
    with pytest.raises(InputError, match=r"an error of \d+\.\d mm .* at most 15 mm"):
        identify(q, position + generator.normal(0, 0.03, position.shape), rotation, episode)


@pytest.mark.slow
def test_what_is_needed_but_not_reached_is_counted():
    truth = Kinematics.of("ur5e")
    q, _ = demonstrations("ur5e")
    position, rotation = truth.forward(q)
    far = np.concatenate([position, position + np.array([5.0, 0, 0])]), np.concatenate([rotation, rotation])
    found = identify(q, position, rotation, needed=far)
    assert (found.round_trip.position > 1).mean() == pytest.approx(0.5) and found.outside >= 0.5


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda q, p, r: (q[:5], p[:5], r[:5]), "at least 14 poses"),
        (lambda q, p, r: (q, p[:, :2], r), "arrays of shape"),
        (lambda q, p, r: (q, np.where(p > 0, np.nan, p), r), "not finite"),
        (lambda q, p, r: (q, p, 2 * r), "no rotations"),
        (lambda q, p, r: (q, p, r @ np.diag([1.0, 1.0, -1.0])), "no rotations"),
    ],
)
def test_what_cannot_be_identified_is_refused(change, expected):
    q, _ = demonstrations("ur5e", 2)
    with pytest.raises(InputError, match=expected):
        identify(*change(q, *Kinematics.of("ur5e").forward(q)))


@pytest.mark.parametrize("name", ["ur5e", "gen3"])
@pytest.mark.slow
def test_recorded_poses_of_shipped_demonstrations_give_their_robot(name):
    episodes = load(SHIPPED / "lift" / "adapt" / name).select(range(5))
    found = identify_robot(episodes)
    truth = Kinematics.of(name)
    assert found.kinematics.joint_names == truth.joint_names and len(found.held_out) == 5
    away = truth.rest + np.random.default_rng(0).uniform(-0.5, 0.5, (50, truth.joints))
    assert np.abs(found.kinematics.forward(away)[0] - truth.forward(away)[0]).max() < 1e-4
    poses = recorded_poses(episodes)
    assert np.allclose(truth.forward(poses.qpos)[0], poses.position, atol=1e-5)
