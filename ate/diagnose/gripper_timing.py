"""Gripper timing: precision and recall of predicted closings and openings against the recorded ones.

A missed grasp loses the episode, so recall bounds success.
"""

from dataclasses import dataclass
from itertools import compress, pairwise

import numpy as np

from ate.data.doctor.finding import PASS, SKIPPED, Finding
from ate.diagnose.predictions import Predictions
from ate.diagnose.report import GOOD, POOR, level_of, share_text

NAME = "gripper_timing"


@dataclass(frozen=True)
class EventCounts:
    """Counts over all grippers and episodes.

    Attributes:
        recorded: closings and openings in the recordings.
        predicted: closings and openings in the predictions.
        matched: pairs of the same kind, close enough in time.
        inverted: pairs of opposite kinds, close enough in time.
    """

    recorded: int
    predicted: int
    matched: int
    inverted: int

    @property
    def swapped_ends(self) -> bool:
        """Whether policy and recordings disagree which end of the stroke is open."""
        return self.inverted > self.matched and self.inverted > POOR * self.recorded


def check(predictions: Predictions, seed: int) -> Finding:
    """Does the gripper close and open when it was recorded to?"""
    robot, columns = predictions.episodes.robot, predictions.gripper & predictions.moving
    if not columns.any():
        reason = "its gripper does not move" if predictions.gripper.any() else "no column is named a gripper"
        return Finding(SKIPPED, NAME, robot, reason)
    near = predictions.execute // 2
    counts = count(predictions, seed, near)
    if not counts.recorded:
        names = ", ".join(compress(predictions.episodes.joint_names, columns))
        return Finding(SKIPPED, NAME, robot, f"{names}: no event recorded")
    rate = predictions.episodes.rate_hz
    expected = (
        f"precision and recall of {100 * GOOD:.0f} % or more within ± {near} steps"
        f"{f' ({near / rate:.2f} s)' if rate else ''}, half of what is carried out of a chunk; recall bounds success"
    )
    precision = share_text(counts.matched, counts.predicted) if counts.predicted else "undefined, no event predicted"
    got = f"recall {share_text(counts.matched, counts.recorded)}; precision {precision}"
    level = level_of(min(counts.matched / max(counts.predicted, 1), counts.matched / counts.recorded))
    fix = "weigh the gripper more in the loss, record more grasps, or execute fewer steps a chunk"
    if counts.swapped_ends:
        got += f"; {counts.inverted} events at the right time in the wrong direction"
        fix = "policy and recordings disagree which end is open: invert the gripper of one of them (1 − value)"
    return Finding(level, NAME, robot, got, expected, "" if level == PASS else fix)


def count(predictions: Predictions, seed: int, near: int) -> EventCounts:
    """Events of all grippers; the policy is queried every `execute` steps with the recorded observation."""
    totals = np.zeros(4, dtype=int)
    for column in np.flatnonzero(predictions.gripper & predictions.moving):
        values = np.concatenate([predictions.episodes.series(i)[:, column] for i in range(len(predictions.episodes))])
        least, most = float(values.min()), float(values.max())
        # Below the first third of the recorded stroke a gripper is closed, above the second it is open.
        low, high = least + (most - least) / 3, most - (most - least) / 3
        for courses in _courses(predictions, int(column), seed):
            recorded, predicted = (events(course, low, high) for course in courses)
            opposite = [(step, not opening) for step, opening in predicted]
            pairs = matched(recorded, predicted, near), matched(recorded, opposite, near)
            totals += [len(recorded), len(predicted), *pairs]
    return EventCounts(*totals.tolist())


def _courses(predictions: Predictions, column: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The recorded and the predicted course of a column in each episode, both from the same pose on."""
    first_rows, execute = predictions.first_rows, predictions.execute
    spans = zip(first_rows, predictions.episodes.lengths, strict=True)
    queries = [np.arange(first, first + steps, execute) for first, steps in spans]
    rows = np.concatenate(queries)
    recorded = predictions.recorded(rows)[:, :execute, column]
    predicted = predictions.predict(rows, seed)[:, :execute, column]
    ends = np.cumsum([len(query) for query in queries])[:-1]
    start = predictions.pose(first_rows)[:, column]
    courses = zip(start, np.split(recorded, ends), np.split(predicted, ends), strict=True)
    return [(np.append(pose, true), np.append(pose, guess)) for pose, true, guess in courses]


def events(course: np.ndarray, low: float, high: float) -> list[tuple[int, bool]]:
    """Steps at which a course `(n,)` opens (True) or closes (False); between `low` and `high` nothing changes."""
    known = [(step, bool(value > high)) for step, value in enumerate(course) if value > high or value < low]
    return [(step, opening) for (_, before), (step, opening) in pairwise(known) if opening != before]


def matched(recorded: list[tuple[int, bool]], predicted: list[tuple[int, bool]], near: int) -> int:
    """Pairs of the same kind at most `near` steps apart; each event is used once, the earliest free one first."""
    free = list(predicted)
    for step, opening in recorded:
        pair = next((event for event in free if event[1] == opening and abs(event[0] - step) <= near), None)
        if pair is not None:
            free.remove(pair)
    return len(predicted) - len(free)
