"""Normalization: is the policy's normaliser of this robot and series, and do the recordings fill its range?"""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from ate.data.columns import WAS
from ate.data.doctor.checks.units import PER_DEGREE
from ate.data.doctor.finding import FAIL, PASS, SKIPPED, WARN, Finding
from ate.data.normalize import CONSTANT_RANGE, Normalizer
from ate.data.space import ActionSpace, spaces
from ate.diagnose.predictions import ActorPredictions, PolicyPredictions
from ate.policies.policy import CLIP

NAME = "normalization"
# Statistics of the data itself leave nothing outside ± 1; those of a few of its episodes leave a few per cent.
OUTSIDE = 0.05
# A policy cannot predict values beyond ± 1.5: a hundredth of a joint's values there is a wrong normaliser.
BEYOND = 0.01
# Share of the normaliser's range that a joint fills: a tenth is another unit or robot, half is other data.
NARROW, PARTLY = 0.1, 0.5
# Ranges that agree to a fifth suggest a cause.
SIMILAR = 0.2
FIXES = {
    FAIL: "give the policy the action space it was trained in, and recordings of that robot, unit and joint order",
    WARN: "fit the statistics on all episodes that are trained on, or check the joints that are named",
    PASS: "",
}
NAMELESS = "give the policy the attribute joint_names, its columns in their order, and let it act on those above"
EXPECTED = (
    f"one robot, series and joint order; at most {100 * OUTSIDE:.0f} % outside ± 1, under {100 * BEYOND:.0f} % "
    f"beyond ± {CLIP:g}, at least {100 * PARTLY:.0f} % of the range filled"
)


@dataclass(frozen=True)
class JointRange:
    """One joint's recorded range in the policy's normaliser.

    Attributes:
        level: FAIL, WARN or PASS.
        text: both ranges, and what is wrong.
        outside: share of the normalised values outside ± 1.
        cause: what the ranges suggest: `"degrees"`, `"joint order"`, `"sign"` or `"inverted"`; empty where unknown.
    """

    level: str
    text: str
    outside: float
    cause: str = ""


def check(predictions: PolicyPredictions) -> Finding:
    """Do policy and recordings share robot, joints, series and range?"""
    space, episodes = predictions.space, predictions.episodes
    recorded = spaces([episodes], space.width)[0]
    joints = joint_ranges(predictions)
    texts = {level: [joint.text for joint in joints if joint.level == level] for level in (FAIL, WARN)}
    texts[FAIL] = _differences(space, recorded) + texts[FAIL]
    level = FAIL if texts[FAIL] else WARN if texts[WARN] else PASS
    outside = [100 * joints[j].outside for j in np.flatnonzero(predictions.moving)]
    got = [
        *texts[FAIL],
        *texts[WARN],
        f"the normaliser is of {'exactly these' if space.data == recorded.data else 'other'} episodes",
        f"{np.mean(outside):.2g} % of normalised values outside ± 1" if outside else "no joint moves",
    ]
    return Finding(level, NAME, episodes.robot, "; ".join(got), EXPECTED, FIXES[level])


def check_names(predictions: ActorPredictions) -> Finding:
    """Do a policy that is not ours and the recordings name the same joints? It does not show its statistics."""
    episodes, names = predictions.episodes, tuple(getattr(predictions.actor, "joint_names", ()))
    different = _renamed(names, episodes.joint_names) if names else ""
    if different:
        return Finding(FAIL, NAME, episodes.robot, different, "one order of joints", FIXES[FAIL])
    was = next((tuple(item.attributes[key]) for item in episodes for key in WAS.values() if key in item.attributes), ())
    if not names and was:
        # It may have been trained on the columns as they lie in the files: then its chunks are of other joints.
        got = f"columns were read as {', '.join(episodes.joint_names)}; in the files they are {', '.join(was)}"
        return Finding(WARN, NAME, episodes.robot, got, "a policy that names its joints", NAMELESS)
    got = "the policy does not show what it normalises by" + (", its joints are the recorded ones" if names else "")
    fix = "compare its statistics with the recordings: ate doctor DATA --statistics FILE"
    return Finding(SKIPPED, NAME, episodes.robot, got, "", fix)


