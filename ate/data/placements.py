"""Placements: how the robots of data sets move and where they stand, by profile, by name, or as given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ate.data.episodes import Episodes
from ate.data.units import joints_now, profile_for
from ate.errors import InputError
from ate.robots import GRIPPER
from ate.robots.frames import Placement
from ate.robots.kinematic_table import ROBOTS
from ate.robots.model_text import is_model
from ate.robots.profile import available
from ate.robots.profile import profile as profile_of

Placements = Mapping[str, Placement]


class KinematicsUnknown(UserWarning):
    """Tool motion was asked for, and a robot's kinematics are not known: name its URDF or MJCF, or identify it."""


def robot_of(episodes: Episodes) -> str:
    """What `Placement.of` takes for the robot of a set: its profile or its name; empty where neither has kinematics."""
    for name in (episodes.profile, episodes.robot):
        if name in ROBOTS or (name and is_model(name)):
            return name
        if name and (name.endswith(".toml") or name in available()) and profile_of(name).model:
            return name
    return ""


def placed(robot: str) -> Placement:
    """The placement of a robot, `Placement.of(robot)`, read again only where its files have changed."""
    files = [] if robot in ROBOTS else [Path(robot), Path(profile_of(robot).model)]
    return _placed(robot, tuple(file.stat().st_mtime_ns for file in files if file.is_file()))


@lru_cache(64)
def _placed(robot: str, changed: tuple[int, ...]) -> Placement:
    return Placement.of(robot)


def placement(episodes: Episodes, given: Placements | None = None) -> Placement:
    """The placement of the robot of a set, its joints called as the columns of the set are.

    Args:
        episodes: of one robot.
        given: placements by robot, which go first.

    Raises:
        InputError: its kinematics are not known, or its columns are recorded in other units than rad and m.
    """
    if given is not None and episodes.robot in given:
        return given[episodes.robot]
    robot = robot_of(episodes)
    if not robot:
        raise InputError(
            f"robot {episodes.robot!r} without kinematics",
            where=f"tool motion of {episodes.robot}",
            expected="a built-in robot, or a profile or file that gives its kinematics",
            fix="name its URDF or MJCF, robot=arm.urdf, or identify it from tool poses: ate identify",
        )
    known = placed(robot)
    profile = profile_for(episodes)
    if profile is None:
        return known
    joints = joints_now(episodes, profile)
    columns = {joint.name: column for joint, column in zip(joints, episodes.joint_names, strict=True) if joint}
    own = known.kinematics.joint_names
    other = [j.name for j in joints if j is not None and j.name in own and j.affine != (1.0, 0.0)]
    if other:
        raise InputError(
            f"{', '.join(other)} in other units than rad and m, or turned round",
            where=f"tool motion of {episodes.robot}",
            expected="joints as its kinematics count them",
            fix="name the robot's profile, which converts them: --robot (robot=)",
        )
    return replace(known, kinematics=known.kinematics.renamed(episodes.robot, tuple(columns.get(j, j) for j in own)))


def is_placed(episodes: Episodes) -> bool:
    """Whether the motion of the tool says all of a set: its robot's kinematics are known, and every other column is
    the opening of its gripper.
    """
    if not robot_of(episodes):
        return False
    try:
        known = placement(episodes)
    except InputError:
        return False
    return set(known.kinematics.joint_names) == set(episodes.joint_names) - {GRIPPER}


def placements(sets: Sequence[Episodes]) -> dict[str, Placement]:
    """The placements of several robots by name.

    Raises:
        InputError: as `placement`.
    """
    return {episodes.robot: placement(episodes) for episodes in sets}
