"""The table of robots: poses the makers publish, conventions against each other, limits, names."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ate.errors import InputError
from ate.robots.chain import (
    HOME_POSITION,
    TOOL,
    downward,
    home,
    jacobian,
    pose,
    quaternion,
    toward,
)
from ate.robots.denavit_hartenberg import from_dh, from_mdh
from ate.robots.kinematic_table import ROBOTS, robot

# Flange position with all joints at zero, metres, as the makers state or draw it (not computed here).
PUBLISHED_ZERO = {
    "panda": (0.088, 0.0, 0.926),  # Franka: 0.333 + 0.316 + 0.384 - 0.107 high, 0.088 forward
    "iiwa14": (0.0, 0.0, 1.306),  # KUKA data sheet: 1306 mm stretched upwards
    "gen3": (0.0, -0.0246, 1.1873),  # Kinova user guide: 1187.3 mm stretched upwards
    "xarm7": (0.206, 0.0, 0.1205),  # UFACTORY: zero position reads (206, 0, 120.5) mm
    "xarm6": (0.207, 0.0, 0.112),  # UFACTORY: zero position reads (207, 0, 112) mm
    "ur5e": (0.8172, 0.2329, 0.0628),  # 425 + 392.2 forward, 133.3 + 99.6 aside, 162.5 - 99.7 high
    "sawyer": (1.0155, 0.1603, 0.3170),  # right_hand at zero in the maker's URDF
}

TURN = np.pi * 2


def degrees(*pairs):
    return [(low * (np.pi / 180), high * (np.pi / 180)) for low, high in pairs]


def symmetric(*highest):
    return [(-high, high) for high in highest]


# Joint limits in radians, from the makers' tables: the simulator must get every bit of them from the profiles.
PUBLISHED_LIMITS = {
    # Franka Control Interface documentation, robot and interface specifications
    "panda": [
        *symmetric(2.8973, 1.7628, 2.8973),
        (-3.0718, -0.0698),
        *symmetric(2.8973),
        (-0.0175, 3.7525),
        *symmetric(2.8973),
    ],
    # sawyer_description URDF
    "sawyer": [*symmetric(3.0503), (-3.8095, 2.2736), *symmetric(3.0426, 3.0439, 2.9761, 2.9761, 4.7124)],
    # KUKA LBR iiwa data sheet: axis ranges in degrees
    "iiwa14": degrees(*symmetric(170, 120, 170, 120, 170, 120, 175)),
    # Kinova Gen3 user guide; joints without a stop: one turn either way
    "gen3": symmetric(TURN, 2.25, TURN, 2.58, TURN, 2.1, TURN),
    # xArm user manual: joint ranges in degrees
    "xarm7": degrees((-360, 360), (-118, 120), (-360, 360), (-11, 225), (-360, 360), (-97, 180), (-360, 360)),
    "xarm6": degrees((-360, 360), (-118, 120), (-225, 11), (-360, 360), (-97, 180), (-360, 360)),
    # UR5e technical details; the elbow has the half turn that its links leave it
    "ur5e": symmetric(TURN, TURN, np.pi, TURN, TURN, TURN),
}


@pytest.mark.parametrize("name", ROBOTS)
def test_limits_are_the_published_ones_to_the_last_bit(name):
    assert np.array_equal(robot(name).limits, PUBLISHED_LIMITS[name])


def test_a_users_own_profile_leaves_the_simulated_robot_as_it_is(tmp_path):
    (tmp_path / "panda.toml").write_text('joints = [{ name = "other", low = -1, high = 1 }]')
    code = "from ate.robots.kinematic_table import robot; print(*robot('panda').joint_names)"
    env = {**os.environ, "ATE_ROBOTS": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], check=True, env=env, capture_output=True, text=True)
    assert run.stdout.split() == [*(f"panda_joint{i}" for i in range(1, 8)), "gripper"]


def flange_at(name, q):
    position, matrix = pose(robot(name), np.asarray(q, dtype=float))
    return position - TOOL * matrix[..., 2]


@pytest.mark.parametrize("name", PUBLISHED_ZERO)
def test_zero_pose_is_the_published_one(name):
    assert np.allclose(flange_at(name, np.zeros(robot(name).joints)), PUBLISHED_ZERO[name], atol=1e-3)


def test_ufactory_standard_dh_gives_the_same_arm_as_its_modified_dh():
    # UFACTORY publishes both tables for the xArm 6; the robot table uses the modified one.
    h, tilt = np.pi / 2, 1.3849179
    frames, flange = from_dh(
        [
            (0, 0.267, 0, -h),
            (-tilt, 0, 0.28948866, 0),
            (tilt, 0, 0.0775, -h),
            (0, 0.3425, 0, h),
            (0, 0, 0.076, -h),
            (0, 0.097, 0, 0),
        ],
        np.eye(4),
    )
    rng = np.random.default_rng(0)
    for q in rng.uniform(-3, 3, (20, 6)):
        chain = np.eye(4)
        for frame, angle in zip(frames, q, strict=True):
            turn = np.eye(4)
            turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            chain = chain @ frame @ turn
        chain = chain @ flange
        assert np.allclose(chain[:3, 3], flange_at("xarm6", q), atol=1e-6)
        assert np.allclose(chain[:3, :3], pose(robot("xarm6"), q)[1], atol=1e-6)


def test_modified_dh_of_one_joint_in_closed_form():
    frames, flange = from_mdh([(np.pi / 2, 0.3, 0.2, 0.0)])
    assert np.allclose(frames[0] @ [0, 0, 0, 1], [0.3, -0.2, 0, 1])  # d along the turned z, which is -y
    assert np.array_equal(flange, np.eye(4))


@pytest.mark.parametrize("name", ROBOTS)
def test_rows_agree_with_each_other(name):
    arm = robot(name)
    n = arm.joints
    assert n in (6, 7) and arm.dof == n + 1 == len(arm.joint_names)
    assert arm.joint_names[-1] == "gripper" and len(set(arm.joint_names)) == n + 1
    assert arm.limits.shape == (n, 2) and np.all(arm.limits[:, 0] < arm.limits[:, 1])
    assert arm.torque.shape == arm.seed.shape == (n,) and np.all(arm.torque > 0) and arm.mass > 0
    assert len(arm.source) > 20
    for frame in [*arm.frames, arm.flange]:
        assert np.allclose(frame[:3, :3] @ frame[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.isclose(np.linalg.det(frame[:3, :3]), 1.0)


@pytest.mark.parametrize("name", ROBOTS)
def test_home_is_the_common_pose_inside_the_limits(name):
    arm, q = robot(name), home(name)
    position, matrix = pose(arm, q)
    assert np.allclose(position + arm.base, HOME_POSITION, atol=1e-3)
    assert np.allclose(matrix[:, 2], [0, 0, -1], atol=1e-3) and abs(matrix[1, 1]) > 0.999
    assert np.all(q > arm.limits[:, 0] + 0.3) and np.all(q < arm.limits[:, 1] - 0.3)


@pytest.mark.parametrize("name", ROBOTS)
def test_jacobian_is_the_finite_difference(name):
    arm = robot(name)
    q = home(name) + 0.1
    rows, tool = jacobian(arm, q)
    for i in range(arm.joints):
        nudge = np.zeros(arm.joints)
        nudge[i] = 1e-6
        position, matrix = pose(arm, q + nudge)
        assert np.allclose((position - tool[:3, 3]) / 1e-6, rows[:3, i], atol=1e-5)
        spin = (matrix @ tool[:3, :3].T - np.eye(3)) / 1e-6
        assert np.allclose([spin[2, 1], spin[0, 2], spin[1, 0]], rows[3:, i], atol=1e-5)


@pytest.mark.parametrize("name", ROBOTS)
def test_inverse_kinematics_reaches_the_table(name):
    arm = robot(name)
    corners = np.array([[x, y, 0.03] for x in (-0.12, 0.12) for y in (-0.12, 0.12)])
    _, home_matrix = pose(arm, home(name))
    flip = np.pi * (home_matrix[0, 0] < 0)
    q = np.tile(home(name), (4, 1))
    matrix = downward(np.full(4, flip))
    for _ in range(50):
        q = toward(arm, q, corners - arm.base, matrix, home(name))
    position, reached = pose(arm, q)
    assert np.allclose(position + arm.base, corners, atol=2e-3)
    assert np.allclose(reached, matrix, atol=2e-2)


def test_quaternions_turn_vectors_as_their_matrices_do():
    rng = np.random.default_rng(2)
    given = rng.normal(size=(200, 4))
    given[:3] = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    w, x, y, z = given.T
    matrices = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
        ],
        -2,
    )
    assert np.allclose(np.abs((quaternion(matrices) * given).sum(1)), 1.0)
    assert np.all(quaternion(matrices)[:, 0] >= 0)


def test_unknown_robot_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'panda'"):
        robot("pandas")


@pytest.mark.slow
def test_table_needs_no_simulator():
    code = (
        "import sys; sys.modules['mujoco'] = None\n"
        "import ate.sim, ate.robots.kinematic_table, ate.sim.tasks, ate.sim.expert, ate.cli.demos\n"
        "from ate.robots.kinematics import Kinematics\n"
        "Kinematics.of('sawyer').forward([0.0] * 7)\n"
        "from ate.sim.build import build_model\n"
        "from ate.errors import InputError\n"
        "try:\n    build_model('panda', 'lift')\n"
        "except InputError as error:\n    assert '[sim]' in str(error)\n"
        "else:\n    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
