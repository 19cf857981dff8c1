"""What names of columns say: those of controllers' logs, ROS, LeRobot and tables by hand."""

import pytest

from ate.robots import available, profile
from ate.robots.headings import (
    ACCELERATION,
    CLOCK,
    COMMAND,
    END,
    EPISODE,
    FORCE,
    POSE,
    POSITION,
    STATE,
    STEP,
    TEMPERATURE,
    VELOCITY,
    heading,
)

KINDS = {
    POSITION: "q_elbow_joint actual_q_0 elbow.pos position_elbow panda_joint1 q1 wrist_roll gripper gripper_width "
    "tool0 finger_joint1 left_elbow head_pitch current_joint_1 current_position_2 observation.state.elbow "
    "/joint_states/elbow_joint/position",
    COMMAND: "cmd_elbow_joint target_q_0 action_0 action.shoulder goal_elbow elbow_target leader_q0 "
    "desired_q1 elbow_cmd q_d_3 qdes_1 q_ref_2",
    VELOCITY: "qd_elbow_joint target_qd_0 actual_qd_3 elbow.vel dq1 dq_1 velocity_elbow joint_velocities_0 "
    "tcp_speed_0 /joint_states/elbow/velocity dq_d_0",
    ACCELERATION: "target_qdd_0 ddq3 acceleration_x",
    FORCE: "effort_elbow_joint tau_J_3 tau1 target_current_1 joint_1_current actual_TCP_force_2 torque fx motor_load",
    TEMPERATURE: "joint_temperatures_3 temp_0",
    STATE: "robot_mode safety_status speed_scaling reward success",
    POSE: "x y z roll pitch yaw qw actual_TCP_pose_3 O_T_EE_5 ee_x quat_1",
    CLOCK: "time t timestamp time_ms t_s time_from_start header.stamp.secs nsecs",
    STEP: "step frame_index index seq",
    EPISODE: "episode episode_index traj_id demo",
    END: "done terminals next.done is_last",
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    names = KINDS[kind].split()
    expected = {name: VELOCITY if name == "speed_scaling" else kind for name in names}
    assert {name: heading(name).kind for name in names} == expected


def test_joints_of_every_profile_are_positions():
    names = [name for robot in available() for j in profile(robot).joints for name in (j.name, *j.aliases)]
    assert len(names) > 100 and {heading(name).kind for name in names} == {POSITION}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("q_elbow_joint", "cmd_elbow_joint"),
        ("actual_q_0", "target_q_0"),
        ("elbow.pos", "goal_elbow"),
        ("a", "action_a"),
    ],
)
def test_a_command_and_a_position_of_one_joint_agree(one, other):
    assert heading(one).of == heading(other).of
