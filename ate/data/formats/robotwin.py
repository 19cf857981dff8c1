"""RoboTwin 2.0: one HDF5 file an episode, `joint_action/left_arm`, `left_gripper`, `right_arm`, `right_gripper`.

These are measured positions: its own conversion takes the next row for the action. Source: RoboTwin 2.0,
`script/policy_data` and its documentation, "Dataset format".
"""

from ate.data.formats.parts import Part
from ate.data.formats.recording import Recording

NAME = "robotwin"
EXPECTS = "one HDF5 file an episode, with 'joint_action/left_arm' and its siblings, or 'joint_action/vector'"
_SIDES = tuple(
    Part(f"joint_action/{side}_{part}", (f"{side}_{'joint' if part == 'arm' else part}",), part == "arm")
    for side in ("left", "right")
    for part in ("arm", "gripper")
)
_LAYOUT = Recording(qpos=(_SIDES, _SIDES[:2], _SIDES[2:], (Part("joint_action/vector", ("joint",), True),)))
looks, index = _LAYOUT.looks, _LAYOUT.index
