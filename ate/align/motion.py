"""What a robot does in a chunk, in terms without joints: path and turn of its tool, its gripper, its phase.

Path and turn are relative to the chunk's first row, in the frame of the robot's base. The place of the base and the
maker's choice of the tool frame therefore do not matter; the direction of the base does. They are read from `ee_pose`
if it was recorded, else computed by forward kinematics if these are known: of a built-in robot, or from the file that
the robot's profile names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.spatial.transform import Rotation

from ate.data.episodes import Episodes
from ate.data.placements import placed, robot_of
from ate.data.tool_poses import arm_joints
from ate.errors import InputError
from ate.robots import GRIPPER

# A chunk is described by at most so many of its rows, evenly spaced, including the first and the last.
WAYPOINTS = 8
PHASE, PATH, TURN, GRIP = "phase agreement", "tool displacement", "tool rotation", "gripper opening"
UNITS = {PHASE: "share of rows", PATH: "m, RMS difference", TURN: "rad, RMS difference", GRIP: "of 1, RMS difference"}


class PerChunk:
    """Base of dataclasses whose fields are all arrays with one row a chunk."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    def take(self, index: np.ndarray) -> Self:
        """The chunks at `index`, positions or a boolean mask."""
        return type(self)(**{name: column[index] for name, column in vars(self).items()})

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Several, one after the other."""
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})


@dataclass(frozen=True, eq=False)
class Motion(PerChunk):
    """What N chunks do at R rows each; NaN, or an empty phase, where it was not recorded.

    Args:
        path: tool position less that of the first row, base frame, metres, float64 (N, R, 3).
        turn: tool rotation since the first row, base frame, unit quaternions xyzw, float64 (N, R, 4).
        opening: of the gripper, 0 closed to 1 open, float64 (N, R).
        phase: names, (N, R).
        time: where in its episode a chunk starts, 0 for the first chunk to 1 for the last, float64 (N,).
    """

    path: np.ndarray
    turn: np.ndarray
    opening: np.ndarray
    phase: np.ndarray
    time: np.ndarray

    @property
    def known(self) -> dict[str, np.ndarray]:
        """By measure, which chunks have it, bool (N,)."""
        tool = np.isfinite(self.path[:, -1, 0])
        return {PHASE: self.phase[:, 0] != "", PATH: tool, TURN: tool, GRIP: np.isfinite(self.opening[:, 0])}

    @classmethod
    def of(cls, episodes: Episodes, episode: np.ndarray, start: np.ndarray, length: int) -> "Motion":
        """The motion of chunks of `length` rows, given by position of the episode (N,) and first row (N,)."""
        at = np.unique(np.linspace(0, length - 1, min(length, WAYPOINTS)).round().astype(int))
        count, rows = len(episode), len(at)
        path, turn = np.full((count, rows, 3), np.nan), np.full((count, rows, 4), np.nan)
        opening, phase = np.full((count, rows), np.nan), np.full((count, rows), "", dtype="<U32")
        tool, gripper = not why_no_tool(episodes), not why_no_gripper(episodes)
        order = np.argsort(episode, kind="stable")
        present, first = np.unique(episode[order], return_index=True)
        for i, rows_of in zip(present, np.split(order, first[1:]), strict=True):
            index = start[rows_of][:, None] + at
            if tool:
                path[rows_of], turn[rows_of] = _since_start(*_poses(episodes, int(i)), index)
            if gripper:
                opening[rows_of] = episodes.series(int(i))[:, episodes.joint_names.index(GRIPPER)][index]
            if not why_no_phase(episodes):
                codes, names = episodes.extra(int(i), "phase"), episodes[int(i)].attributes.get("phase_names", ())
                named = [names[c] if 0 <= c < len(names) else str(c) for c in codes.astype(int)]
                phase[rows_of] = np.array(named, dtype="<U32")[index]
        return cls(path, turn, opening, phase, start / np.maximum(episodes.lengths[episode] - length, 1))


def why_no_tool(episodes: Episodes) -> str:
    """Why the pose of this robot's tool is not known; empty where it is."""
    if all(item.has("ee_pose") and item.series["ee_pose"].shape[1:] == (7,) for item in episodes):
        return ""
    robot = robot_of(episodes)
    if not robot:
        return f"{episodes.robot}: no ee_pose (n, 7) is recorded, and its kinematics are not known"
    # "rad (arm), m (fingers)" gives the unit of the arm first.
    units = {str(item.attributes.get("units", "rad")) for item in episodes}
    if {unit.split()[0] for unit in units} != {"rad"}:
        return f"{episodes.robot}: no ee_pose (n, 7) is recorded, and its joints are in {', '.join(sorted(units))}"
    try:
        arm_joints(episodes, 0, placed(robot).kinematics)
    except InputError as error:
        return f"{episodes.robot}: no ee_pose (n, 7) is recorded, and of {error.got} {error.expected}"
    return ""


