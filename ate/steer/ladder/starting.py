"""Stuck at start: does the policy leave the pose that episodes begin in, and do the demonstrations?"""

import numpy as np

from ate.ablate.statistics import wilson
from ate.data.doctor.look import STILL, look
from ate.data.doctor.report import FAIL, PASS, SKIPPED, WARN, Finding
from ate.steer.ladder.view import View

NAME = "stuck at start"
# Draws of the noise at each start: whether a policy stays is a matter of chance.
DRAWS = 4
# A robot that stays in half of the draws at least spends its episode waiting; one in twenty is worth a look.
MANY, SOME = 0.5, 0.05


def rung(view: View, seed: int) -> Finding:
    """Rung: at the first step of each episode, does it move?

    A start is *stuck* where no joint of the arm gets further, in the steps that are carried out, than a tenth (what
    the doctor calls standing still) of the way that the recordings usually make in as many steps.
    """
    robot, arm = view.episodes.robot, view.moving & ~view.gripper
    if not arm.any():
        return Finding(SKIPPED, NAME, robot, "no joint of an arm moves")
    scale = view.spread
    usual = float(np.median(_way(view.recorded(view.evenly(512)), view.now(view.evenly(512)), scale, arm, view.execute)))
    if usual == 0:
        return Finding(SKIPPED, NAME, robot, "the recordings stand still most of the time")
    pose, observation = view.now(view.first), view.observation(view.first)
    shown = _way(view.recorded(view.first), pose, scale, arm, view.execute)
    tried = [
        _way(view.predict(observation, seed + draw), pose, scale, arm, view.execute) for draw in range(DRAWS)
    ]  # fmt: skip
    stuck = np.concatenate(tried) < STILL * usual
    waits = shown < STILL * usual
    share = float(stuck.mean())
    low, high = wilson(int(stuck.sum()), stuck.size)
    level = FAIL if share >= MANY else WARN if share > SOME else PASS
    said = (
        f"stays in {int(stuck.sum())} of {stuck.size} draws ({100 * share:.0f} %, 95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %); moves {np.median(np.concatenate(tried)) / usual:.2g} times the usual way in "
        f"{view.execute} steps, the demonstrations {np.median(shown) / usual:.2g} times"
    )
    fix = ""
    if level != PASS:
        said, fix = said + f"; {_pauses(view, int(waits.sum()))}", _fix(bool(waits.mean() > SOME))
    expected = (
        f"less than {100 * SOME:.0f} % stuck; stuck: less than {STILL:g} of the usual way ({usual:.2g} spreads of a "
        f"joint) in {view.execute} steps"
    )
    return Finding(level, NAME, robot, said, expected, fix)


def _fix(waiting: bool) -> str:
    if waiting:
        return "cut the pauses off the demonstrations' starts (the doctor names the episodes), then train again"
    return "it has not learnt to leave the pose it copies: drop out or blur qpos in training, train longer"


def _way(chunk: np.ndarray, pose: np.ndarray, scale: np.ndarray, arm: np.ndarray, execute: int) -> np.ndarray:
    """Furthest way of any arm joint from its pose in the first `execute` rows, in spreads, `(n,)`."""
    away = np.abs(chunk[:, :execute] - pose[:, None]) / scale
    return np.asarray(away[:, :, arm].max(axis=(1, 2)))


def _pauses(view: View, waiting: int) -> str:
    """How long demonstrations idle at their start, by the doctor's measure."""
    courses = [view.episodes.series(i) for i in range(len(view.episodes))]
    steps = np.concatenate([np.diff(course, axis=0) for course in courses])
    usual = np.sqrt((steps.astype(np.float64) ** 2).mean(axis=0))
    idle = float(np.median([look(str(i), "", course, usual).idle[0] for i, course in enumerate(courses)]))
    rate = view.episodes.rate_hz
    return (
        f"{waiting} of {len(courses)} demonstrations stand still there too, idle for {idle:.0f} steps"
        f"{f' ({idle / rate:.2f} s)' if rate else ''} at their start (median)"
    )
