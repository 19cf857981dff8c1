"""A case: one set with its facts and its robot's profile, as every check gets it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ate.data.episodes import Episodes

if TYPE_CHECKING:
    from ate.data.doctor.facts import Facts
    from ate.robots.profile import Joint, Profile
    from ate.robots.roles import Role

# Names that an episode list in a message stops after.
MOST_LISTED = 5


@dataclass(frozen=True, eq=False)
class Case:
    """What is examined.

    Attributes:
        path: where the set is.
        episodes: its episodes.
        facts: what one pass over them found.
        profile: the robot's, or None.
        joints: the profile's joint of each column, None where there is none.
        horizon: chunk length in steps.
        against: the pre-training sets it is compared with, none to compare with nothing.
    """

    path: str
    episodes: Episodes
    facts: "Facts"
    profile: "Profile | None"
    joints: tuple["Joint | None", ...]
    horizon: int
    against: tuple["Case", ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return self.episodes.joint_names

    @property
    def robot(self) -> str:
        """The profile's name, empty without one."""
        return self.profile.name if self.profile is not None else ""

    @cached_property
    def roles(self) -> tuple["Role | None", ...]:
        """Arm and part of each column, by profile or name; None where neither tells."""
        from ate.robots.roles import roles

        by_name = roles(self.names)
        told = roles(self.names, self.profile) if self.profile is not None else by_name
        return tuple(a or b for a, b in zip(told, by_name, strict=True))

    def is_gripper(self, joint: int) -> bool:
        """Whether a column is (a finger of) a gripper."""
        role = self.roles[joint]
        return role is not None and role.part == "gripper"

    def unit(self, joint: int) -> str:
        """What a column is recorded in, for messages: what the profile says, else radians, or nothing for grippers."""
        known = self.joints[joint]
        if known is not None:
            return {"fraction": "", "percent": "%"}.get(known.unit, known.unit)
        return "" if self.is_gripper(joint) else "rad"

    @cached_property
    def moves(self) -> np.ndarray:
        """Columns whose range is worth speaking of, bool `(dof,)`."""
        from ate.data.doctor.checks.constants import still_columns

        return ~still_columns(self)

    def seconds(self, steps: float) -> str:
        """A number of steps with its duration where the rate is known."""
        rate = self.episodes.rate_hz
        return (
            (f"{steps:,.0f}" if steps >= 100 else f"{steps:.3g}")
            + " steps"
            + (f" ({steps / rate:.2f} s)" if rate else "")
        )


def listed(names: Sequence[str]) -> str:
    """A few names and how many more there are."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
