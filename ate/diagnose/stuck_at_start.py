"""Stuck at start: does the policy leave the pose that episodes begin in, and do the demonstrations?"""

import numpy as np

from ate.data.doctor.episode_summary import STILL, summarize
from ate.data.doctor.report import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import View
from ate.experiments.stats.comparisons import wilson
from ate.steer.evaluation import SAMPLES

NAME = "stuck at start"
# Draws of the noise at each start: whether a policy stays is a matter of chance.
DRAWS = 4
# At a quarter of the usual pace an episode takes four times as long: it times out where it begins.
PACE = 0.25
# A robot that stays in half of the draws at least spends its episode waiting; one in twenty is worth a look.
MANY, SOME = 0.5, 0.05


def check(view: View, seed: int) -> Finding:
    """Rung: at the first step of each episode, does it move?

    A start is *stuck* where the chunk leads the arm less than a quarter of the way that chunks usually lead while the
    recordings move, unless the demonstration is as slow there: it moves, and the policy goes at least half as far.
    """
    robot, arm = view.episodes.robot, view.moving & ~view.gripper
    if not arm.any():
        return Finding(SKIPPED, NAME, robot, "no joint of an arm moves")
    rows = view.evenly(SAMPLES)
    ways = _way(view.recorded(rows), view.now(rows), arm)
    if not ways.max() > 0:
        return Finding(SKIPPED, NAME, robot, "the recordings stand still")
    # Of steps in which the arm moves at all: demonstrations that wait must not make waiting usual.
    usual = float(np.median(ways[ways > STILL * ways.max()]))
    pose, observation = view.now(view.first), view.observation(view.first)
    shown = _way(view.recorded(view.first), pose, arm)
    tried = np.stack([_way(view.predict(observation, seed + draw), pose, arm) for draw in range(DRAWS)])
    follows = (shown >= STILL * usual) & (tried >= 0.5 * shown)
    stuck = (tried < PACE * usual) & ~follows
    share = float(stuck.mean())
    low, high = wilson(int(stuck.sum()), stuck.size)
    level = FAIL if share >= MANY else WARN if share > SOME else PASS
    said = (
        f"stuck in {int(stuck.sum())} of {stuck.size} draws ({100 * share:.0f} %, 95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %); first chunks lead {np.median(tried):.2g} rad away, the demonstrations' "
        f"{np.median(shown):.2g} rad, usual is {usual:.2g} rad"
    )
    fix = ""
    if level != PASS:
        waits = shown < STILL * usual
        said, fix = f"{said}; {_pauses(view, int(waits.sum()))}", _fix(bool(waits.mean() > SOME))
    expected = f"less than {100 * SOME:.0f} % stuck; stuck: less than {PACE:g} of the usual way in a chunk"
    return Finding(level, NAME, robot, said, expected, fix)


def _fix(waiting: bool) -> str:
    if waiting:
        return "cut the pauses off the demonstrations' starts (the doctor names the episodes), then train again"
    return "it has not learnt to leave the pose it copies: drop out or blur qpos in training, train longer"


def _way(chunk: np.ndarray, pose: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """Furthest distance of the arm's joints from their pose in a chunk, radians, `(n,)`."""
    return np.asarray(np.linalg.norm((chunk - pose[:, None])[:, :, arm], axis=2).max(axis=1))


def _pauses(view: View, waiting: int) -> str:
    """How long demonstrations idle at their start, by the doctor's measure."""
    courses = [view.episodes.series(i) for i in range(len(view.episodes))]
    steps = np.concatenate([np.diff(course, axis=0) for course in courses])
    usual = np.sqrt((steps.astype(np.float64) ** 2).mean(axis=0))
    idle = float(np.median([summarize(str(i), "", course, usual).idle[0] for i, course in enumerate(courses)]))
    rate = view.episodes.rate_hz
    return (
        f"{waiting} of {len(courses)} demonstrations stand still there too, idle for {idle:.0f} steps"
        f"{f' ({idle / rate:.2f} s)' if rate else ''} at their start (median)"
    )
