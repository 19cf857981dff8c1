"""Tool poses that demonstrations recorded next to the joints, and the kinematics identified from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ate.data.episodes import Episodes
from ate.data.loading import load_sets
from ate.data.placements import placed, robot_of
from ate.data.units import joints_now, profile_for
from ate.errors import InputError
from ate.robots.frames import Placement
from ate.robots.identify import Identified, identify
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from ate.robots.profile import Profile
from ate.robots.roles import roles

Array = NDArray[np.float64]
# Episodes, and rows of each, by which sets are compared.
MOST = 100


@dataclass(frozen=True, eq=False)
class ToolPoses:
    """Joints of the arm and poses of its tool, all rows of a set.

    Attributes:
        joint_names: n columns of the arm, grippers left out.
        qpos: (N, n) radians or metres.
        position: (N, 3) metres, base frame.
        rotation: (N, 3, 3).
        episode: (N,) number of the episode.
    """

    joint_names: tuple[str, ...]
    qpos: Array
    position: Array
    rotation: Array
    episode: NDArray[np.int64]


def arm_joints(episodes: Episodes, index: int, kinematics: Kinematics) -> Array:
    """Joints (n_steps, n) of an episode that move the tool, in the order of its kinematics, radians or metres.

    Raises:
        InputError: a joint of the kinematics that is no column of the set.
    """
    known = profile_for(episodes)
    joints = joints_now(episodes, known)
    names = [joint.name if joint else name for joint, name in zip(joints, episodes.joint_names, strict=True)]
    missing = [name for name in kinematics.joint_names if name not in names]
    if missing:
        raise InputError(
            f"columns {', '.join(episodes.joint_names)}", where=f"tool poses of {episodes.robot}",
            expected=f"a column for every joint that moves the tool; {', '.join(missing)} not among them",
            fix="name the columns as the robot's kinematics do, in the file or by aliases in a profile",
        )  # fmt: skip
    rows = episodes.series(index).astype(np.float64)
    rows = rows if known is None else known.to_si(rows, joints)
    return rows[:, [names.index(name) for name in kinematics.joint_names]]


def arm_columns(episodes: Episodes, profile: Profile | None = None) -> list[int]:
    """The columns that are no gripper and no mobile base, by profile or name."""
    known = roles(episodes.joint_names, profile)
    fallback = roles(episodes.joint_names)
    parts = [(role or other) for role, other in zip(known, fallback, strict=True)]
    return [i for i, role in enumerate(parts) if role is None or role.part not in ("gripper", "base")]


def recorded_poses(episodes: Episodes, profile: Profile | None = None) -> ToolPoses:
    """All rows of a set that recorded `ee_pose (n, 7)`: position in metres and unit quaternion wxyz, base frame.

    Args:
        episodes: measured positions (source `qpos`).
        profile: the robot's, which says what its columns are and in which units.

    Raises:
        InputError: another source, no such series in an episode, or quaternions that are not of unit length.
    """
    where = f"tool poses of {episodes.robot}"
    if episodes.source != "qpos":
        raise InputError(f"source {episodes.source!r}", where=where, expected="measured positions",
                         fix="load the set with source qpos")  # fmt: skip
    for item in episodes:
        shape = item.series["ee_pose"].shape[1:] if item.has("ee_pose") else None
        if shape != (7,):
            got = "no 'ee_pose'" if shape is None else f"'ee_pose' of shape (n, {', '.join(map(str, shape))})"
            raise InputError(got, where=f"{where}, episode {item.name}",
                             expected="'ee_pose' (n, 7): x y z in metres, then the quaternion w x y z",
                             fix="record it, or give the robot's URDF")  # fmt: skip
    columns = arm_columns(episodes, profile)
    series = [episodes.series(i).astype(np.float64) for i in range(len(episodes))]
    rows = np.concatenate(series)
    rows = rows if profile is None else profile.to_si(rows, joints_now(episodes, profile))
    pose = np.concatenate([episodes.extra(i, "ee_pose") for i in range(len(episodes))]).astype(np.float64)
    length = np.linalg.norm(pose[:, 3:], axis=1)
    if np.abs(length - 1).max() > 1e-2:
        raise InputError(f"quaternions of length {length.min():.3g} to {length.max():.3g}", where=where,
                         expected="unit quaternions", fix="record x y z, then w x y z")  # fmt: skip
    rotation = Rotation.from_quat(pose[:, [4, 5, 6, 3]]).as_matrix()
    names = tuple(episodes.joint_names[i] for i in columns)
    return ToolPoses(
        names, rows[:, columns], pose[:, :3], rotation, np.repeat(np.arange(len(series)), episodes.lengths)
    )


def shared_poses(episodes: Episodes, most: int = MOST) -> ToolPoses | None:
    """Poses of the tool in the frame that robots share; None where neither poses nor kinematics are known.

    Recorded poses go before kinematics, as in `ate.align.motion`; those of a robot without a placement are taken as
    they are. The conventional turn of the tool is applied.

    Args:
        episodes: one robot's.
        most: episodes, and rows of each, that are read; evenly spread.

    Raises:
        InputError: values that cannot be read, or kinematics with joints that are no columns.
    """
    robot = robot_of(episodes)
    where = placed(robot) if robot else None
    some = episodes.select(np.unique(np.linspace(0, len(episodes) - 1, most).round().astype(int)))
    recorded = all(item.has("ee_pose") and item.series["ee_pose"].shape[1:] == (7,) for item in some)
    if not recorded and where is None:
        return None
    parts = []
    for index in range(len(some)):
        rows = np.unique(np.linspace(0, len(some[index]) - 1, most).round().astype(int))
        if recorded:
            pose = some.extra(index, "ee_pose")[rows].astype(np.float64)
            own = pose[:, :3], Rotation.from_quat(pose[:, [4, 5, 6, 3]]).as_matrix()
        elif where is not None:
            own = where.kinematics.forward(arm_joints(some, index, where.kinematics)[rows])
        position, rotation = own if where is None else where.shared(*own)
        parts.append((position, rotation, np.full(len(rows), index)))
    position, rotation, episode = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ToolPoses((), np.zeros((len(position), 0)), position, rotation, episode)


def identify_robot(
    episodes: Episodes, profile: Profile | None = None, needed: Sequence[tuple[Array, Array]] = ()
) -> Identified:
    """Kinematics of the arm that recorded these episodes, from their joints and tool poses.

    Args:
        episodes: one robot's.
        profile: the robot's; limits that it knows replace the observed range.
        needed: positions (M, 3) and rotations (M, 3, 3) that the robot shall reach, in its base frame.

    Raises:
        InputError: as `recorded_poses` and `ate.robots.identify.identify`.
    """
    poses = recorded_poses(episodes, profile)
    joints = () if profile is None else profile.match(poses.joint_names)
    ends = [(joint.low, joint.high) if joint is not None else (None, None) for joint in joints]
    known = [(low, high) for low, high in ends if low is not None and high is not None]
    limits = np.array(known) if known and len(known) == len(poses.joint_names) else None
    wanted = (np.concatenate([p for p, _ in needed]), np.concatenate([r for _, r in needed])) if needed else None
    return identify(
        poses.qpos, poses.position, poses.rotation, poses.episode, wanted, poses.joint_names, limits, episodes.robot
    )


def needed_poses(path: str | Path, robot: str) -> list[tuple[Array, Array]]:
    """Tool poses of sets, in the base frame of the robot that shall reach them.

    Built-in robots stand where their simulated scenes put them; of sets of other robots the recorded `ee_pose` is
    taken as it is.

    Args:
        path: of a set, or a folder of sets.
        robot: name of the robot that shall reach them.

    Raises:
        InputError: a set of another robot without `ee_pose`.
    """
    here = Placement.of(robot) if robot in ROBOTS else None
    poses = []
    for episodes in load_sets(path):
        own = recorded_poses(episodes)
        if here is None or episodes.robot not in ROBOTS:
            poses.append((own.position, own.rotation))
            continue
        there = Placement.of(episodes.robot)
        poses.append(here.own(*there.shared(own.position, own.rotation)))
    return poses
