"""Translation error: chunks of one robot decoded as another, and where its tool then is."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import ate.align
from ate.align.evaluate.scorecard import _translation
from ate.align.evaluate.translation import _bootstrap, _gap, translation

from .test_tool_encoder import moving

CHUNK = 8


@pytest.fixture(scope="module")
def arms():
    return (moving("panda", 4, 0), moving("iiwa14", 4, 1)), moving("ur5e", 4, 2)


@pytest.fixture(scope="module")
def exact(arms, tiny):
    """An alignment whose code of 80 dimensions holds all of a chunk's 8 × 10 numbers."""
    options = {"columns": "tool", "adapt_init": "shared", "read_out": "own", "linear": "pca", "latent": 80}
    still = {"pretrain_steps": 1, "learning_rate": 1e-9, "dropout": 0.0}
    return ate.align.fit(*arms, preset=tiny.with_options(**options, **still))


def rows(position, rotation):
    columns = rotation.as_matrix()
    return np.concatenate([position, columns[..., 0], columns[..., 1], np.ones((len(position), 1))], -1)[:, None]


def test_distance_and_angle_are_those_of_the_poses_and_half_a_turn_does_not_count():
    start = Rotation.random(5, random_state=0)
    turn = Rotation.from_rotvec([[0.1, 0, 0]] * 5)
    half = Rotation.from_euler("z", np.pi)
    wanted = rows(np.zeros((5, 3)), start)
    for reached in (start * turn, start * turn * half):
        millimetres, degrees = _gap(rows(np.full((5, 3), 0.001), reached), wanted)
        np.testing.assert_allclose(millimetres, np.sqrt(3), rtol=1e-9)
        np.testing.assert_allclose(degrees, np.degrees(0.1), rtol=1e-6)


@pytest.mark.slow
def test_a_code_that_loses_nothing_translates_within_what_the_new_robot_can_reach(exact, arms):
    found = translation(exact, *arms)
    assert found.position.value < found.position.floor + 0.5 and found.rotation.value < found.rotation.floor + 0.2
    assert found.position.low <= found.position.value <= found.position.high
    mean, lowest, highest = found.position.null
    assert lowest <= mean <= highest and mean > 20 * found.position.value
    measures = {row["measure"] for row in _translation(exact, *arms, seed=0)}
    assert "translation error, position" in measures and "translation error, rotation, without a latent" in measures


@pytest.mark.slow
def test_a_code_that_carries_nothing_is_at_the_null(exact, arms):
    blind = ate.align.untrained(exact)
    blind.vae.linear.decode.weight.zero_()
    blind.vae.linear.decode.bias.copy_(exact.vae.linear.decode.bias)
    found = translation(blind, *arms)
    assert found.position.value == pytest.approx(found.position.null[0], rel=0.02)


def test_robots_without_kinematics_have_a_reason_and_no_number(robots, tiny):
    short = ate.align.fit(*robots, preset=tiny.with_options(pretrain_steps=2, adapt_steps=2))
    found = translation(short, *robots)
    assert found.position is None and found.rotation is None and "kinematics" in found.missing
    assert list(_translation(short, *robots, seed=0)) == []


def test_bounds_are_over_episodes():
    gap, group = np.array([[1.0, 1.0, 5.0, 5.0]] * 2), np.array([0, 0, 7, 7])
    low, high = _bootstrap(gap, group, np.random.default_rng(0))[0]
    assert (low, high) == (1.0, 5.0)
    assert _bootstrap(np.ones((2, 4)), group, np.random.default_rng(0)) == [(1.0, 1.0)] * 2


def test_joints_translate_too(arms, tiny):
    found = ate.align.fit(*arms, preset=tiny.with_options(pretrain_steps=2, adapt_steps=2))
    x = found.chunks(arms[0][0], found.seen[0]).gather(torch.arange(2))
    joints = found.translate(x)
    assert joints.shape == (2, CHUNK, 7)
    decoded = found.vae.decode(found.pretrain_vae.encode(x).mean, CHUNK)
    np.testing.assert_allclose(found.space.compact.encode(joints.numpy()), decoded.detach().numpy(), atol=1e-5)
    assert translation(found, *arms).position.value > 1
