"""The profile of a robot whose kinematics come from a file: the joints of its arm, in SI, and a gripper if recorded."""

from pathlib import Path

import numpy as np

from ate.robots.embodiment import GRIPPER
from ate.robots.kinematics import Kinematics
from ate.robots.profile import Joint, Profile


def model_profile(path: str | Path, tool: str | None = None) -> Profile:
    """The profile of the arm in a URDF, MJCF or identified robot, down to `tool`.

    The opening of a gripper is in no model, so the column `gripper`, 0 closed to 1 open, is optional.

    Raises:
        InputError: as `Kinematics.of`.
    """
    kinematics = Kinematics.of(path, tool)
    slides = kinematics.slides
    joints = [
        Joint(
            name,
            index=i,
            unit="m" if slides[i] else "rad",
            low=_known(kinematics.limits[i, 0]),
            high=_known(kinematics.limits[i, 1]),
            max_speed=_known(kinematics.speed[i]),
        )
        for i, name in enumerate(kinematics.joint_names)
    ]
    if GRIPPER not in kinematics.joint_names:
        joints.append(Joint(GRIPPER, part="gripper", unit="fraction", low=0.0, high=1.0, optional=True))
    return Profile(kinematics.name, kinematics.name, str(path), None, tuple(joints), str(path), tool or "")


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
