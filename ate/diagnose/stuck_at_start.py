"""Stuck at start: does the policy leave the pose that episodes begin in, and do the demonstrations?

The *reach* of a chunk is the largest distance of the robot's joints from their pose at its first step, in radians.
"""

from dataclasses import dataclass

import numpy as np

from ate.data.doctor.episode_summary import STILL, summarize
from ate.data.doctor.finding import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import Predictions
from ate.experiments.stats.comparisons import wilson
from ate.steer.evaluation import SAMPLES

NAME = "stuck_at_start"
# Noise samples at each start: whether a policy stays there is a matter of chance.
DRAWS = 4
# At a quarter of the usual reach an episode takes four times as long, and times out near its start.
PACE = 0.25
# Shares of the samples: a robot that stays in half of them spends its episode waiting; one in twenty is worth a look.
MANY, SOME = 0.5, 0.05


@dataclass(frozen=True, eq=False)
class Starts:
    """Reaches of the first chunks of all episodes.

    Attributes:
        usual: median reach of the recorded chunks in which the robot moves, radians.
        recorded: of the demonstrations' first chunks, `(n_episodes,)`.
        predicted: of the policy's first chunks, `(DRAWS, n_episodes)`.
    """

    usual: float
    recorded: np.ndarray
    predicted: np.ndarray

    @property
    def stuck(self) -> np.ndarray:
        """Whether each predicted chunk stays: a reach below a quarter of the usual one.

        Where the demonstration moves and is as slow, half of its reach is enough. `(DRAWS, n_episodes)`.
        """
        follows = ~self.waiting & (self.predicted >= 0.5 * self.recorded)
        return (self.predicted < PACE * self.usual) & ~follows

    @property
    def waiting(self) -> np.ndarray:
        """Whether each demonstration stands still in its first chunk, `(n_episodes,)`."""
        return self.recorded < STILL * self.usual


def starts(predictions: Predictions, seed: int) -> Starts | None:
    """Measure the first chunks; None where no joint but a gripper moves."""
    joints = predictions.moving & ~predictions.gripper
    rows, first_rows = predictions.sample_rows(SAMPLES), predictions.first_rows
    if not joints.any():
        return None

    def reach(chunks: np.ndarray, rows: np.ndarray) -> np.ndarray:
        away = (chunks - predictions.pose(rows)[:, None])[:, :, joints]
        return np.asarray(np.linalg.norm(away, axis=2).max(axis=1))

    reaches = reach(predictions.recorded(rows), rows)
    if not reaches.max() > 0:
        return None
    return Starts(
        # Chunks in which the robot stands still are left out: many of them would make standing still usual.
        usual=float(np.median(reaches[reaches > STILL * reaches.max()])),
        recorded=reach(predictions.recorded(first_rows), first_rows),
        predicted=np.stack([reach(predictions.predict(first_rows, seed + i), first_rows) for i in range(DRAWS)]),
    )


def check(predictions: Predictions, seed: int) -> Finding:
    """Does the policy move at the first step of each episode?"""
    robot, measured = predictions.episodes.robot, starts(predictions, seed)
    if measured is None:
        return Finding(SKIPPED, NAME, robot, "no joint but a gripper moves")
    stuck, samples = int(measured.stuck.sum()), measured.stuck.size
    share, (low, high) = stuck / samples, wilson(stuck, samples)
    level = FAIL if share >= MANY else WARN if share > SOME else PASS
    got = (
        f"stuck in {stuck} of {samples} samples ({100 * share:.0f} %, 95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %); median reach of the first chunks {np.median(measured.predicted):.2g} rad, of the "
        f"demonstrations' {np.median(measured.recorded):.2g} rad, usually {measured.usual:.2g} rad"
    )
    fix = ""
    if level != PASS:
        got = f"{got}; {_pauses(predictions, int(measured.waiting.sum()))}"
        fix = "it has not learnt to leave the pose it copies: drop out or blur qpos in training, train longer"
        if measured.waiting.mean() > SOME:
            fix = "cut the pauses off the demonstrations' starts (the doctor names the episodes), then train again"
    expected = f"less than {100 * SOME:.0f} % stuck; stuck: less than {PACE:g} of the usual reach in a chunk"
    return Finding(level, NAME, robot, got, expected, fix)


def _pauses(predictions: Predictions, waiting: int) -> str:
    """How long the demonstrations idle at their start, by the doctor's measure."""
    courses = [predictions.episodes.series(i) for i in range(len(predictions.episodes))]
    steps = np.concatenate([np.diff(course, axis=0) for course in courses])
    usual = np.sqrt((steps.astype(np.float64) ** 2).mean(axis=0))
    idle = float(np.median([summarize(str(i), "", course, usual).idle[0] for i, course in enumerate(courses)]))
    rate = predictions.episodes.rate_hz
    return (
        f"{waiting} of {len(courses)} demonstrations also stand still at their start, idle for {idle:.0f} steps"
        f"{f' ({idle / rate:.2f} s)' if rate else ''} (median)"
    )
