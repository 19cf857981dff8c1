"""An examined set: its episodes, the facts of one pass over them, and its robot's profile, as every check gets it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ate.data.doctor.facts import Facts
from ate.data.doctor.finding import Finding
from ate.data.episodes import Episodes
from ate.data.units import declared_of, profile_for, without_names
from ate.robots.headings import COMMAND, POSE, POSITION, heading
from ate.robots.profile import Joint, Profile, profile
from ate.robots.roles import Role, roles

# Names that an episode list in a message stops after.
MOST_LISTED = 5
# Whole ranges below this (rad, m or opening) normalise to exactly 0; the same number as `ate.data.normalize`, which
# is not imported here because it needs torch.
CONSTANT_RANGE = 1e-4
# Columns of a tool's pose that are angles.
ANGLES = ("roll", "pitch", "yaw")
# From the 1st to the 99th percentile, in the column's unit: a degree of a joint, 2 mm of a slide, 2 % of a gripper.
NEAR = {"rad": 0.02, "m": 0.002, "fraction": 0.02}


@dataclass(frozen=True, eq=False)
class ExaminedSet:
    """What is examined.

    Attributes:
        path: where the set is.
        episodes: its episodes.
        facts: what one pass over them measured.
        profile: the robot's, or None.
        joints: the profile's joint of each column as its values are now, None where there is none.
        horizon: chunk length in steps.
        against: the pre-training sets it is compared with, none to compare with nothing.
    """

    path: str
    episodes: Episodes
    facts: Facts
    profile: Profile | None
    joints: tuple[Joint | None, ...]
    horizon: int
    against: tuple["ExaminedSet", ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return self.episodes.joint_names

    @property
    def robot(self) -> str:
        """The profile's name, empty without one."""
        return self.profile.name if self.profile is not None else ""

    @cached_property
    def declared(self) -> tuple[Joint | None, ...]:
        """What each column was recorded as before it was converted; None where it was not."""
        return declared_of(self.episodes[0], self.episodes.source)

    def recorded(self, values: np.ndarray) -> np.ndarray:
        """Values `(…, dof)` as they were before they were converted."""
        pairs = np.array([(1.0, 0.0) if joint is None else joint.affine for joint in self.declared])
        return np.asarray((values - pairs[:, 1]) / pairs[:, 0])

    @property
    def unnamed(self) -> bool:
        """Whether nothing names the columns."""
        return without_names(self.episodes)

    @property
    def companion(self) -> str:
        """The series that the source is compared with: `"action"` of `"qpos"`, and the other way round."""
        return "action" if self.episodes.source == "qpos" else "qpos"

    @cached_property
    def roles(self) -> tuple[Role | None, ...]:
        """Arm and part of each column, by profile or name; None where neither tells."""
        by_name = roles(self.names)
        by_profile = roles(self.names, self.profile) if self.profile is not None else by_name
        return tuple(a or b for a, b in zip(by_profile, by_name, strict=True))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What each column is by its name (`ate.robots.headings`); a joint of the profile is a position."""
        heads = [heading(name).kind for name in self.names]
        return tuple(POSITION if joint is not None else kind for kind, joint in zip(heads, self.joints, strict=True))

    def is_angle(self, joint: int) -> bool:
        """Whether a column may be the angle of a joint: no gripper, and no place, force or count by its name."""
        whole = self.names[joint].strip().casefold()
        angle = self.kinds[joint] in (POSITION, COMMAND) or (self.kinds[joint] == POSE and whole in ANGLES)
        return angle and not self.is_gripper(joint)

    def is_gripper(self, joint: int) -> bool:
        """Whether a column is (a finger of) a gripper."""
        role = self.roles[joint]
        return role is not None and role.part == "gripper"

    def unit(self, joint: int) -> str:
        """The unit of a column's values, for messages: from the profile, else radians, or nothing for grippers."""
        known = self.joints[joint]
        if known is not None:
            return {"fraction": "", "percent": "%"}.get(known.unit, known.unit)
        return "" if self.is_gripper(joint) else "rad"

    @cached_property
    def near_ranges(self) -> np.ndarray:
        """The range below which each column counts as nearly constant, in data units, `(dof,)`."""
        return np.array(
            [NEAR["rad"] if joint is None else NEAR[joint.quantity] / abs(joint.affine[0]) for joint in self.joints]
        )

    @cached_property
    def moves(self) -> np.ndarray:
        """Columns that are neither constant nor nearly so, bool `(dof,)`."""
        near, facts = self.near_ranges, self.facts
        spread = facts.quantile(0.99) - facts.quantile(0.01)
        return ~((spread < near) & (facts.high - facts.low < 5 * near))

    def finding(
        self, j: int, level: str, code: str, got: str, expected: str = "", fix: str = "",
        episodes: tuple[str, ...] = (), exclude: bool = False,
    ) -> Finding:  # fmt: skip
        """A finding about column `j`."""
        return Finding(level, code, self.names[j], got, expected, fix, self.names[j], episodes, exclude)

    def seconds(self, steps: float) -> str:
        """A number of steps with its duration where the rate is known."""
        rate = self.episodes.rate_hz
        count = f"{steps:,.0f}" if steps >= 100 else f"{steps:.3g}"
        return f"{count} steps" + (f" ({steps / rate:.2f} s)" if rate else "")


def profile_of(episodes: Episodes, robot: str = "") -> Profile | None:
    """The profile called `robot`, else the one that the episodes were loaded with or that is called like their robot.

    Raises:
        InputError: there is no profile `robot`.
    """
    return profile(robot) if robot else profile_for(episodes)


def listed(names: Sequence[str]) -> str:
    """A few names and how many more there are."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
