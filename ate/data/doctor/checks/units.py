"""Units: ranges against the limits of the joints, speeds against what arms can do, whole numbers of servos."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.report import FAIL, PASS, WARN, Finding

TURN = 2 * np.pi
# Joints with limits reach two turns at most (± 360°, UR); in radians more than that is another unit.
MOST_RADIANS = 2 * TURN
# Share of the joint's travel by which recordings overshoot published limits (calibration, soft stops).
SLACK = 0.05
# Beyond the limits by more than this share of the travel is no calibration: another zero, another joint, another robot.
FAR = 0.3
# Full resolutions of common servos' encoders.
TICKS = (1024, 4096, 16384, 65536)
# 20 rad/s is twice what the fastest arm's wrist does.
MOST_SPEED = 20.0
# Above this the numbers are no degrees either: five turns.
MOST_DEGREES = 1800.0
PER_DEGREE = np.pi / 180
# Episodes that reach this many times as far as the median one are in another unit by themselves.
FEW = 10.0


def check(data: ExaminedSet) -> Iterator[Finding]:
    """One finding a joint of the arm; grippers are checked on their own."""
    suspects = _suspects(data)
    arm = [j for j in range(len(data.names)) if data.is_angle(j)]
    # A joint that happens to stay within a few degrees looks like radians: the other joints decide.
    all_degrees = sum(suspects.get(j) == "degrees" for j in arm) > 0.5 * sum(data.moves[j] for j in arm)
    for j in arm:
        kind = suspects.get(j, "")
        if not kind and all_degrees and _expected(data, j) == "rad" and data.moves[j]:
            kind = "degrees by the others"
        yield _wrong(data, j, kind) if kind else _limits(data, j)


def _expected(data: ExaminedSet, j: int) -> str:
    joint = data.joints[j]
    return "rad" if joint is None else joint.unit


def _suspects(data: ExaminedSet) -> dict[int, str]:
    suspects: dict[int, str] = {}
    low, high = data.facts.low, data.facts.high
    whole = (data.facts.rows == np.round(data.facts.rows)).all(axis=0)
    speed = np.quantile(np.abs(data.facts.steps), 0.95, axis=0) * (data.episodes.rate_hz or 0.0)
    quaternions = data.facts.quaternions.get(data.episodes.source)
    turning = {start + i for start in (quaternions.starts if quaternions is not None else []) for i in range(4)}
    for j, joint in enumerate(data.joints):
        size, unit = max(-low[j], high[j]), _expected(data, j)
        wrapped = data.facts.wrapped.get(j)
        if size <= 1e-3 or not data.is_angle(j) or j in turning or (wrapped is not None and wrapped.turn < 7):
            # What wraps at 2π is in radians.
            continue
        if whole[j] and low[j] >= 0 and high[j] - low[j] > 10 and high[j] > 180 and unit != "ticks":
            suspects[j] = "ticks"
        elif unit == "rad" and joint is not None and joint.low is not None and joint.high is not None:
            if _outside(data, j, 1.0) > 1 and not _outside(data, j, PER_DEGREE):
                suspects[j] = "degrees"
            elif _outside(data, j, 1.0) and _outside(data, j, -1.0) == 0:
                suspects[j] = "sign"
            elif _turns_off(data, j):
                suspects[j] = "turn"
        elif unit == "rad" and size > MOST_RADIANS:
            suspects[j] = "degrees" if size <= MOST_DEGREES else "unknown"
        elif unit == "rad" and speed[j] > MOST_SPEED:
            suspects[j] = "degrees"
    degrees = [j for j, joint in enumerate(data.joints) if joint is not None and joint.unit == "deg"]
    if degrees and all(max(-low[j], high[j]) <= TURN for j in degrees) and any(data.moves[j] for j in degrees):
        # All of the joints within ± 6.3° at once is no motion worth recording.
        suspects |= dict.fromkeys(degrees, "radians")
    return suspects


def _turns_off(data: ExaminedSet, j: int) -> int:
    """Whole turns to add for the range to lie within the joint's limits; 0 where it does, or none helps."""
    if not _outside(data, j, 1.0):
        return 0
    return next((n for n in (-1, 1, -2, 2) if _outside(data, j, 1.0, n * TURN) == 0), 0)


def _outside(data: ExaminedSet, j: int, factor: float, shift: float = 0.0) -> float:
    """How far the recorded range, times `factor` plus `shift` (rad), leaves the joint's limits, as a share of their
    span; 0 inside.
    """
    joint = data.joints[j]
    if joint is None or joint.low is None or joint.high is None:
        return 0.0
    slope, offset = joint.affine
    ends = np.sort(np.array([data.facts.low[j], data.facts.high[j]]) * slope * factor + offset + shift)
    span = joint.high - joint.low
    over = max(joint.low - ends[0], ends[1] - joint.high, 0.0) / span
    return float(over) if over > SLACK else 0.0


