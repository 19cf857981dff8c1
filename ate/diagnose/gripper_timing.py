"""Gripper events: every recorded closing and opening, predicted in time or not, and what was predicted beyond them."""

from dataclasses import dataclass

import numpy as np

from ate.data.doctor.report import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import View, named
from ate.experiments.stats.comparisons import wilson

NAME = "gripper events"
# A missed grip loses the episode, so recall bounds success: a tenth lost is worth a look, half is no robot.
GOOD, POOR = 0.9, 0.5


@dataclass(frozen=True)
class Events:
    """Counts over all grippers and episodes.

    Attributes:
        recorded: closings and openings in the recordings.
        predicted: in the predictions.
        matched: pairs of one kind, close enough in time.
        turned: pairs of opposite kinds, close enough in time.
    """

    recorded: int
    predicted: int
    matched: int
    turned: int


def check(view: View, seed: int) -> Finding:
    """Rung: does the gripper close and open when it was recorded to?"""
    robot, columns = view.episodes.robot, view.gripper & view.moving
    if not columns.any():
        why = "its gripper does not move" if view.gripper.any() else "no column is named a gripper"
        return Finding(SKIPPED, NAME, robot, why)
    near = view.execute // 2
    found = count(view, seed, near)
    rate = view.episodes.rate_hz
    expected = (
        f"precision and recall of {100 * GOOD:.0f} % or more within ± {near} steps"
        f"{f' ({near / rate:.2f} s)' if rate else ''}, half of what is carried out before the policy looks again; "
        "recall bounds success"
    )
    if not found.recorded:
        return Finding(
            SKIPPED, NAME, robot, f"{', '.join(named(view.episodes.joint_names, columns))}: no event recorded"
        )
    precision = _share("precision", found.matched, found.predicted)
    recall = _share("recall", found.matched, found.recorded)
    worst = min(found.matched / max(found.predicted, 1), found.matched / found.recorded)
    level = FAIL if worst < POOR else WARN if worst < GOOD else PASS
    fix = (
        ""
        if level == PASS
        else "weigh the gripper more in the loss, record more grasps, or execute fewer steps a chunk"
    )
    said = f"{recall}; {precision}"
    if found.turned > found.matched and found.turned > POOR * found.recorded:
        said += f"; {found.turned} events at the right time the wrong way round"
        fix = "inverted: the policy and these recordings disagree which end is open; turn one of them (1 − value)"
    return Finding(level, NAME, robot, said, expected, fix)


def count(view: View, seed: int, near: int) -> Events:
    """Events of all grippers, the policy asked every `execute` steps with what was recorded."""
    totals = np.zeros(4, dtype=int)
    for column in np.flatnonzero(view.gripper & view.moving):
        for recorded, predicted in _courses(view, int(column), seed):
            low, high = _ends(view, int(column))
            truth, guess = events(recorded, low, high), events(predicted, low, high)
            opposite = [(at, not opening) for at, opening in guess]
            totals += [len(truth), len(guess), matched(truth, guess, near), matched(truth, opposite, near)]
    return Events(*(int(value) for value in totals))


def _ends(view: View, column: int) -> tuple[float, float]:
    """Thirds of the recorded stroke: below the first a gripper is closed, above the second open."""
    values = np.concatenate([view.episodes.series(i)[:, column] for i in range(len(view.episodes))])
    low, high = float(values.min()), float(values.max())
    return low + (high - low) / 3, high - (high - low) / 3


def _courses(view: View, column: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """One (recorded, predicted) course an episode, both from the same pose on."""
    rows = [np.arange(0, n, view.execute) + first for n, first in zip(view.episodes.lengths, view.first, strict=True)]
    every = np.concatenate(rows)
    truth = view.recorded(every)[:, : view.execute, column]
    guess = view.predict(view.observation(every), seed)[:, : view.execute, column]
    start = view.now(view.first)[:, column]
    ends = np.cumsum([len(part) for part in rows])
    return [
        tuple(np.concatenate([[start[i]], chunk[end - len(rows[i]) : end].ravel()]) for chunk in (truth, guess))  # type: ignore[misc]
        for i, end in enumerate(ends)
    ]


def events(course: np.ndarray, low: float, high: float) -> list[tuple[int, bool]]:
    """Steps at which a course `(n,)` opens (True) or closes (False); between `low` and `high` nothing changes."""
    found: list[tuple[int, bool]] = []
    state: bool | None = None
    for at, value in enumerate(course):
        new = True if value > high else False if value < low else state
        if state is not None and new is not None and new != state:
            found.append((at, new))
        state = new
    return found


def matched(truth: list[tuple[int, bool]], guess: list[tuple[int, bool]], near: int) -> int:
    """Pairs of one kind at most `near` steps apart, each event used once, the earliest free one first."""
    free = list(guess)
    pairs = 0
    for at, kind in truth:
        fitting = next((one for one in free if one[1] == kind and abs(one[0] - at) <= near), None)
        if fitting is not None:
            free.remove(fitting)
            pairs += 1
    return pairs


def _share(name: str, hits: int, of: int) -> str:
    if not of:
        return f"{name} undefined, no event predicted"
    low, high = wilson(hits, of)
    return f"{name} {100 * hits / of:.0f} % ({hits} of {of}, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
