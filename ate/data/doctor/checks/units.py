"""Units: ranges against the limits of the joints, speeds against what arms can do, whole numbers of servos."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ate.data.doctor.case import Case, listed
from ate.data.doctor.report import FAIL, PASS, WARN, Finding

TURN = 2 * np.pi
# Joints with limits reach two turns at most (± 360°, UR); in radians more than that is another unit.
MOST_RADIANS = 2 * TURN
# Share of the joint's travel by which recordings overshoot published limits (calibration, soft stops).
SLACK = 0.05
# Full resolutions of common servos' encoders.
TICKS = (1024, 4096, 16384, 65536)
# 20 rad/s is twice what the fastest arm's wrist does.
MOST_SPEED = 20.0
# Above this the numbers are no degrees either: five turns.
MOST_DEGREES = 1800.0
PER_DEGREE = np.pi / 180
# Episodes that reach this many times as far as the median one are in another unit by themselves.
FEW = 10.0


def check(case: Case) -> Iterator[Finding]:
    """One finding a joint of the arm; grippers are checked on their own."""
    suspects = _suspects(case)
    arm = [j for j in range(len(case.names)) if not case.is_gripper(j)]
    # A joint that happens to stay within a few degrees looks like radians: its neighbours give it away.
    told = {j: suspects[j] for j in arm if j in suspects}
    all_degrees = sum(kind == "degrees" for kind in told.values()) > 0.5 * sum(case.moves[j] for j in arm)
    for j in arm:
        kind = suspects.get(j, "")
        if not kind and all_degrees and _expected(case, j) == "rad" and case.moves[j]:
            kind = "degrees by the others"
        yield _wrong(case, j, kind) if kind else _limits(case, j)


def _expected(case: Case, j: int) -> str:
    joint = case.joints[j]
    return "rad" if joint is None else joint.unit


def _suspects(case: Case) -> dict[int, str]:
    found: dict[int, str] = {}
    low, high = case.facts.low, case.facts.high
    whole = (case.facts.rows == np.round(case.facts.rows)).all(axis=0)
    speed = np.quantile(np.abs(case.facts.steps), 0.95, axis=0) * (case.episodes.rate_hz or 0.0)
    for j, name in enumerate(case.names):
        joint, size = case.joints[j], max(-low[j], high[j])
        unit = _expected(case, j)
        if size <= 1e-3 or case.is_gripper(j) or name in _quaternion_columns(case):
            continue
        if whole[j] and low[j] >= 0 and high[j] - low[j] > 10 and high[j] > 180 and unit != "ticks":
            found[j] = "ticks"
        elif unit == "rad" and joint is not None and joint.low is not None and joint.high is not None:
            if _outside(case, j, 1.0) and _outside(case, j, 1.0) > 1 and not _outside(case, j, PER_DEGREE):
                found[j] = "degrees"
            elif _outside(case, j, 1.0) and _outside(case, j, -1.0) == 0:
                found[j] = "sign"
        elif unit == "rad" and size > MOST_RADIANS:
            found[j] = "degrees" if size <= MOST_DEGREES else "unknown"
        elif unit == "rad" and speed[j] > MOST_SPEED:
            found[j] = "degrees"
    degrees = [j for j, joint in enumerate(case.joints) if joint is not None and joint.unit == "deg"]
    if degrees and all(max(-low[j], high[j]) <= TURN for j in degrees) and any(case.moves[j] for j in degrees):
        # All of the joints within ± 6.3° at once is no motion worth recording.
        found |= dict.fromkeys(degrees, "radians")
    return found


def _quaternion_columns(case: Case) -> set[str]:
    found = case.facts.quaternions.get(case.episodes.source)
    starts = found.found if found is not None else []
    return {case.names[start + i] for start in starts for i in range(4)}


def _outside(case: Case, j: int, factor: float) -> float:
    """How far the recorded range, times `factor`, leaves the joint's limits, as a share of their span; 0 inside."""
    joint = case.joints[j]
    if joint is None or joint.low is None or joint.high is None:
        return 0.0
    slope, offset = joint.affine
    ends = np.sort(np.array([case.facts.low[j], case.facts.high[j]]) * slope * factor + offset)
    span = joint.high - joint.low
    over = max(joint.low - ends[0], ends[1] - joint.high, 0.0) / span
    return float(over) if over > SLACK else 0.0


