"""DROID: a folder an episode with `trajectory.h5`, `observation/robot_state` and `action`; a Franka Panda at 15 Hz.

`gripper_position` is 0 where the gripper is open and 1 where it is closed. Source: DROID's documentation, "the DROID
dataset", and its `TrajectoryReader`.
"""

from ate.data.formats.parts import Part
from ate.data.formats.recording import Recording

NAME = "droid"
EXPECTS = "a folder an episode with trajectory.h5, which has 'observation/robot_state/joint_positions'"
_ARM = tuple(f"panda_joint{i}" for i in range(1, 8))
_GRIPPER = ("gripper_position",)
_STATE = "observation/robot_state"
_LAYOUT = Recording(
    qpos=((Part(f"{_STATE}/joint_positions", _ARM, True), Part(f"{_STATE}/gripper_position", _GRIPPER)),),
    action=((Part("action/joint_position", _ARM, True), Part("action/gripper_position", _GRIPPER)),),
    known={"robot": "panda"},
    clocks=(("observation/timestamp/control/step_start", 1e3), ("observation/timestamp/robot_state/read_start", 1e3)),
)
looks, index = _LAYOUT.looks, _LAYOUT.index
