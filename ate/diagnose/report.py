"""The result of a diagnosis: one finding a check, in order, and the prediction errors behind two of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ate.data.doctor.finding import FAIL, LEVELS, PASS, SKIPPED, WARN, Finding
from ate.experiments.stats.comparisons import wilson

# Of replayed episodes and of gripper events: losing a tenth is worth a look, with half of them lost there is no robot.
GOOD, POOR = 0.9, 0.5


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
        """Mean error of each episode `(n_episodes,)` in spreads of the joint, so that all joints weigh the same."""
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
        """The worst level of all checks that could run."""
        return max((check.level for check in self.checks if check.level != SKIPPED), key=LEVELS.index, default=PASS)

    @property
    def first(self) -> Finding | None:
        """Where to look: the first FAIL, else the first WARN, else None."""
        return next((check for level in (FAIL, WARN) for check in self.checks if check.level == level), None)

    def of(self, name: str) -> Finding:
        """The check of that name."""
        return next(check for check in self.checks if check.code == name)

    def rows(self) -> list[dict[str, Any]]:
        """One row a check, for a table."""
        return [
            {"check": c.check, "verdict": c.level, "got": c.got, "expected": c.expected, "fix": c.fix}
            for c in self.checks
        ]

    @property
    def sentence(self) -> str:
        """Where to look, in one sentence."""
        if self.first is None:
            return f"{sum(check.level == PASS for check in self.checks)} checks passed, none failed"
        return f"{self.first.level} at check {self.checks.index(self.first) + 1}, {self.first.check}: {self.first.fix}"


def level_of(share: float) -> str:
    """PASS from nine tenths on, FAIL below a half."""
    return FAIL if share < POOR else WARN if share < GOOD else PASS


def share_text(hits: int, of: int) -> str:
    """A share with its Wilson interval, in words; `of` is at least 1."""
    low, high = wilson(hits, of)
    return f"{100 * hits / of:.0f} % ({hits} of {of}, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