def _wrong(data: ExaminedSet, j: int, kind: str) -> Finding:
    """The finding; with the episodes, where only a few of them are in another unit."""
    finding = _unit(data, j, kind)
    size = np.array([max(-item.low[j], item.high[j]) for item in data.facts.summaries])
    odd = size > FEW * np.median(size)
    if not odd.any():
        return finding
    names = tuple(data.facts.summaries[i].name for i in np.flatnonzero(odd))
    return replace(
        finding,
        got=f"in {len(names)} of {len(size)} episodes ({listed(names)}) {finding.got}",
        fix=f"exclude these episodes, or there {finding.fix}",
        episodes=names,
        exclude=True,
    )


def _unit(data: ExaminedSet, j: int, kind: str) -> Finding:
    name, low, high = data.names[j], data.facts.low[j], data.facts.high[j]
    joint = data.joints[j]
    limits = f"{joint.low:.3g} to {joint.high:.3g} rad" if joint is not None and joint.low is not None else ""
    expected = f"radians within {limits}" if limits else f"radians, at most ± {MOST_RADIANS:.1f}"
    declare = "or name a profile that declares it (--robot)"
    span = f"{low:.4g} to {high:.4g}"
    if kind == "degrees":
        got, fix = f"{span}: degrees (× π/180 gives {low * PER_DEGREE:.3g} to {high * PER_DEGREE:.3g} rad)", "deg"
    elif kind == "degrees by the others":
        got, fix = f"{span}: degrees, as most joints of this set are", "deg"
    elif kind == "ticks":
        highest = max(data.facts.high[k] for k, suspect in _suspects(data).items() if suspect == "ticks")
        full = next((n for n in TICKS if highest < n), TICKS[-1])
        return data.finding(
            j, FAIL, "units.ticks", f"whole numbers {span}: raw servo ticks (of {full} a turn)", expected,
            f"convert (value − {full // 2}) · 2π/{full}, {declare}: unit = \"ticks\", ticks_per_turn = {full}",
        )  # fmt: skip
    elif kind == "radians":
        return data.finding(
            j, FAIL, "units.radians", f"{span}: radians, no joint of the set leaves ± 2π",
            f"degrees, as profile {data.robot} declares", "multiply by 180/π, or name a profile whose unit is rad",
        )  # fmt: skip
    elif kind == "turn":
        turns = _turns_off(data, j)
        count = "2π" if abs(turns) == 1 else "4π"
        return data.finding(
            j, FAIL, "units.turn",
            f"{span} rad, whole turns outside the limits; {low + turns * TURN:.4g} to {high + turns * TURN:.4g} inside",
            expected, f"{'add' if turns > 0 else 'subtract'} {count} {'to' if turns > 0 else 'from'} {name}",
        )  # fmt: skip
    elif kind == "sign":
        return data.finding(
            j, FAIL, "units.sign", f"{span} rad, outside the limits; turned round, {-high:.4g} to {-low:.4g}, inside",
            expected, f"negate {name}, or declare sign = -1 in a profile",
        )  # fmt: skip
    else:
        return data.finding(
            j, FAIL, "units.unknown", f"{span}: neither radians nor degrees", expected,
            f"find out what {name} is recorded in and convert it, {declare}",
        )  # fmt: skip
    return data.finding(j, FAIL, "units.degrees", got, expected, f'multiply {name} by π/180, {declare}: unit = "{fix}"')


def _limits(data: ExaminedSet, j: int) -> Finding:
    name, joint = data.names[j], data.joints[j]
    low, high, unit = data.facts.low[j], data.facts.high[j], data.unit(j)
    span = f"{low:.4g} to {high:.4g} {unit}"
    if joint is None or joint.low is None or joint.high is None:
        return data.finding(j, PASS, "units", f"{span}; no limits known")
    # An angle that wraps has no range of its own.
    over = 0.0 if j in data.facts.wrapped else _outside(data, j, 1.0)
    slope, offset = joint.affine
    ends = sorted(((joint.low - offset) / slope, (joint.high - offset) / slope))
    within = f"limits {ends[0]:.4g} to {ends[1]:.4g} {unit}"
    if over:
        return data.finding(
            j, FAIL if over > FAR else WARN, "units.limits",
            f"{span}, {100 * over:.0f} % of the joint's travel beyond its limits", within,
            f"check zero and sign of {name}, and that profile {data.robot} fits",
        )  # fmt: skip
    return data.finding(j, PASS, "units", f"{span}, within {within}")
