"""Screw axes: closed forms, derivatives, batches, tensors, and the way to a file and back."""

import numpy as np
import pytest
import torch

from ate.errors import InputError
from ate.robots import chain
from ate.robots.kinematic_table import ROBOTS, robot
from ate.robots.kinematics import Kinematics
from ate.robots.posture import lowest, points, posture

L1, L2 = 0.5, 0.3


def planar(slide=False):
    """Two links in the plane: hinges about z at 0 and L1, the second one a slide along x where asked."""
    second = [0, 0, 0, 1, 0, 0] if slide else [0, 0, 1, 0, -L1, 0]
    mount = np.eye(4)
    mount[0, 3] = L1 + L2
    free = np.full((2, 2), (-np.inf, np.inf))
    screws = np.array([[0, 0, 1, 0, 0, 0], second], float)
    fast, zero = np.full(2, np.inf), np.zeros(2)
    return Kinematics("planar", ("a", "b"), screws, mount, np.eye(2), zero, free, fast, zero)


def test_two_links_in_closed_form():
    q = np.random.default_rng(0).uniform(-3, 3, (50, 2))
    position, rotation = planar().forward(q)
    both = q.sum(1)
    expected = np.stack([L1 * np.cos(q[:, 0]) + L2 * np.cos(both), L1 * np.sin(q[:, 0]) + L2 * np.sin(both)], 1)
    assert np.allclose(position[:, :2], expected, atol=1e-14) and not position[:, 2].any()
    assert np.allclose(rotation[:, 0, 0], np.cos(both)) and np.allclose(rotation[:, 1, 0], np.sin(both))


def test_a_slide_moves_along_its_turned_axis():
    q = np.array([[0.7, 0.2], [-1.0, -0.1]])
    position, _ = planar(slide=True).forward(q)
    reach = L1 + L2 + q[:, 1]
    assert np.allclose(position[:, :2], np.stack([reach * np.cos(q[:, 0]), reach * np.sin(q[:, 0])], 1))
    assert planar(slide=True).slides.tolist() == [False, True]


@pytest.mark.parametrize("name", ROBOTS)
def test_screws_of_a_table_give_the_poses_of_its_frames(name):
    kinematics, arm = Kinematics.of(name), robot(name)
    q = np.random.default_rng(0).uniform(*arm.limits.T, (200, arm.joints))
    position, rotation = chain.pose(arm, q)
    assert np.allclose(kinematics.forward(q)[0], position, atol=1e-13)
    assert np.allclose(kinematics.forward(q)[1], rotation, atol=1e-13)


@pytest.mark.parametrize("name", ["ur5e", "gen3"])
def test_jacobian_by_finite_differences(name):
    kinematics, step = Kinematics.of(name), 1e-6
    q = np.random.default_rng(0).uniform(-1, 1, kinematics.joints)
    jacobian, position, rotation = kinematics.jacobian(q)
    for i in range(kinematics.joints):
        moved, turned = kinematics.forward(q + step * np.eye(kinematics.joints)[i])
        hat = (turned - rotation) / step @ rotation.T
        numeric = [*((moved - position) / step), hat[2, 1], hat[0, 2], hat[1, 0]]
        assert np.allclose(jacobian[:, i], numeric, atol=1e-5)


def test_coupled_joints_count_in_the_jacobian():
    mimic = Kinematics(**{**vars(planar()), "joint_names": ("a",), "coupling": np.array([[1.0], [-2.0]]),
                          "zero": np.array([0.0, -0.1]), "limits": np.array([[-1.0, 1.0]]), "speed": np.array([1.0]),
                          "rest": np.zeros(1)})  # fmt: skip
    q = np.array([[0.3]])
    both = np.array([[0.3, -2 * 0.3 + 0.1]])
    assert np.allclose(mimic.forward(q)[0], planar().forward(both)[0])
    assert np.allclose(mimic.jacobian(q)[0][0, :, 0], planar().jacobian(both)[0][0] @ [1, -2])


def test_gradients_in_torch_and_the_type_of_the_input():
    kinematics = Kinematics.of("gen3")
    q = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: kinematics.forward(x), (q,))
    position, rotation = kinematics.forward(torch.zeros(2, 4, 8))
    assert position.dtype == torch.float32 and position.shape == (2, 4, 3) and rotation.shape == (2, 4, 3, 3)


def test_a_gripper_column_is_ignored_and_other_widths_are_refused():
    kinematics = Kinematics.of("ur5e")
    q = np.random.default_rng(0).normal(size=(4, 7))
    assert np.array_equal(kinematics.forward(q)[0], kinematics.forward(q[:, :6])[0])
    for width in (5, 8):
        with pytest.raises(InputError, match="6 joints"):
            kinematics.forward(np.zeros((2, width)))


def test_a_tree_holds_infinite_limits_without_infinity():
    import json

    tree = json.loads(json.dumps(planar().to_tree(), allow_nan=False))
    again = Kinematics.from_tree(tree)
    assert np.array_equal(again.limits, planar().limits) and np.isinf(again.speed).all()
    q = np.array([0.4, -0.2])
    assert np.array_equal(again.forward(q)[0], planar().forward(q)[0])


def test_products_move_what_the_joints_before_move():
    # Points on the axes of two links: the base and the elbow; then the tool.
    q = np.array([np.pi / 2, 0.0])
    assert np.allclose(points(planar(), q), [[0, 0, 0], [0, L1, 0], [0, L1 + L2, 0]], atol=1e-15)


def test_a_stretched_arm_rests_bent_above_its_base_and_within_limits():
    gen3 = Kinematics.of("gen3")
    rest = posture(gen3)
    assert ((rest >= gen3.limits[:, 0]) & (rest <= gen3.limits[:, 1])).all()
    worst = [np.linalg.svd(gen3.jacobian(q)[0], compute_uv=False)[-1] for q in (np.zeros(7), rest)]
    assert worst[0] < 1e-3 < 0.05 < worst[1] and lowest(gen3, rest[None])[0] >= -1e-9
