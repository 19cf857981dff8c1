"""Open loop: denoised chunks beside the recorded ones, joint by joint, and beside two policies that learnt nothing.

On training observations a policy that loses to *hold* (repeat the current pose) or to the mean chunk has not learnt,
or acts in other units. On held-out episodes the same, and how much of what was learnt is memory.
"""

import numpy as np

from ate.data.doctor.report import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import View, grouped, named
from ate.diagnose.report import Errors
from ate.experiments.stats.comparisons import paired
from ate.steer.evaluation import SAMPLES

TRAINING, HELD_OUT = "training prediction", "held-out prediction"
# A joint that was merely not learnt is about as bad as a baseline; one that is twice as bad as both is somewhere else.
ELSEWHERE = 2.0
# From here on more of the held-out error is missing generalisation than is left on what was seen.
OVERFIT = 2.0


def errors(view: View, mean: np.ndarray, seed: int) -> Errors:
    """Errors of policy, hold and mean chunk on evenly spread observations.

    Args:
        view: policy and episodes.
        mean: the mean training chunk, `(S, dof)`.
        seed: of the initial noise.
    """
    rows = view.evenly(SAMPLES)
    recorded, group, keep = view.recorded(rows), view.episode(rows), view.moving
    tried = {
        "policy": view.predict(view.observation(rows), seed),
        "hold": view.now(rows)[:, None],
        "mean": mean[None],
    }
    found = {
        name: grouped(np.abs(chunk - recorded).mean(axis=1), group)[:, keep] for name, chunk in tried.items()
    }  # fmt: skip
    return Errors(tuple(named(view.episodes.joint_names, keep)), spread=view.spread[keep], **found)


def training(view: View, found: Errors, cause: Finding | None) -> Finding:
    """Rung: does it predict what it was trained on?

    Args:
        view: policy and episodes.
        found: its errors.
        cause: a check further up that fails and explains it.
    """
    level, said = _judge(found)
    fix = ""
    if level == FAIL:
        fix = (
            f"see the check {cause.check}: {cause.fix}" if cause is not None
            else "it has not learnt, or its joints are in another order: more steps, a higher learning rate; compare "
            "the order of joints in training and here"
        )  # fmt: skip
    elif level == WARN:
        fix = "train longer, or look at the joints that are named"
    return Finding(level, TRAINING, view.episodes.robot, said, _expected("episodes it was trained on"), fix)


def held_out(found: Errors | None, seen: Errors, trained: Finding) -> Finding:
    """Rung: does it predict what it has not seen, and how much worse?

    Args:
        found: errors on held-out episodes, None where there are none.
        seen: errors on training episodes.
        trained: the check on training episodes.
    """
    robot = trained.subject
    if found is None:
        return Finding(
            SKIPPED, HELD_OUT, robot, "no held-out episodes were given", "",
            "keep a tenth of the episodes out of training, and give them here",
        )  # fmt: skip
    level, said = _judge(found)
    ratio = float(found.scores(found.policy).mean() / max(seen.scores(seen.policy).mean(), 1e-12))
    said += f"; {_short(ratio)} times its error in training"
    expected = _expected("held-out episodes") + f", at most {OVERFIT:g} times the error in training"
    fix = ""
    if trained.level == FAIL and level != PASS:
        fix = f"mend {TRAINING} first"
    elif ratio > OVERFIT:
        level = FAIL if level == FAIL else WARN
        fix = "it remembers more than it has learnt: more or more varied episodes, or fewer steps"
    elif level != PASS:
        fix = "train longer, or look at the joints that are named"
    return Finding(level, HELD_OUT, robot, said, expected, fix)


def _expected(what: str) -> str:
    return f"less error than hold and than the mean chunk on {what} (95 % paired t interval over episodes)"


def _judge(found: Errors) -> tuple[str, str]:
    """Level, and what was found."""
    scores = {name: found.scores(getattr(found, name)) for name in ("policy", "hold", "mean")}
    best = min(("hold", "mean"), key=lambda name: float(scores[name].mean()))
    gain, low, _ = paired(scores[best] - scores["policy"])
    means = {name: getattr(found, name).mean(axis=0) for name in scores}
    worst = np.maximum(means["hold"], means["mean"])
    elsewhere, behind = means["policy"] > ELSEWHERE * worst, means["policy"] > worst
    level = FAIL if gain <= 0 or elsewhere.any() else WARN if low <= 0 or behind.any() else PASS
    share = {name: f"{_short(100 * float(value.mean()))} %" for name, value in scores.items()}
    said = (
        f"error {share['policy']} of a joint's spread, hold {share['hold']}, mean chunk {share['mean']}; "
        f"per joint {_span(means['policy'])}, hold {_span(means['hold'])}"
    )
    shown = elsewhere if elsewhere.any() else behind
    parts = [
        f"{name} {_short(means['policy'][j])} (hold {_short(means['hold'][j])}, mean {_short(means['mean'][j])})"
        for j, name in enumerate(found.joints)
        if shown[j]
    ]
    return level, said + (f"; worse than both: {', '.join(parts)}" if parts else "")


def _span(means: np.ndarray) -> str:
    return f"{_short(means.min())} to {_short(means.max())} rad"


def _short(value: float) -> str:
    """Two significant digits, never a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
