"""Grippers: their range, which way they open, and whether they know more than two positions."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

# Openings are fractions; drives overshoot by a few per cent.
SLACK = 0.1
# Up to this share of the stroke beyond its ends is another gripper or another zero, not another unit.
OVERSHOOT = 0.5
# Fingers that slide less than this are recorded in metres.
FINGER_METRES = 0.15
# Fingers, and motors that drive them, turn by less than half a turn either way.
TURNING = np.pi
# "Open" and "closed": the outer fifths of what the gripper does.
OUTER = 0.2
# Shares of the episodes that must agree.
MOST, BINARY = 0.9, 0.99
# Openings differ by more than this between reaching and carrying where phases tell.
CLEAR = 0.2
REACHING, HOLDING = ("reach", "approach", "descend"), ("lift", "carry", "transport", "lower")


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Range and polarity of each gripper's column."""
    for j in range(len(data.names)):
        if data.is_gripper(j) and _finger(data, j):
            low, high = data.facts.low[j], data.facts.high[j]
            yield data.finding(j, PASS, "gripper", f"a finger, {low:.4g} to {high:.4g}")
        elif data.is_gripper(j):
            commands = _commands(data, j)
            # A measurement between −1 and 1 is named by that check already.
            own = counts_both_ways(data.facts.rows[:, j])
            out_of_range = [*commands, *([] if own else _range(data, j))]
            yield from out_of_range
            if not out_of_range and data.moves[j]:
                yield _polarity(data, j)
        elif commanded_both_ways(data, j):
            yield from _commands(data, j)


def _finger(data: ExaminedSet, j: int) -> bool:
    """Whether a column is one finger of a hand, whose open and closed positions are unknown."""
    joint, role = data.joints[j], data.roles[j]
    if joint is not None:
        return joint.quantity != "fraction"
    same = sum(other is not None and role is not None and (other.arm, other.part) == (role.arm, role.part)
               for other in data.roles)  # fmt: skip
    return same > 2


def opening(data: ExaminedSet, j: int, values: np.ndarray) -> np.ndarray:
    """Recorded values as fractions of opening where the profile says how, else as they are."""
    joint = data.joints[j]
    slope, offset = (1.0, 0.0) if joint is None or joint.quantity != "fraction" else joint.affine
    return values.astype(np.float64) * slope + offset


def counts_both_ways(values: np.ndarray) -> bool:
    """Whether a gripper's values `(n,)` are commands between −1 and 1, as simulators give them, and no opening."""
    known = values[np.isfinite(values)]
    if not len(known) or np.abs(known).max() > 1 + SLACK or known.min() > -1 + SLACK:
        return False
    return bool(known.max() > 1 - SLACK or (known < -1 + SLACK).mean() > MOST)


def commanded_both_ways(data: ExaminedSet, j: int) -> bool:
    """Whether a gripper is measured as an opening and commanded between −1 and 1, or the other way round."""
    other = data.facts.other
    if other is None or other.shape[1] != len(data.names):
        return False
    pair = data.facts.rows[:, j], other[:, j]
    both = [counts_both_ways(values) for values in pair]
    if data.is_gripper(j) or both[0] == both[1]:
        return both[0] != both[1]
    # A column whose name says nothing is a gripper's if it knows −1 and 1 alone and is measured as an opening.
    command, opening_of = pair if both[0] else pair[::-1]
    known = opening_of[np.isfinite(opening_of)]
    two = (np.abs(np.abs(command[np.isfinite(command)]) - 1) < SLACK).mean() > BINARY
    return bool(data.roles[j] is None and two and known.min() > -SLACK and known.max() < 1 + SLACK)