def _wrong(case: Case, j: int, kind: str) -> Finding:
    """The finding; with the episodes, where only a few of them are in another unit."""
    finding = _unit(case, j, kind)
    size = np.array([max(-item.low[j], item.high[j]) for item in case.facts.looks])
    odd = size > FEW * np.median(size)
    if not odd.any():
        return finding
    names = tuple(case.facts.looks[i].name for i in np.flatnonzero(odd))
    return replace(
        finding,
        found=f"in {len(names)} of {len(size)} episodes ({listed(names)}) {finding.found}",
        fix=f"exclude these episodes, or there {finding.fix}",
        episodes=names,
        exclude=True,
    )


def _unit(case: Case, j: int, kind: str) -> Finding:
    name, low, high = case.names[j], case.facts.low[j], case.facts.high[j]
    joint = case.joints[j]
    limits = f"{joint.low:.3g} to {joint.high:.3g} rad" if joint is not None and joint.low is not None else ""
    expected = f"radians within {limits}" if limits else f"radians, at most ± {MOST_RADIANS:.1f}"
    declare = "or name a profile that declares it (--robot)"
    span = f"{low:.4g} to {high:.4g}"
    if kind == "degrees":
        found, fix = f"{span}: degrees (× π/180 gives {low * PER_DEGREE:.3g} to {high * PER_DEGREE:.3g} rad)", "deg"
    elif kind == "degrees by the others":
        found, fix = f"{span}: degrees, as most joints of this set are", "deg"
    elif kind == "ticks":
        highest = max(case.facts.high[k] for k, said in _suspects(case).items() if said == "ticks")
        full = next((n for n in TICKS if highest < n), TICKS[-1])
        return Finding(
            FAIL, "units", name, f"whole numbers {span}: raw servo ticks (of {full} a turn)", expected,
            f"convert (value − {full // 2}) · 2π/{full}, {declare}: unit = \"ticks\", ticks_per_turn = {full}",
            joint=name,
        )  # fmt: skip
    elif kind == "radians":
        return Finding(
            FAIL, "units", name, f"{span}: radians, no joint of the set leaves ± 2π",
            f"degrees, as profile {case.robot} declares",
            "multiply by 180/π, or name a profile whose unit is rad", joint=name,
        )  # fmt: skip
    elif kind == "sign":
        return Finding(
            FAIL, "units", name, f"{span} rad, outside the limits; turned round, {-high:.4g} to {-low:.4g}, inside",
            expected, f"negate {name}, or declare sign = -1 in a profile", joint=name,
        )  # fmt: skip
    else:
        return Finding(
            FAIL, "units", name, f"{span}: neither radians nor degrees", expected,
            f"find out what {name} is recorded in and convert it, {declare}", joint=name,
        )  # fmt: skip
    return Finding(FAIL, "units", name, found, expected, f"multiply {name} by π/180, {declare}: unit = \"{fix}\"",
                   joint=name)  # fmt: skip


def _limits(case: Case, j: int) -> Finding:
    name, joint = case.names[j], case.joints[j]
    low, high, unit = case.facts.low[j], case.facts.high[j], case.unit(j)
    span = f"{low:.4g} to {high:.4g} {unit}"
    if joint is None or joint.low is None or joint.high is None:
        return Finding(PASS, "units", name, f"{span}; no limits known", joint=name)
    over = _outside(case, j, 1.0)
    slope, offset = joint.affine
    ends = sorted(((joint.low - offset) / slope, (joint.high - offset) / slope))
    within = f"limits {ends[0]:.4g} to {ends[1]:.4g} {unit}"
    if over:
        return Finding(
            WARN, "units", name, f"{span}, {100 * over:.0f} % of the joint's travel beyond its limits", within,
            f"check zero and sign of {name}, and that profile {case.robot} fits",
            joint=name,
        )  # fmt: skip
    return Finding(PASS, "units", name, f"{span}, within {within}", joint=name)
