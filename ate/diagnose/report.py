"""What the diagnosis says: one finding a check, in the order they are climbed, and the errors they rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ate.data.doctor.report import FAIL, LEVELS, PASS, SKIPPED, WARN, Finding


@dataclass(frozen=True, eq=False)
class Errors:
    """Mean absolute errors over the chunk of the policy and of two baselines, on the same observations.

    Attributes:
        joints: joints that move.
        policy: `(n_episodes, joints)`, radians (metres for sliding joints, share of the stroke for grippers).
        hold: of repeating the current pose, same shape.
        mean: of the mean training chunk, same shape.
        spread: standard deviation of each joint in the recordings, `(joints,)`.
    """

    joints: tuple[str, ...]
    policy: np.ndarray
    hold: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    def scores(self, errors: np.ndarray) -> np.ndarray:
        """One number an episode, `(n_episodes,)`: errors in spreads of their joint, so that all joints count alike."""
        return (errors / self.spread).mean(axis=1)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The diagnosis of one policy on one robot's episodes.

    Attributes:
        robot: the robot.
        checks: one finding a check, in order; `check` is the check's name, `fix` the next thing to try.
        errors: errors by `"training"` and, where episodes were held out, `"held out"`.
    """

    robot: str
    checks: tuple[Finding, ...]
    errors: Mapping[str, Errors] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """The worst level of all checks that were climbed."""
        return max((check.level for check in self.checks if check.level != SKIPPED), key=LEVELS.index, default=PASS)

    @property
    def first(self) -> Finding | None:
        """Where to look: the first FAIL, else the first WARN, else None."""
        return next((check for level in (FAIL, WARN) for check in self.checks if check.level == level), None)

    def of(self, name: str) -> Finding:
        """The check of that name."""
        return next(check for check in self.checks if check.check == name)

    def rows(self) -> list[dict[str, Any]]:
        """One row a check, for a table."""
        return [
            {"check": r.check, "verdict": r.level, "found": r.got, "expected": r.expected, "next": r.fix}
            for r in self.checks
        ]  # fmt: skip

    @property
    def sentence(self) -> str:
        """Where to look, in one sentence."""
        first = self.first
        if first is None:
            climbed = sum(check.level == PASS for check in self.checks)
            return f"nothing found on the {climbed} checks that could be climbed"
        return f"{first.level} at check {self.checks.index(first) + 1}, {first.check}: {first.fix}"
