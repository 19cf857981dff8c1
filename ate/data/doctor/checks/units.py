"""Units: ranges against the limits of the joints, speeds against what arms can do, whole numbers of servos."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ate.data.doctor.examined_set import NEAR, ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

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
# LeRobot clips to −100 and 100 per cent of the calibrated range; float32 keeps them this well.
PERCENT, EXACT = 100.0, 1e-4
# Joints that LeRobot names so, or arms that it calls so, come in degrees or in per cent, and values do not tell which.
LEROBOT = ".pos"
# Values are whole numbers within this, after a conversion and back.
WHOLE = 2e-3
# Episodes that reach this many times as far as the median one are in another unit by themselves.
FEW = 10.0


def check(data: ExaminedSet) -> Iterator[Finding]:
    """One finding a joint of the arm; grippers are checked on their own."""
    suspects = _suspects(data)
    arm = [j for j in range(len(data.names)) if data.is_angle(j)]
    # A joint that happens to stay within a few degrees looks like radians: the other joints decide.
    all_degrees = _mostly_degrees(data, suspects)
    for j in arm:
        kind = suspects.get(j, "")
        if not kind and all_degrees and _expected(data, j) == "rad" and data.moves[j]:
            kind = "degrees by the others"
        yield _wrong(data, j, kind) if kind else _limits(data, j)


def _mostly_degrees(data: ExaminedSet, suspects: dict[int, str]) -> bool:
    """Whether most of the arm's joints that move look like degrees."""
    arm = [j for j in range(len(data.names)) if data.is_angle(j)]
    return sum(suspects.get(j) == "degrees" for j in arm) > 0.5 * sum(data.moves[j] for j in arm)


def _expected(data: ExaminedSet, j: int) -> str:
    joint = data.joints[j]
    return "rad" if joint is None else joint.unit


def _suspects(data: ExaminedSet) -> dict[int, str]:
    suspects: dict[int, str] = {}
    low, high = data.facts.low, data.facts.high
    rows = data.recorded(data.facts.rows)
    whole = (np.abs(rows - np.round(rows)) < WHOLE).all(axis=0)
    first, last = rows.min(axis=0), rows.max(axis=0)
    speed = np.quantile(np.abs(data.facts.steps), 0.95, axis=0) * (data.episodes.rate_hz or 0.0)
    quaternions = data.facts.quaternions.get(data.episodes.source)
    turning = {start + i for start in (quaternions.starts if quaternions is not None else []) for i in range(4)}
    for j, joint in enumerate(data.joints):
        size, unit = max(-low[j], high[j]), _expected(data, j)
        wrapped = data.facts.wrapped.get(j)
        if size <= 1e-3 or not data.is_angle(j) or j in turning or (wrapped is not None and wrapped.turn < 7):
            # What wraps at 2π is in radians.
            continue
        declared = data.declared[j]
        counted = whole[j] and first[j] >= -WHOLE and last[j] - first[j] > 10 and last[j] > 180
        if counted and unit != "ticks" and (declared is None or declared.unit != "ticks"):
            suspects[j] = "ticks"
        elif declared is not None:
            # What was converted and lies nowhere near the joint's travel was recorded in something else.
            if _turns_off(data, j):
                suspects[j] = "turn"
            elif size > MOST_RADIANS or _outside(data, j, 1.0) > 1:
                suspects[j] = "declared"
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
    return suspects | _declared_degrees(data, rows) | _percent(data, rows, suspects)


def _declared_degrees(data: ExaminedSet, rows: np.ndarray) -> dict[int, str]:
    """Joints that were declared in degrees, where all of them together stay within ± 6.3: radians."""
    degrees = [j for j, joint in enumerate(data.declared) if joint is not None and joint.unit == "deg"]
    if not degrees or np.abs(rows[:, degrees]).max() > TURN:
        return {}
    # Such degrees are no motion worth recording; standing still they tell nothing.
    moves = (np.quantile(rows[:, degrees], 0.99, axis=0) - np.quantile(rows[:, degrees], 0.01, axis=0)) > NEAR["rad"]
    return dict.fromkeys(degrees, "radians") if moves.any() else {}


