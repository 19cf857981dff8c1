"""Frames: where robots stand, which way tools point, and rows of tool motion there and back."""

import numpy as np
import pytest
import torch

from ate.errors import InputError
from ate.robots import chain
from ate.robots.frames import HALF_TURN, OPENING, POSITION, TURN, Placement, rotation_of
from ate.robots.kinematic_table import ROBOTS, robot
from ate.robots.kinematics import Kinematics
from tests.robots.arms import about, exported


@pytest.mark.parametrize("name", ROBOTS)
def test_at_home_all_tools_point_down_with_their_fingers_along_y(name):
    # Home postures differ by half a turn of the gripper, which looks the same; the convention takes that out.
    position, rotation = Placement.of(name).forward(chain.home(name))
    assert np.allclose(position, chain.HOME_POSITION, atol=1e-3)
    assert np.allclose(rotation, np.diag([1.0, -1.0, -1.0]), atol=2e-3)


def test_shared_and_own_are_inverse():
    base, tool = np.eye(4), np.eye(4)
    base[:3, :3], base[:3, 3] = about((0, 0, 1), 0.4), (1, 2, 3)
    tool[:3, :3], tool[:3, 3] = about((1, 0, 0), -0.8), (0.1, 0, 0.2)
    placed = Placement.of("ur5e", base=base, turn=tool)
    q = np.random.default_rng(0).normal(size=(5, 6))
    position, rotation = placed.kinematics.forward(q)
    again = placed.own(*placed.forward(q))
    assert np.allclose(again[0], position) and np.allclose(again[1], rotation)
    moved = base @ np.block([[rotation[0], position[0][:, None]], [np.zeros((1, 3)), np.ones((1, 1))]]) @ tool
    assert np.allclose(placed.forward(q)[0][0], moved[:3, 3]) and np.allclose(placed.forward(q)[1][0], moved[:3, :3])


def test_rows_hold_position_two_columns_and_opening():
    placed, q = Placement.of("gen3"), np.random.default_rng(0).normal(size=(2, 3, 7))
    rows = placed.rows(q, np.full((2, 3), 0.25))
    position, rotation = placed.forward(q)
    assert (
        rows.shape == (2, 3, 10) and np.allclose(rows[..., POSITION], position) and (rows[..., OPENING] == 0.25).all()
    )
    assert np.allclose(rotation_of(rows[..., TURN]), rotation)
    tensor = placed.rows(torch.from_numpy(q).float(), torch.full((2, 3), 0.25))
    assert tensor.dtype == torch.float32 and np.allclose(tensor.numpy(), rows, atol=1e-5)


def test_columns_of_a_rotation_are_made_orthonormal():
    rough = np.random.default_rng(0).normal(size=(4, 6))
    matrix = rotation_of(rough)
    assert np.allclose(matrix @ np.swapaxes(matrix, -1, -2), np.eye(3)) and np.allclose(np.linalg.det(matrix), 1)
    assert np.allclose(np.cross(matrix[..., 0], rough[..., :3]), 0, atol=1e-12)


def test_one_robot_follows_the_tool_of_another():
    panda, ur5e = Placement.of("panda"), Placement.of("ur5e")
    path = np.linspace(chain.home("panda"), chain.home("panda") + 0.15 * np.array([1, 1, -1, 1, 0, 1, 1]), 30)[None]
    rows = panda.rows(path, np.ones(path.shape[:2]))
    q, left = ur5e.follow(rows, chain.home("ur5e"))
    assert left.position.max() < 1e-3 and left.rotation.max() < 1e-2
    assert np.allclose(ur5e.rows(q, np.ones(q.shape[:2])), rows, atol=1e-2)


def test_a_file_stands_in_the_origin_even_if_its_robot_is_called_like_a_built_in_one(tmp_path):
    pytest.importorskip("mujoco")
    file = tmp_path / "ur5e.urdf"
    file.write_text(exported("ur5e").replace("ur5e_exported", "ur5e"))
    placed = Placement.of(str(file))
    assert placed.kinematics.name == "ur5e" and np.array_equal(placed.base, np.eye(4))
    assert np.array_equal(placed.tool, np.eye(4)) and not np.array_equal(Placement.of("ur5e").base, np.eye(4))
    assert Placement.of("ur5e").base[0, 3] == robot("ur5e").base[0]


@pytest.mark.parametrize("pose", [np.eye(3), 2 * np.eye(4), np.diag([1.0, 1.0, -1.0, 1.0])])
def test_what_is_no_pose_is_refused(pose):
    with pytest.raises(InputError, match="base"):
        Placement.of(Kinematics.of("panda"), base=pose)


def test_half_a_turn_twice_is_none():
    assert np.array_equal(HALF_TURN @ HALF_TURN, np.eye(4))