def joint_ranges(predictions: PolicyPredictions) -> list[JointRange]:
    """The recorded range of every column, against the policy's normaliser."""
    space, episodes = predictions.space, predictions.episodes
    recorded = spaces([episodes], space.width)[0]
    values = np.abs(np.concatenate([space.normalizer.normalize(episodes.series(i)) for i in range(len(episodes))]))
    # Statistics are float32: their own extremes may come out a hair beyond 1.
    outside, beyond = (np.mean(values > limit, axis=0) for limit in (1 + 1e-4, CLIP))
    return [_joint(j, space, recorded, float(outside[j]), float(beyond[j])) for j in range(episodes.dof)]


def _joint(j: int, space: ActionSpace, recorded: ActionSpace, outside: float, beyond: float) -> JointRange:
    """Judge one column, of which the share `beyond` is more than the policy can predict."""
    trained, low, high = space.normalizer, recorded.normalizer.low[j], recorded.normalizer.high[j]
    text = f"{recorded.embodiment.joint_names[j]} {low:.3g} to {high:.3g}, "
    text += f"in the policy {trained.low[j]:.3g} to {trained.high[j]:.3g}"
    if trained.constant[j]:
        moves = max(abs(low - trained.center[j]), abs(high - trained.center[j])) > CONSTANT_RANGE
        return JointRange(WARN if moves else PASS, f"{text}, constant in training", outside)
    filled = (high - low) / (trained.high[j] - trained.low[j])
    if beyond >= BEYOND or filled < NARROW:
        cause, guess = cause_of(j, trained, recorded.normalizer, recorded.joint_names)
        share = f"{100 * beyond:.0f} % beyond what the policy can predict"
        if beyond < BEYOND:
            share = f"{100 * filled:.2g} % of the range"
        return JointRange(FAIL, f"{text}, {share}{guess}", outside, cause)
    level = WARN if outside > OUTSIDE or filled < PARTLY else PASS
    return JointRange(level, f"{text}, {100 * outside:.0f} % outside, {100 * filled:.0f} % of the range", outside)


def cause_of(j: int, trained: Normalizer, recorded: Normalizer, names: tuple[str, ...]) -> tuple[str, str]:
    """What a joint's recorded range suggests, as a word and as the end of a sentence; empty where nothing fits."""
    low, high = float(recorded.low[j]), float(recorded.high[j])
    wide = (high - low) / max(float(trained.high[j] - trained.low[j]), 1e-12)

    def resembles(low: float, high: float, other: int) -> bool:
        """Whether a range overlaps that of a trained joint, by the shared part of both together."""
        shared = min(high, trained.high[other]) - max(low, trained.low[other])
        together = max(high, trained.high[other]) - min(low, trained.low[other])
        return bool(max(shared, 0.0) / max(together, 1e-12) > 1 - SIMILAR)

    if min(abs(wide * PER_DEGREE - 1), abs(wide / PER_DEGREE - 1)) < SIMILAR:
        return "degrees", ": degrees against radians"
    for other, name in enumerate(names):
        if other != j and resembles(low, high, other):
            return "joint order", f": the range of {name}, joints in another order?"
    if resembles(-high, -low, j):
        return "sign", ": opposite sign?"
    return ("inverted", ": inverted (1 − value)?") if resembles(1 - high, 1 - low, j) else ("", "")


def _differences(space: ActionSpace, recorded: ActionSpace) -> list[str]:
    """Where policy and recordings differ in series or in names and order of joints, in words."""
    if space.source != recorded.source:
        return [f"series differ: the policy acts in {space.source!r}, the recordings are {recorded.source!r}"]
    renamed = _renamed(space.embodiment.joint_names, recorded.embodiment.joint_names)
    return [renamed] if renamed else []


def _renamed(trained: tuple[str, ...], here: tuple[str, ...]) -> str:
    """Columns of different names, in words; empty where there are none."""
    pairs = zip_longest(trained, here, fillvalue="none")
    renamed = [f"{old} in the policy, {new} here" for old, new in pairs if old != new]
    return f"joints differ: {', '.join(renamed)}" if renamed else ""
