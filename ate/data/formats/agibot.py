"""AgiBot World: a folder an episode with `proprio_stats.h5`, `state/joint/position` and `action/joint/position`.

Joints of the left arm come before those of the right; `effector` is two grippers or two hands, the left first.
Source: the dataset card of AgiBot World Alpha and Beta, "Explanation of Proprioceptive State".
"""

from ate.data.formats.parts import Part
from ate.data.formats.recording import Recording

NAME = "agibot"
EXPECTS = "a folder an episode with proprio_stats.h5, which has 'state/joint/position'"


def _form(group: str) -> tuple[Part, ...]:
    return (
        Part(f"{group}/joint/position", ("left_joint", "right_joint"), True),
        Part(f"{group}/effector/position", ("left_gripper", "right_gripper")),
        Part(f"{group}/head/position", ("head_yaw", "head_pitch")),
        Part(f"{group}/waist/position", ("waist_pitch", "waist_lift")),
    )


_LAYOUT = Recording(qpos=(_form("state"),), action=(_form("action"),), clocks=(("timestamp", 1e9),))
looks, index = _LAYOUT.looks, _LAYOUT.index
