"""Columns that do not move: padded, constant, nearly constant, frozen in some episodes, or nothing but noise."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.case import Case, listed
from ate.data.doctor.report import FAIL, PASS, WARN, Finding

# Whole ranges below this (rad, m or opening) normalise to exactly 0; the same number as `ate.data.normalize`, which
# is not imported here because it needs torch.
CONSTANT_RANGE = 1e-4
# From the 1st to the 99th percentile, in the column's unit: a degree of a joint, 2 mm of a slide, 2 % of a gripper.
NEAR = {"rad": 0.02, "m": 0.002, "fraction": 0.02}
# Steps of white noise are √2 times as large as its deviation; a motion's are far below it.
NOISE = 1.0
# A joint that holds still in at most this share of the episodes was not recorded there; in more, it is the task.
FROZEN_SHARE = 0.25
EFFECT = "it normalises to exactly 0 and is left out of loss, metrics, UMAP and guidance"


def near_ranges(case: Case) -> np.ndarray:
    """The range below which each column counts as nearly constant, in data units, `(dof,)`."""
    ranges = []
    for joint in case.joints:
        slope = 1.0 if joint is None else abs(joint.affine[0])
        ranges.append(NEAR["rad" if joint is None else joint.quantity] / slope)
    return np.array(ranges)


def still_columns(case: Case) -> np.ndarray:
    """Columns that are constant or nearly so, bool `(dof,)`."""
    spread = case.facts.quantile(0.99) - case.facts.quantile(0.01)
    return (spread < near_ranges(case)) & (case.facts.high - case.facts.low < 5 * near_ranges(case))


def check(case: Case) -> Iterator[Finding]:
    """One finding a joint."""
    low, high = case.facts.low, case.facts.high
    near, still = near_ranges(case), still_columns(case)
    deviation = case.facts.rows.std(0, dtype=np.float64)
    noise = case.facts.steps.std(0, dtype=np.float64) / np.maximum(deviation, 1e-12)
    for j, name in enumerate(case.names):
        unit = case.unit(j)
        if high[j] - low[j] < CONSTANT_RANGE:
            yield _constant(case, j, float(low[j]), float(high[j]))
        elif still[j]:
            yield Finding(
                WARN,
                "constants",
                name,
                f"nearly constant: {low[j]:.4g} to {high[j]:.4g} {unit}".rstrip(),
                f"a range above {near[j]:.3g} {unit}".rstrip(),
                f"leave it out if it should not move: min–max normalisation blows {high[j] - low[j]:.2g} up to [−1, 1]",
                joint=name,
            )
        elif noise[j] > NOISE and not case.is_gripper(j):
            yield Finding(
                WARN,
                "constants",
                name,
                f"noise: steps deviate by {noise[j]:.2f} of what the values themselves do",
                "steps far smaller than the motion",
                f"check the sensor of {name}; leave it out or smooth it",
                joint=name,
            )
        else:
            yield _moving(case, j)


def _constant(case: Case, j: int, low: float, high: float) -> Finding:
    name, joint = case.names[j], case.joints[j]
    padded = low == high == 0.0
    what = "exactly 0 in every row: padding" if padded else f"constant at {low:.5g} {case.unit(j)}".rstrip()
    # A command may well stay what it is; a measurement that never changes was not taken.
    measured = case.episodes.source == "qpos"
    arm = measured and joint is not None and joint.part == "arm"
    commanded = _commanded(case, j)
    fix = f"{EFFECT}; leave it out of the set if the robot has no such joint, record it if it has one"
    return Finding(
        FAIL if arm or (measured and commanded) else WARN,
        "constants",
        name,
        (what if low == high else f"{what} ± {(high - low) / 2:.1g}") + commanded,
        f"motion: profile {case.profile.name} lists it as a joint of the arm" if arm and case.profile else "motion",
        fix,
        joint=name,
    )


def _commanded(case: Case, j: int) -> str:
    """Whether the other series of the same columns moves this joint, in words."""
    if case.facts.lags is None or case.facts.other is None:
        return ""
    low, high = np.nanquantile(case.facts.other[:, j], [0.01, 0.99])
    other = "action" if case.episodes.source == "qpos" else "qpos"
    return f", while {other} moves by {high - low:.3g}" if high - low > near_ranges(case)[j] else ""


def _moving(case: Case, j: int) -> Finding:
    name, looks = case.names[j], case.facts.looks
    ranges = np.array([item.high[j] - item.low[j] for item in looks])
    if (ranges < CONSTANT_RANGE).all():
        joint = case.joints[j]
        return Finding(
            FAIL if case.episodes.source == "qpos" and joint is not None and joint.part == "arm" else WARN,
            "constants",
            name,
            f"frozen within every episode, at {case.facts.low[j]:.4g} to {case.facts.high[j]:.4g} between them"
            + _commanded(case, j),
            "motion within episodes",
            f"{name} was not recorded while it moved, or is a setting: leave it out or record it",
            joint=name,
        )
    # Short episodes may well end before the joint's turn comes.
    long = np.array([item.steps >= max(2 * case.horizon, 2) for item in looks])
    frozen = [item.name for item, size, enough in zip(looks, ranges, long, strict=True) if enough and size == 0]
    others = np.median(ranges[ranges > 0]) if (ranges > 0).any() else 0.0
    if frozen and len(frozen) <= FROZEN_SHARE * len(looks) and others > CONSTANT_RANGE:
        return Finding(
            WARN,
            "constants",
            name,
            f"frozen in {len(frozen)} of {len(looks)} episodes ({listed(frozen)}), moves by {others:.3g} in the others",
            "the joint moving in all episodes or in none",
            f"exclude these episodes unless {name} really stood still",
            joint=name,
            episodes=tuple(frozen),
            exclude=True,
        )
    return Finding(PASS, "constants", name, f"moves by {others:.3g} {case.unit(j)} an episode".replace("  ", " "),
                   joint=name)  # fmt: skip
