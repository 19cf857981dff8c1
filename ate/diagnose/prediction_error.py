"""Open-loop error: denoised chunks against the recorded chunks, joint by joint, and against two naive baselines.

The baselines are *hold* (repeat the current pose) and the *mean* training chunk. A policy that loses to one of them on
training observations has not learnt, or acts in other units. On held-out episodes the ratio to the training error
measures overfitting.
"""

from itertools import compress

import numpy as np

from ate.data.doctor.finding import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import Predictions
from ate.diagnose.report import Errors
from ate.experiments.stats.comparisons import paired
from ate.steer.evaluation import SAMPLES

TRAINING, HELD_OUT = "training_error", "held_out_error"
# A joint that was merely not learnt is about as bad as a baseline. Twice as bad as both means wrong units or order.
MISPLACED = 2.0
# Above this ratio the generalisation gap is larger than the error that is left in training.
OVERFIT = 2.0


def errors(predictions: Predictions, mean_chunk: np.ndarray, seed: int) -> Errors:
    """Errors of policy, hold and mean chunk on evenly spread observations.

    Args:
        predictions: policy and episodes.
        mean_chunk: the mean training chunk, `(S, dof)`.
        seed: of the initial noise.
    """
    rows, moving = predictions.sample_rows(SAMPLES), predictions.moving
    recorded = predictions.recorded(rows)
    chunks = {
        "policy": predictions.predict(rows, seed),
        "hold": predictions.pose(rows)[:, None],
        "mean": mean_chunk[None],
    }
    distances = {name: np.abs(chunk - recorded).mean(axis=1) for name, chunk in chunks.items()}
    means = {name: predictions.episode_means(values, rows)[:, moving] for name, values in distances.items()}
    joints = tuple(compress(predictions.episodes.joint_names, moving))
    return Errors(joints, spread=predictions.spread[moving], **means)


def training(robot: str, measured: Errors, cause: Finding | None) -> Finding:
    """Does the policy predict what it was trained on?

    Args:
        robot: the robot.
        measured: errors on training episodes.
        cause: another check that fails and explains a large error.
    """
    level, got = _judge(measured)
    fix = ""
    if level == FAIL:
        fix = (
            f"see the check {cause.code}: {cause.fix}" if cause is not None
            else "it has not learnt, or its joints are in another order: more steps, a higher learning rate; compare "
            "the order of joints in training and here"
        )  # fmt: skip
    elif level == WARN:
        fix = "train longer, or look at the joints that are named"
    return Finding(level, TRAINING, robot, got, _expected("episodes it was trained on"), fix)


def held_out(measured: Errors | None, in_training: Errors, training_check: Finding) -> Finding:
    """Does the policy predict held-out episodes, and how much worse than its training episodes?

    Args:
        measured: errors on held-out episodes, None where there are none.
        in_training: errors on training episodes.
        training_check: the finding on training episodes.
    """
    robot = training_check.subject
    if measured is None:
        fix = "keep a tenth of the episodes out of training, and give them here"
        return Finding(SKIPPED, HELD_OUT, robot, "no held-out episodes were given", "", fix)
    level, got = _judge(measured)
    ratio = overfitting(measured, in_training)
    got += f"; {_short(ratio)} times its error in training"
    expected = _expected("held-out episodes") + f", at most {OVERFIT:g} times the error in training"
    fix = ""
    if training_check.level == FAIL and level != PASS:
        fix = f"solve {TRAINING} first"
    elif ratio > OVERFIT:
        level = FAIL if level == FAIL else WARN
        fix = "it overfits: record more or more varied episodes, or train fewer steps"
    elif level != PASS:
        fix = "train longer, or look at the joints that are named"
    return Finding(level, HELD_OUT, robot, got, expected, fix)


def overfitting(measured: Errors, in_training: Errors) -> float:
    """The policy's held-out error as a multiple of its training error, in spreads of the joints."""
    error, least = (errors.scores(errors.policy).mean() for errors in (measured, in_training))
    return float(error / max(least, 1e-12))


def _expected(what: str) -> str:
    return f"less error than hold and than the mean chunk on {what} (95 % paired t interval over episodes)"


def _judge(measured: Errors) -> tuple[str, str]:
    scores = {name: measured.scores(getattr(measured, name)) for name in ("policy", "hold", "mean")}
    best = min(("hold", "mean"), key=lambda name: float(scores[name].mean()))
    gain, low, _ = paired(scores[best] - scores["policy"])
    policy, hold, mean = (getattr(measured, name).mean(axis=0) for name in scores)
    worst = np.maximum(hold, mean)
    misplaced, behind = policy > MISPLACED * worst, policy > worst
    level = FAIL if gain <= 0 or misplaced.any() else WARN if low <= 0 or behind.any() else PASS
    share = {name: f"{_short(100 * float(value.mean()))} %" for name, value in scores.items()}
    got = (
        f"error {share['policy']} of a joint's spread, hold {share['hold']}, mean chunk {share['mean']}; "
        f"per joint {_span(policy)}, hold {_span(hold)}"
    )
    named = [
        f"{measured.joints[j]} {_short(policy[j])} (hold {_short(hold[j])}, mean {_short(mean[j])})"
        for j in np.flatnonzero(misplaced if misplaced.any() else behind)
    ]
    return level, got + (f"; worse than both: {', '.join(named)}" if named else "")


def _span(means: np.ndarray) -> str:
    return f"{_short(means.min())} to {_short(means.max())} rad"


def _short(value: float) -> str:
    """Two significant digits, never a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