def why_no_gripper(episodes: Episodes) -> str:
    """Why the opening of the gripper is not known; empty where it is."""
    return "" if GRIPPER in episodes.joint_names else f"{episodes.robot}: no column {GRIPPER!r} that is an opening"


def why_no_phase(episodes: Episodes) -> str:
    """Why the phase is not known; empty where it is."""
    return "" if episodes.has("phase") else f"{episodes.robot}: no phase is recorded"


def why_missing(episodes: Episodes) -> dict[str, str]:
    """By measure, why it is not known of these episodes; empty text where it is."""
    tool = why_no_tool(episodes)
    return {PHASE: why_no_phase(episodes), PATH: tool, TURN: tool, GRIP: why_no_gripper(episodes)}


def differences(motion: Motion, reference: Motion) -> dict[str, np.ndarray]:
    """By measure, all chunks of `motion` against all of `reference`, float64 (N, M).

    Of phase the share of rows in which it is equal; otherwise root mean squares over the rows. NaN where the measure is
    not known of both.
    """
    names, codes = np.unique(np.concatenate([motion.phase, reference.phase]), return_inverse=True)
    hot = np.eye(len(names))[codes.reshape(-1, motion.phase.shape[1])].reshape(len(motion) + len(reference), -1)
    agreement = hot[: len(motion)] @ hot[len(motion) :].T
    agreement[~np.outer(motion.known[PHASE], reference.known[PHASE])] = np.nan
    rows, squares = motion.phase.shape[1], np.zeros((len(motion), len(reference)))
    for t in range(rows):
        cosine = motion.turn[:, t] @ reference.turn[:, t].T
        angle = np.arccos(np.minimum(np.abs(cosine, out=cosine), 1.0, out=cosine), out=cosine)
        squares += np.square(angle, out=angle)
    return {
        PHASE: agreement / rows,
        PATH: np.sqrt(_squares(motion.path, reference.path) / rows),
        TURN: 2.0 * np.sqrt(squares / rows),
        GRIP: np.sqrt(_squares(motion.opening, reference.opening) / rows),
    }


def features(motion: Motion, reference: Motion, parts: Sequence[str], time: bool = False) -> np.ndarray:
    """Vectors (N, F) whose Euclidean distances compare motions; each part is divided by its spread in `reference`.

    Args:
        motion: what to describe.
        reference: sets the scale: each part of it has a total variance of 1.
        parts: of `PATH`, `TURN` (as rotation vectors) and `GRIP`.
        time: add the time in the episode as one more part.
    """
    columns = []
    for name in [*parts, *("time",) * time]:
        values, scale = _column(motion, name), _column(reference, name)
        spread = np.sqrt(scale.var(0).sum())
        columns.append(values / (spread if spread > 0 else 1.0))
    return np.concatenate(columns, axis=1)


def _column(motion: Motion, name: str) -> np.ndarray:
    """One part of the description, (N, F)."""
    if name == TURN:
        return Rotation.from_quat(motion.turn.reshape(-1, 4)).as_rotvec().reshape(len(motion), -1)
    return {PATH: motion.path, GRIP: motion.opening, "time": motion.time}[name].reshape(len(motion), -1)


def _poses(episodes: Episodes, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Tool position (n, 3) and quaternion xyzw (n, 4) in the base frame, row by row."""
    if episodes[index].has("ee_pose"):
        pose = episodes.extra(index, "ee_pose").astype(np.float64)
        return pose[:, :3], pose[:, [4, 5, 6, 3]]
    kinematics = placed(robot_of(episodes)).kinematics
    position, matrix = kinematics.forward(arm_joints(episodes, index, kinematics))
    return position, Rotation.from_matrix(matrix).as_quat()


def _since_start(position: np.ndarray, quaternion: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Path (N, R, 3) and turn (N, R, 4) of chunks whose rows are `index` (N, R)."""
    rotation = Rotation.from_quat(quaternion)
    first = np.repeat(index[:, 0], index.shape[1])
    turn = (rotation[index.ravel()] * rotation[first].inv()).as_quat()
    return position[index] - position[index[:, :1]], turn.reshape(*index.shape, 4)


def _squares(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (N, M) of flattened rows."""
    x, y = rows.reshape(len(rows), -1), reference.reshape(len(reference), -1)
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2.0 * x @ y.T, 0.0)
