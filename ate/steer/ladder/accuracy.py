"""Open loop: denoised chunks beside the recorded ones, joint by joint, and beside two policies that learnt nothing.

On training observations a policy that loses to *hold* (repeat the current pose) or to the mean chunk has not learnt,
or acts in other units. On held-out episodes the same, and how much of what was learnt is memory.
"""

import numpy as np

from ate.ablate.statistics import paired
from ate.data.doctor.report import FAIL, PASS, SKIPPED, WARN, Finding
from ate.steer.evaluate import SAMPLES
from ate.steer.ladder.record import Errors
from ate.steer.ladder.view import View, grouped, misread, named

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


def training(view: View, found: Errors, seed: int) -> Finding:
    """Rung: does it predict what it was trained on?"""
    level, said, hints = _judge(view, found, seed)
    fixes = {
        FAIL: "compare units, joint order and statistics of policy and data (rungs on replay and statistics); if they "
        "agree, it has not learnt: more steps, a higher learning rate",
        WARN: "train longer, or look at the joints that are named",
    }
    fix = f"mend {'; '.join(hints)}" if hints else fixes.get(level, "")
    return Finding(level, TRAINING, view.episodes.robot, said, _expected("episodes it was trained on"), fix)


def held_out(view: View | None, found: Errors | None, seen: Errors, robot: str, seed: int) -> Finding:
    """Rung: does it predict what it has not seen, and how much worse?"""
    if view is None or found is None:
        return Finding(
            SKIPPED, HELD_OUT, robot, "no held-out episodes were given", "",
            "keep a tenth of the episodes out of training, and give them here",
        )  # fmt: skip
    level, said, hints = _judge(view, found, seed)
    ratio = float(found.scores(found.policy).mean() / max(seen.scores(seen.policy).mean(), 1e-12))
    said += f"; {ratio:.2g} times its error in training"
    expected = _expected("held-out episodes") + f", at most {OVERFIT:g} times the error in training"
    if level == FAIL:
        fix = f"mend {'; '.join(hints)}" if hints else "what fails here and not in training is memory: record more"
    elif ratio > OVERFIT:
        level, fix = WARN, "it remembers more than it has learnt: more or more varied episodes, or fewer steps"
    else:
        fix = "train longer, or look at the joints that are named" if level == WARN else ""
    return Finding(level, HELD_OUT, robot, said, expected, fix)


def _expected(what: str) -> str:
    return f"less error than hold and than the mean chunk on {what} (95 % paired t interval over episodes)"


def _judge(view: View, found: Errors, seed: int) -> tuple[str, str, list[str]]:
    """Level, what was found, and what the joints that are elsewhere look like."""
    scores = {name: found.scores(getattr(found, name)) for name in ("policy", "hold", "mean")}
    best = min(("hold", "mean"), key=lambda name: float(scores[name].mean()))
    gain, low, _ = paired(scores[best] - scores["policy"])
    means = {name: getattr(found, name).mean(axis=0) for name in scores}
    worst = np.maximum(means["hold"], means["mean"])
    elsewhere, behind = means["policy"] > ELSEWHERE * worst, means["policy"] > worst
    level = FAIL if gain <= 0 or elsewhere.any() else WARN if low <= 0 or behind.any() else PASS
    share = {name: f"{100 * value.mean():.3g} %" for name, value in scores.items()}
    said = (
        f"error {share['policy']} of a joint's spread, hold {share['hold']}, mean chunk {share['mean']}; "
        f"per joint {_span(found, means['policy'])}, hold {_span(found, means['hold'])}"
    )
    shown = elsewhere if elsewhere.any() else behind
    if shown.any():
        parts = [
            f"{name} {means['policy'][j]:.3g} (hold {means['hold'][j]:.3g}, mean {means['mean'][j]:.3g})"
            for j, name in enumerate(found.joints) if shown[j]
        ]  # fmt: skip
        said += f"; worse than both: {', '.join(parts)}"
    hints = _hints(view, elsewhere, seed) if elsewhere.any() else []
    return level, said + (f"; {'; '.join(hints)}" if hints else ""), hints


def _span(found: Errors, means: np.ndarray) -> str:
    return f"{means.min():.2g} to {means.max():.2g} rad"


def _hints(view: View, elsewhere: np.ndarray, seed: int) -> list[str]:
    rows = view.evenly(SAMPLES)
    predicted, recorded = view.predict(view.observation(rows), seed), view.recorded(rows)
    which = np.zeros(len(view.moving), dtype=bool)
    which[np.flatnonzero(view.moving)[elsewhere]] = True
    # The last row of the chunk: far enough from the pose it starts at.
    return misread(recorded[:, -1], predicted[:, -1], view.episodes.joint_names, which)
