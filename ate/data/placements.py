"""Placements: where the robots of a data set stand, by their names or by the model files that are named for them."""

from collections.abc import Sequence
from pathlib import Path

from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.errors import InputError
from ate.robots.frames import Placement
from ate.robots.kinematic_table import ROBOTS

# Files that say how a robot moves, where a profile's name goes; `.json` is what `ate identify` writes.
MODELS = (".urdf", ".xml", ".mjcf", ".json")


def is_placed(data: DataSet, robot: str) -> bool:
    """Whether the kinematics of a robot of a data set are known."""
    return data.robot.endswith(MODELS) or robot in ROBOTS


def placement(data: DataSet, robot: str) -> Placement:
    """Where a robot of a data set stands: by the model file that is named as its profile, or a built-in one by name.

    Raises:
        InputError: neither tells its kinematics.
    """
    if not is_placed(data, robot):
        raise InputError(
            f"robot {robot!r} without kinematics", where=data.path,
            expected="a built-in robot, or a model file (URDF or MJCF) as its profile",
            fix="name the file, robot=arm.urdf, or leave out what retargets",
        )  # fmt: skip
    return Placement.of(Path(data.robot) if data.robot.endswith(MODELS) else robot)


def placements(data: DataSet, sets: Sequence[Episodes]) -> dict[str, Placement]:
    """The robots of some sets by name.

    Raises:
        InputError: as `placement`.
    """
    return {episodes.robot: placement(data, episodes.robot) for episodes in sets}
