"""The profile of a robot that was recorded in per cent of its motors' calibrated ranges, from LeRobot's calibration."""

from dataclasses import replace
from pathlib import Path

from ate.robots.calibration import ranges
from ate.robots.profile import Joint, Profile, available, profile


def calibrated_profile(path: Path) -> Profile:
    """Its motors as columns: joints from −100 to 100 per cent of their range, grippers from 0 (closed) to 100 (open).

    Limits and other names are those of the built-in robot that has all these joints, where there is one.

    Raises:
        InputError: as `ate.robots.calibration.ranges`.
    """
    measured = ranges(path)
    known = _robot_of(tuple(measured))
    joints = []
    for index, (name, (low, high)) in enumerate(measured.items()):
        joint = known.get(name) or Joint(name, (f"{name}.pos", f"main_{name}"), index=index)
        arm = "left" if name.startswith("left_") else joint.arm
        if "gripper" in name:
            joints.append(
                replace(
                    joint, arm=arm, part="gripper", index=0, unit="percent", closed=0.0, open=100.0, low=0.0, high=1.0
                )
            )
        else:
            joints.append(replace(joint, arm=arm, unit="range", at_minus_100=low, at_100=high, zero=0.0, sign=1))
    return Profile(path.stem, f"as calibrated in {path.name}", str(path), None, tuple(joints))


def _robot_of(motors: tuple[str, ...]) -> dict[str, Joint]:
    """Name → joint of the first robot that has all these joints."""
    for name in available():
        joints = {joint.name: joint for joint in profile(name).joints}
        if set(motors) <= set(joints):
            return joints
    return {}
