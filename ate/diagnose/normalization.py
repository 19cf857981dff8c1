"""Statistics passport: is the policy's normaliser of this robot and series, and do the recordings fill its range?"""

import numpy as np

from ate.data.doctor.checks.units import PER_DEGREE
from ate.data.doctor.report import FAIL, PASS, WARN, Finding
from ate.data.normalize import CONSTANT_RANGE, Normalizer
from ate.data.passport import Passport
from ate.data.space import ActionSpace, spaces
from ate.diagnose.predictions import View
from ate.policies.policy import CLIP

NAME = "statistics"
# Statistics of the data itself leave nothing outside ± 1; those of a few of its episodes leave a few per cent.
OUTSIDE = 0.05
# Beyond ± 1.5 a policy cannot say it: a hundredth of a joint's values there is a wrong normaliser.
BEYOND = 0.01
# Share of the normaliser's range that a joint fills: a tenth is another unit or robot, half is other data.
NARROW, PARTLY = 0.1, 0.5
# Ranges that agree to a fifth tell what went wrong; it is said as a guess.
TELLING = 0.2


def check(view: View) -> Finding:
    """Rung: do policy and recordings share robot, joints, series and range?"""
    space, episodes = view.space, view.episodes
    theirs = spaces([episodes], space.width)[0]
    differing = [name for name in _differing(space, theirs, view.policy.config.horizon) if name in ("source", "joints")]
    low, high = theirs.normalizer.low, theirs.normalizer.high
    normal = space.normalizer
    said, fail, warn = [], [], []
    if differing:
        fail.append(f"{' and '.join(differing)} differ: {_joints(space, theirs)}")
    outside, beyond = _shares(view)
    filled = (high - low) / np.where(normal.constant, 1.0, normal.high - normal.low)
    for j, name in enumerate(episodes.joint_names):
        reach = f"{name} {low[j]:.3g} to {high[j]:.3g} beside {normal.low[j]:.3g} to {normal.high[j]:.3g}"
        if normal.constant[j]:
            moves = max(abs(low[j] - normal.center[j]), abs(high[j] - normal.center[j])) > CONSTANT_RANGE
            warn += [f"{reach}, constant in training"] if moves else []
        elif beyond[j] >= BEYOND:
            fail.append(f"{reach}, {100 * beyond[j]:.0f} % beyond what the policy can say{_alike(j, normal, theirs)}")
        elif filled[j] < NARROW:
            fail.append(f"{reach}, {100 * filled[j]:.2g} % of the range{_alike(j, normal, theirs)}")
        elif outside[j] > OUTSIDE or filled[j] < PARTLY:
            warn.append(f"{reach}, {100 * outside[j]:.0f} % outside, {100 * filled[j]:.0f} % of the range")
    own = space.data == theirs.data
    said.append("the normaliser is of exactly these episodes" if own else "the normaliser is of other episodes")
    live = ~normal.constant
    said.append(
        f"{100 * outside[live].mean():.2g} % of normalised values outside ± 1" if live.any() else "nothing moves"
    )
    level = FAIL if fail else WARN if warn else PASS
    fix = {
        FAIL: "give the policy the action space it was trained in, and recordings of that robot, unit and joint order",
        WARN: "fit the statistics on all episodes that are trained on, or check the joints that are named",
        PASS: "",
    }[level]
    expected = (
        f"one robot, series and joint order; at most {100 * OUTSIDE:.0f} % outside ± 1, under {100 * BEYOND:.0f} % "
        f"beyond ± {CLIP:g}, at least {100 * PARTLY:.0f} % of the range filled"
    )
    return Finding(level, NAME, episodes.robot, "; ".join([*fail, *warn, *said]), expected, fix)


def _alike(j: int, normal: Normalizer, theirs: ActionSpace) -> str:
    """What a joint's recorded range looks like beside the policy's: other units, another joint's, turned round."""
    low, high = float(theirs.normalizer.low[j]), float(theirs.normalizer.high[j])
    wide = (high - low) / float(normal.high[j] - normal.low[j])
    if abs(wide * PER_DEGREE - 1) < TELLING or abs(wide / PER_DEGREE - 1) < TELLING:
        return ": degrees against radians"
    for other, name in enumerate(theirs.embodiment.joint_names):
        if other != j and _overlap(low, high, normal.low[other], normal.high[other]) > 1 - TELLING:
            return f": the range of {name}, joints in another order?"
    if _overlap(-high, -low, normal.low[j], normal.high[j]) > 1 - TELLING:
        return ": turned round?"
    inverted = _overlap(1 - high, 1 - low, normal.low[j], normal.high[j]) > 1 - TELLING
    return ": inverted (1 − value)?" if inverted else ""


def _overlap(low: float, high: float, other_low: float, other_high: float) -> float:
    """Shared part of two ranges as a share of both together, 0 to 1."""
    shared = min(high, other_high) - max(low, other_low)
    return max(shared, 0.0) / max(max(high, other_high) - min(low, other_low), 1e-12)


def _differing(space: ActionSpace, theirs: ActionSpace, horizon: int) -> list[str]:
    mine, other = Passport.of(space, horizon), Passport.of(theirs, horizon)
    differing = [name for name in ("source", "data", "statistics") if getattr(mine, name) != getattr(other, name)]
    names = ([name for name, _ in passport.joints] for passport in (mine, other))
    # Slots depend on the company that a space was made in; names and their order do not.
    return [*differing, *(["joints"] if next(names) != next(names) else [])]


def _joints(space: ActionSpace, theirs: ActionSpace) -> str:
    if space.source != theirs.source:
        return f"the policy acts in {space.source!r}, the recordings are {theirs.source!r}"
    pairs = zip(space.embodiment.joint_names, theirs.embodiment.joint_names, strict=True)
    return ", ".join(f"{mine} there, {other} here" for mine, other in pairs if mine != other)


def _shares(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each column's normalised values outside ± 1 and beyond what the policy can say, `(dof,)` each."""
    count = len(view.data)
    outside, beyond = np.zeros(view.episodes.dof), np.zeros(view.episodes.dof)
    for i in range(len(view.episodes)):
        values = np.abs(view.space.normalizer.normalize(view.episodes.series(i)))
        # Statistics are float32: their own extremes may come out a hair beyond 1.
        outside += (values > 1 + 1e-4).sum(axis=0)
        beyond += (values > CLIP).sum(axis=0)
    return outside / count, beyond / count