def _percent(data: ExaminedSet, rows: np.ndarray, suspects: dict[int, str]) -> dict[int, str]:
    """Joints in degrees, declared or apparent, that all stay within ± 100 and of which some touch 100 exactly."""
    arm = [j for j, joint in enumerate(data.declared) if joint is not None and joint.unit == "deg"]
    if not arm and (_mostly_degrees(data, suspects) or (data.profile is None and "degrees" in suspects.values())):
        arm = [j for j in range(len(data.names)) if data.moves[j] and _expected(data, j) == "rad"
               and data.is_angle(j)]  # fmt: skip
    size = np.abs(rows[:, arm]).max(axis=0, initial=0.0)
    if not len(arm) or (size > PERCENT + EXACT).any() or not (size > PERCENT - EXACT).any():
        return {}
    grippers = [j for j in range(len(data.names)) if data.is_gripper(j)]
    hundred = all(rows[:, j].min() >= -WHOLE and rows[:, j].max() <= PERCENT * (1 + WHOLE) for j in grippers)
    return dict.fromkeys(arm, "percent") if hundred else {}


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
    if kind == "percent":
        return _percent_finding(data, j)
    limits = f"{joint.low:.3g} to {joint.high:.3g} rad" if joint is not None and joint.low is not None else ""
    expected = f"radians within {limits}" if limits else f"radians, at most ± {MOST_RADIANS:.1f}"
    declare = "or name a profile that declares it (--robot)"
    span = f"{low:.4g} to {high:.4g}"
    if data.declared[j] is not None:
        ends = data.recorded(np.stack([data.facts.low, data.facts.high]))[:, j]
        span = f"{ends.min():.4g} to {ends.max():.4g}"
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
            "degrees, as declared",
            'declare rad: name a profile whose unit is rad, or write the attribute units = "rad" into the files',
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
    elif kind == "declared":
        return data.finding(
            j, FAIL, "units.declared",
            f"{span}: from {_declared_unit(data, j)}, as declared, {low:.4g} to {high:.4g} rad", expected,
            f"find out what {name} is recorded in, and declare that in a profile",
        )  # fmt: skip
    else:
        return data.finding(
            j, FAIL, "units.unknown", f"{span}: neither radians nor degrees", expected,
            f"find out what {name} is recorded in and convert it, {declare}",
        )  # fmt: skip
    advice = f'multiply {name} by π/180, {declare}: unit = "{fix}"'
    if name.endswith(LEROBOT) and max(-low, high) <= PERCENT + EXACT:
        got = f"{span}: degrees, or LeRobot's −100…100 (use_degrees=False)"
        advice = f"{advice}; of −100…100 name the arm's calibration file instead: --robot follower.json"
    return data.finding(j, FAIL, "units.degrees", got, expected, advice)


def _percent_finding(data: ExaminedSet, j: int) -> Finding:
    """Degrees or per cent of the calibrated range, with the rows that speak for the latter."""
    rows = data.recorded(data.facts.rows)
    at = {name: int((np.abs(np.abs(rows[:, k]) - PERCENT) < EXACT).sum()) for k, name in enumerate(data.names)
          if not data.is_gripper(k)}  # fmt: skip
    touched = listed([f"{name} {count}" for name, count in at.items() if count])
    return data.finding(
        j, FAIL, "units.percent",
        f"within ±100: degrees or LeRobot's −100…100 (use_degrees=False); the two cannot be told apart by "
        f"values alone, but of {len(rows):,} rows these are at exactly ±100: {touched}",
        "radians, or a declared unit that can be converted",
        "name the arm's calibration file (--robot follower.json), or a profile with unit = \"range\", at_minus_100 and "
        "at_100: radians need each joint's calibrated range. If they are degrees that were clipped, multiply by π/180",
    )  # fmt: skip


def _declared_unit(data: ExaminedSet, j: int) -> str:
    joint = data.declared[j]
    return "" if joint is None else joint.unit


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