def _commands(data: ExaminedSet, j: int) -> list[Finding]:
    """A gripper that is commanded, or measured, between −1 and 1; empty where it is not."""
    rows, other = data.facts.rows[:, j], data.facts.other
    own, both = counts_both_ways(rows), commanded_both_ways(data, j)
    if not own and not both:
        return []
    subject = "command" if both or data.episodes.source == "action" else "measurement"
    words, ends = "between −1 and +1, which of them closes is not known", "closed = …, open = … (1 and -1 of robosuite)"
    if both and other is not None:
        keep = np.isfinite(other[:, j])
        closes = bool(np.cov(rows[keep], other[keep, j])[0, 1] < 0)
        words = f"−1/+1 with {'+1 closing (robosuite)' if closes else '+1 opening'}: action = "
        words += "1 − 2·opening" if closes else "2·opening − 1"
        ends = f"command_closed = {1 if closes else -1}, command_open = {-1 if closes else 1}"
    measured = f"; the measured column {_as_it_is(data, j, own)}" if both else ""
    return [
        data.finding(
            j, FAIL if own else WARN, "gripper.command", f"the {subject} is {words}{measured}",
            "an opening from 0 (closed) to 1 (open), commanded and measured",
            f"declare it in a profile of the robot, which converts it: {ends}"
            + ("" if own else "; source qpos does not use the commands"),
        )
    ]  # fmt: skip


def _as_it_is(data: ExaminedSet, j: int, own: bool) -> str:
    """What is to be done with the column that is measured where the other one is commanded between −1 and 1."""
    other = data.facts.other
    values = other[:, j] if own and other is not None else data.facts.rows[:, j]
    largest = float(np.nanmax(np.abs(values)))
    if largest < FINGER_METRES:
        return f"goes up to {largest:.3g} and looks like metres of a finger, to be declared as well"
    if largest > 1 + SLACK:
        return f"goes up to {largest:.3g}, no opening, and is to be declared as well"
    return "is an opening and stays as it is"


def _range(data: ExaminedSet, j: int) -> Iterator[Finding]:
    joint = data.joints[j]
    low, high = data.facts.low[j], data.facts.high[j]
    span = f"{low:.4g} to {high:.4g}"
    ends = np.sort(opening(data, j, np.array([low, high])))
    if ends[0] >= -SLACK and ends[1] <= 1 + SLACK:
        slides = high < FINGER_METRES and low > -FINGER_METRES and high - low > 0
        # A profile that counts openings is contradicted where commands go to both ends and these values do not.
        declared = joint is not None and commanded_both_ways(data, j)
        if slides and (declared or (joint is None and data.moves[j])):
            yield data.finding(
                j, FAIL if declared else WARN, "gripper.metres", f"{span}: looks like metres of a finger",
                f"an opening from 0 (closed) to 1 (open){f', as profile {data.robot} declares' if declared else ''}",
                f"declare its ends in the profile (closed = {low:.3g}, open = {high:.3g}), which converts it"
                if declared else "name the robot's profile (--robot), which says where the fingers are open",
            )  # fmt: skip
        return
    if joint is None and low > -TURNING and high < TURNING:
        yield data.finding(
            j, WARN, "gripper.angle", f"{span}: looks like an angle of a finger",
            "an opening from 0 (closed) to 1 (open)",
            "name a profile that declares closed and open (--robot); a hand of many fingers may stay as it is",
        )  # fmt: skip
        return
    if joint is not None and joint.closed is not None and max(-ends[0], ends[1] - 1) < OVERSHOOT:
        yield data.finding(
            j, WARN, "gripper.overshoot",
            f"{span}: {100 * max(-ends[0], ends[1] - 1):.0f} % of the stroke beyond its ends",
            f"{joint.closed:g} (closed) to {joint.open:g} (open), as profile {data.robot} "
            "declares", "check that the profile is this gripper's; write one with its real ends if not",
        )  # fmt: skip
        return
    hundred = TURNING < high <= 100 * (1 + SLACK) and low >= -SLACK * high
    factor = "0–100, per cent" if hundred else "ticks, degrees or mm"
    expected = "an opening from 0 (closed) to 1 (open)"
    if joint is not None:
        ends_of = f"{joint.closed:g} (closed) to {joint.open:g} (open)" if joint.closed is not None else "0 to 1"
        expected = f"{ends_of}, as profile {data.robot} declares"
    fix = "divide by 100" if hundred else "scale it to an opening"
    yield data.finding(
        j, FAIL, "gripper.percent" if hundred else "gripper.scale", f"{span}: {factor}", expected,
        f'{fix}, or declare it in a profile (closed = …, open = …) and name that with --robot',
    )  # fmt: skip


