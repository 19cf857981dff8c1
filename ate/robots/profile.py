"""Profiles: what a robot's recorded columns are called, what they are measured in, and how far its joints go.

A profile is a TOML file, built in or a user's own. Nothing is converted unless a profile declares it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ate.errors import InputError, unknown
from ate.robots.calibration import is_calibration
from ate.robots.model_text import is_model

BUILTIN = Path(__file__).parent / "builtin"
SCALES = {"rad": 1.0, "deg": np.pi / 180, "m": 1.0, "mm": 1e-3, "fraction": 1.0, "percent": 1e-2}
# Servo ticks need the number of ticks a turn, and per cent of a calibrated range (−100 to 100) need that range.
UNITS = (*SCALES, "ticks", "range")
SI = ("rad", "m", "fraction")
# What recorders put before and after a joint's name: `actual_q_elbow`, `elbow_joint.pos`, `position_elbow`.
_POSITION = re.compile(
    r"^(?:(?:actual|measured|observed|state|obs|observation)[._])*(?:(?:q|qpos|pos|position)[._])?(?=\D)"
    r"|[._](?:q|qpos|pos|position)$",
    re.IGNORECASE,
)
ARMS = ("right", "left", "none")
PARTS = ("arm", "gripper", "base", "other")


@dataclass(frozen=True)
class Joint:
    """One recorded column of a robot.

    Attributes:
        name: its name.
        aliases: other names that recordings use for it.
        arm: `"right"`, `"left"` or `"none"`; the arm of a single-arm robot is the right one.
        part: `"arm"`, `"gripper"`, `"base"` or `"other"`.
        index: its place in its part, from 0.
        unit: what is recorded: `rad`, `deg`, `m`, `mm`, `fraction`, `percent`, `ticks`, or `range`, LeRobot's −100 to
            100 per cent of the calibrated range.
        low: lowest joint position, rad or m; of grippers the opening as a fraction; None where not published.
        high: highest joint position, likewise.
        zero: the recorded value at which the joint is at zero.
        sign: 1, or −1 where the recording counts the other way round.
        closed: of grippers, the value recorded when closed.
        open: of grippers, the value recorded when fully open.
        command_closed: the value commanded to close a gripper, where commands count otherwise than measurements.
        command_open: the value commanded to open it, likewise.
        ticks_per_turn: of joints recorded in ticks, how many make a turn.
        at_minus_100: of joints recorded in per cent of their range, the position at −100, rad.
        at_100: the position at 100, likewise.
        max_speed: highest joint speed, rad/s or m/s, or None.
        optional: whether recordings may lack the column.
    """

    name: str
    aliases: tuple[str, ...] = ()
    arm: str = "right"
    part: str = "arm"
    index: int = 0
    unit: str = "rad"
    low: float | None = None
    high: float | None = None
    zero: float = 0.0
    sign: int = 1
    closed: float | None = None
    open: float | None = None
    command_closed: float | None = None
    command_open: float | None = None
    ticks_per_turn: float | None = None
    at_minus_100: float | None = None
    at_100: float | None = None
    max_speed: float | None = None
    optional: bool = False

    @property
    def affine(self) -> tuple[float, float]:
        """Slope and offset of the declared conversion: value in SI = slope · recorded + offset."""
        if self.closed is not None and self.open is not None:
            slope = 1 / (self.open - self.closed)
            return slope, -slope * self.closed
        if self.at_minus_100 is not None and self.at_100 is not None:
            return (self.at_100 - self.at_minus_100) / 200, (self.at_100 + self.at_minus_100) / 2
        scale = 2 * np.pi / self.ticks_per_turn if self.ticks_per_turn else SCALES[self.unit]
        return self.sign * scale, -self.sign * scale * self.zero

    @property
    def commanded(self) -> "Joint":
        """The joint as it is commanded: of grippers whose commands count otherwise, with the commands' ends."""
        if self.command_closed is None or self.command_open is None:
            return self
        return replace(self, closed=self.command_closed, open=self.command_open, zero=0.0, sign=1)

    @property
    def si(self) -> "Joint":
        """The same joint once converted: in rad or m, or an opening from 0 to 1."""
        closed, opened = (None, None) if self.closed is None else (0.0, 1.0)
        return replace(
            self, unit=self.quantity, zero=0.0, sign=1, closed=closed, open=opened, command_closed=None,
            command_open=None, ticks_per_turn=None, at_minus_100=None, at_100=None,
        )  # fmt: skip

    @property
    def quantity(self) -> str:
        """What the value is in once converted: `"rad"`, `"m"` or `"fraction"`."""
        if self.closed is not None or self.unit in ("fraction", "percent"):
            return "fraction"
        return "m" if self.unit in ("m", "mm") else "rad"


