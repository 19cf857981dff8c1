"""Columns that do not move: padded, constant, nearly constant, frozen in some episodes, or nothing but noise."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import CONSTANT_RANGE, ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

# Steps of white noise are √2 times as large as its deviation; a motion's are far below it.
NOISE = 1.0
# A joint that holds still in at most this share of the episodes was not recorded there; in more, it is the task.
FROZEN_SHARE = 0.25
# Arms sag below what holds them by a few nearly constant ranges.
SAG = 3.0
HELD = ", where its commands hold it"
EFFECT = "it normalises to exactly 0 and is left out of loss, metrics, UMAP and guidance"


def check(data: ExaminedSet) -> Iterator[Finding]:
    """One finding a joint."""
    low, high = data.facts.low, data.facts.high
    near = data.near_ranges
    deviation = data.facts.rows.std(0, dtype=np.float64)
    noise = data.facts.steps.std(0, dtype=np.float64) / np.maximum(deviation, 1e-12)
    for j, name in enumerate(data.names):
        unit = data.unit(j)
        if high[j] - low[j] < CONSTANT_RANGE:
            yield _constant(data, j, float(low[j]), float(high[j]))
        elif not data.moves[j]:
            yield data.finding(
                j, WARN, "constants.near", f"nearly constant: {low[j]:.4g} to {high[j]:.4g} {unit}".rstrip(),
                f"a range above {near[j]:.3g} {unit}".rstrip(),
                f"leave it out if it should not move: min–max normalisation scales {high[j] - low[j]:.2g} to [−1, 1]",
            )  # fmt: skip
        elif noise[j] > NOISE and not data.is_gripper(j) and j not in data.facts.wrapped:
            yield data.finding(
                j, WARN, "constants.noise", f"noise: steps deviate by {noise[j]:.2f} of what the values themselves do",
                "steps far smaller than the motion", f"check the sensor of {name}; leave it out or smooth it",
            )  # fmt: skip
        else:
            yield _moving(data, j)


def _constant(data: ExaminedSet, j: int, low: float, high: float) -> Finding:
    joint = data.joints[j]
    padded = low == high == 0.0
    # A command may stay constant; a measurement that never changes was not taken.
    measured = data.episodes.source == "qpos"
    arm = measured and joint is not None and joint.part == "arm"
    commanded = _commanded(data, j)
    held = measured and not commanded and _held(data, j)
    what = f"constant at {low:.5g} {data.unit(j)}".rstrip()
    if padded:
        what = "exactly 0 in every row" + ("" if held else ": padding")
    fix = f"{EFFECT}; leave it out of the set if the robot has no such joint, record it if it has one"
    return data.finding(
        j, FAIL if (arm and not held) or (measured and commanded) else WARN,
        "constants.padded" if padded else "constants.constant",
        (what if low == high else f"{what} ± {(high - low) / 2:.1g}") + commanded + (HELD if held else ""),
        f"motion: profile {data.profile.name} lists it as a joint of the arm" if arm and data.profile else "motion",
        fix,
    )  # fmt: skip


def _held(data: ExaminedSet, j: int) -> bool:
    """Whether commands hold the joint where it stands, as a simulator does; of 0 alone, with its whole arm parked."""
    other = data.facts.other
    if other is None or data.facts.lags is None or not _at(data, j, other):
        return False
    role = data.roles[j]
    arm = [k for k, of in enumerate(data.roles) if role is not None and of is not None and of.arm == role.arm]
    if data.facts.low[j] != 0 or data.facts.high[j] != 0:
        return True
    still = data.facts.high[arm] - data.facts.low[arm] < CONSTANT_RANGE
    return bool(still.all() and (data.facts.low[arm] != 0).any() and all(_at(data, k, other) for k in arm))


def _at(data: ExaminedSet, j: int, other: np.ndarray) -> bool:
    """Whether the commands of a joint stand still, near its only value."""
    low, high = np.nanmin(other[:, j]), np.nanmax(other[:, j])
    return bool(high - low < CONSTANT_RANGE and abs(low - data.facts.low[j]) < SAG * data.near_ranges[j])


def _commanded(data: ExaminedSet, j: int) -> str:
    """Whether the other series of the same columns moves this joint, in words."""
    if data.facts.lags is None or data.facts.other is None:
        return ""
    low, high = np.nanquantile(data.facts.other[:, j], [0.01, 0.99])
    return f", while {data.companion} moves by {high - low:.3g}" if high - low > data.near_ranges[j] else ""


def _moving(data: ExaminedSet, j: int) -> Finding:
    name, summaries = data.names[j], data.facts.summaries
    ranges = np.array([item.high[j] - item.low[j] for item in summaries])
    if (ranges < CONSTANT_RANGE).all():
        joint = data.joints[j]
        return data.finding(
            j, FAIL if data.episodes.source == "qpos" and joint is not None and joint.part == "arm" else WARN,
            "constants.frozen",
            f"frozen within every episode, at {data.facts.low[j]:.4g} to {data.facts.high[j]:.4g} between them"
            + _commanded(data, j), "motion within episodes",
            f"{name} was not recorded while it moved, or is a setting: leave it out or record it",
        )  # fmt: skip
    # Short episodes may end before the joint has to move.
    long = np.array([item.steps >= max(2 * data.horizon, 2) for item in summaries])
    frozen = [item.name for item, size, enough in zip(summaries, ranges, long, strict=True) if enough and size == 0]
    others = np.median(ranges[ranges > 0]) if (ranges > 0).any() else 0.0
    if frozen and len(frozen) <= FROZEN_SHARE * len(summaries) and others > CONSTANT_RANGE:
        return data.finding(
            j, WARN, "constants.frozen_episodes",
            f"frozen in {len(frozen)} of {len(summaries)} episodes ({listed(frozen)}), moves by {others:.3g} in "
            "the others", "the joint moving in all episodes or in none",
            f"exclude these episodes unless {name} really stood still", episodes=tuple(frozen), exclude=True,
        )  # fmt: skip
    return data.finding(j, PASS, "constants", f"moves by {others:.3g} {data.unit(j)} an episode".replace("  ", " "))