def _polarity(data: ExaminedSet, j: int) -> Finding:
    name = data.names[j]
    values = opening(data, j, data.facts.rows[:, j])
    low, high = values.min(), values.max()
    courses = np.array([opening(data, j, item.course[:, j]) for item in data.facts.summaries])
    span = max(high - low, 1e-9)
    starts = (courses[:, 0] - low) / span
    binary = np.minimum(values - low, high - values) < 0.02 * span
    kind = ", two positions only" if binary.mean() > BINARY else ""
    openings = _phases(data, values)
    if openings is not None and openings[1] > openings[0] + CLEAR:
        return data.finding(
            j, FAIL, "gripper.inverted",
            f"opening {openings[0]:.2f} while reaching and {openings[1]:.2f} while holding: inverted{kind}",
            "open (1) before the grasp, closed (0) after it", _turn(name),
        )  # fmt: skip
    stalled = _stalls(data, j, values)
    if stalled is not None:
        return data.finding(
            j, FAIL, "gripper.inverted", stalled, "an object to stop it short of closed (0), never short of open (1)",
            _turn(name),
        )  # fmt: skip
    if (
        openings is None
        and (starts < OUTER).mean() > MOST
        and (courses.max(axis=1) - courses[:, 0] > span / 2).mean() > MOST
    ):
        return data.finding(
            j, WARN, "gripper.starts_closed",
            f"starts closed in {100 * (starts < OUTER).mean():.0f} % of the episodes and opens then: may be "
            f"inverted{kind}", "open (1) at the start of a grasp", f"look at one episode: {_turn(name)}",
        )  # fmt: skip
    end = "open" if np.median(starts) > 0.5 else "closed"
    return data.finding(j, PASS, "gripper", f"opening {low:.2f} to {high:.2f}, starts {end}{kind}")


def _turn(name: str) -> str:
    return f"if it is, replace {name} by 1 − {name}, or declare closed and open the other way round in a profile"


def _phases(data: ExaminedSet, values: np.ndarray) -> tuple[float, float] | None:
    """Median opening while reaching and while holding, where the files name such phases."""
    names = [str(name).lower() for name in data.episodes[0].attributes.get("phase_names", ())]
    if data.facts.phase is None or not names:
        return None
    groups = []
    for wanted in (REACHING, HOLDING):
        rows = np.isin(data.facts.phase, [i for i, name in enumerate(names) if name in wanted])
        if not rows.any():
            return None
        groups.append(float(np.median(values[rows])))
    return groups[0], groups[1]


def _stalls(data: ExaminedSet, j: int, values: np.ndarray) -> str | None:
    """Commanded to one end and stopped short of it by an object: that end is the closed one."""
    if data.facts.lags is None or data.facts.other is None:
        return None
    other = opening(data, j, data.facts.other[:, j])
    state, command = (values, other) if data.episodes.source == "qpos" else (other, values)
    still = np.abs(data.facts.steps[:, j]) < 0.005 * max(np.ptp(data.facts.rows[:, j]), 1e-9)
    gaps = []
    for end in (0.0, 1.0):
        rows = still & (np.abs(command - end) < 0.02)
        gaps.append(float(np.median(np.abs(state[rows] - end))) if rows.sum() >= 20 else np.nan)
    if gaps[1] > CLEAR and not gaps[0] > 0.05:
        return f"commanded to 1 it rests at {1 - gaps[1]:.2f}, commanded to 0 it gets there: inverted"
    return None