@dataclass(frozen=True)
class Profile:
    """A robot's columns.

    Attributes:
        name: the short name.
        title: the maker's name for it.
        source: where the numbers are published, and what is not.
        rate_hz: steps a second usual in its recordings, or None.
        joints: one a column, in the usual order; alternatives to other columns are `optional`.
        model: file of the arm's kinematics: URDF, MJCF or what `ate identify` wrote; empty where there is none.
        tool: link or site of it whose frame is the tool; empty to choose one.
        base: pose of the robot's base in the frame that robots share, x y z in metres, roll pitch yaw in radians, as
            the origin of a URDF; empty for the shared frame itself.
        turn: pose of the conventional tool (see `ate.robots.frames`) in the tool's frame, likewise.
    """

    name: str
    title: str
    source: str
    rate_hz: float | None
    joints: tuple[Joint, ...]
    model: str = ""
    tool: str = ""
    base: tuple[float, ...] = ()
    turn: tuple[float, ...] = ()

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The columns that a recording has, optional ones left out."""
        return tuple(joint.name for joint in self.required)

    @property
    def required(self) -> tuple[Joint, ...]:
        """The joints that are not optional, in order."""
        return tuple(joint for joint in self.joints if not joint.optional)

    @property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest position of `required`, float64 `(dof,)` each; rad, m or opening, NaN where unknown."""
        return limits(self.required)

    @property
    def converts(self) -> bool:
        """Whether any joint is recorded in something else than SI, turned round or shifted."""
        return any(joint.affine != (1.0, 0.0) or joint.commanded != joint for joint in self.joints)

    @cached_property
    def _known(self) -> dict[str, Joint]:
        return {name.casefold(): joint for joint in self.joints for name in (joint.name, *joint.aliases)}

    def match(self, names: Sequence[str]) -> tuple[Joint | None, ...]:
        """The joint of each column, by name or alias; None where no joint is called that.

        Case does not matter, nor what marks a position (`q_elbow`, `elbow.pos`) or a namespace (`arm/elbow`).
        """
        known = self._known
        return tuple(known.get(name.strip().casefold()) or known.get(bare(name).casefold()) for name in names)

    def to_si(self, values: np.ndarray, joints: Sequence[Joint | None] | None = None) -> np.ndarray:
        """The conversion this profile declares; a new array of the same floating type.

        Args:
            values: `(…, dof)` as recorded.
            joints: the joint of each column, as `match` gives them; columns of None are copied. Default: `required`.

        Returns:
            `(…, dof)` in rad, m and opening fractions.

        Raises:
            InputError: the number of columns differs, or the values are not numbers.
        """
        chosen = self.required if joints is None else tuple(joints)
        values = np.asarray(values)
        if values.dtype.kind not in "fiu" or not values.ndim or values.shape[-1] != len(chosen):
            raise InputError(
                f"an array of shape {values.shape} and type {values.dtype}",
                where=f"robot {self.name}",
                expected=f"numbers in {len(chosen)} columns",
                fix="name the columns, or choose the profile that belongs to the recording",
            )
        pairs = np.array([(1.0, 0.0) if joint is None else joint.affine for joint in chosen]).reshape(-1, 2)
        out = values * pairs[:, 0] + pairs[:, 1]
        return out.astype(values.dtype) if values.dtype.kind == "f" else out


def bare(name: str) -> str:
    """A column's name without what marks it as a measured position, nor the namespace before it."""
    spaces = name.strip().strip("/").split("/")
    # PlotJuggler's tables of ROS: `/joint_states/elbow_joint/position`.
    last = spaces[-2] if len(spaces) > 1 and spaces[-1].casefold() in ("position", "pos", "q") else spaces[-1]
    return _POSITION.sub("", last) or name.strip()


def limits(joints: Sequence[Joint | None]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest position of these joints, float64 `(dof,)` each; NaN where unknown."""
    pairs = [(None, None) if joint is None else (joint.low, joint.high) for joint in joints]
    low, high = np.array([[np.nan if x is None else x for x in pair] for pair in pairs], float).reshape(-1, 2).T
    return low, high


def folder() -> Path:
    """Where a user's own profiles lie: `$ATE_ROBOTS`, or `~/.config/ate/robots`."""
    return Path(os.environ.get("ATE_ROBOTS") or Path.home() / ".config" / "ate" / "robots").expanduser()


def available() -> Mapping[str, Path]:
    """Name → file of every profile, built in and the user's own; the user's go first where names agree."""
    files = [*sorted(BUILTIN.glob("*.toml")), *sorted(folder().glob("*.toml"))]
    return {path.stem: path for path in files}


def has_profile(name: str) -> bool:
    """Whether `profile` takes this name: built in or a user's own, or a file that tells a robot's columns."""
    return name.endswith(".toml") or name in available() or is_model(name) or is_calibration(name)


def title_of(name: str) -> str:
    """The maker's name for a robot that has a profile, `"Universal Robots UR5e"`; any other name as it is."""
    return profile(name).title if name in available() else name


def profile(name: str | Path) -> Profile:
    """The profile of that name, of a `.toml` file, of a model (URDF, MJCF, or what `ate identify` wrote), or of a
    calibration file of LeRobot (`.json`), for recordings in per cent of the calibrated ranges.

    A model gives its arm's joints with names and limits, recorded in rad (m where they slide), and an optional column
    `gripper`.

    Raises:
        InputError: no such robot (with the nearest name), or the file cannot be used (with the joint and field).
    """
    from ate.robots.toml import read

    if str(name).endswith(".toml"):
        return read(Path(name).expanduser())
    if is_calibration(name):
        from ate.robots.calibrated_profile import calibrated_profile

        return calibrated_profile(Path(name).expanduser())
    if is_model(name):
        from ate.robots.model_profile import model_profile

        return model_profile(Path(name).expanduser())
    files = available()
    if name not in files:
        raise unknown(str(name), files, where=f"robot (built in, a .toml file in {folder()}, or a URDF)")
    return read(files[str(name)])
