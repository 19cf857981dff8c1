"""RoboMIND: a folder an episode with `data/trajectory.hdf5`, `puppet/joint_position` (measured) and `master/…`.

Source: the dataset card of RoboMIND, "Data format".
"""

from ate.data.formats.parts import Part
from ate.data.formats.recording import Recording

NAME = "robomind"
EXPECTS = "a folder an episode with trajectory.hdf5, which has 'puppet/joint_position', or _left and _right of it"


def _forms(arm: str) -> tuple[tuple[Part, ...], ...]:
    sides = tuple(Part(f"{arm}/joint_position_{side}", (f"{side}_joint",), True) for side in ("left", "right"))
    return (Part(f"{arm}/joint_position", ("joint",), True),), sides, sides[:1], sides[1:]


_LAYOUT = Recording(qpos=_forms("puppet"), action=_forms("master"))
looks, index = _LAYOUT.looks, _LAYOUT.index
