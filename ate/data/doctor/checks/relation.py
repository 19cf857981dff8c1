"""Action against state: a copy, a lag, a change instead of a target, another scale, a turned sign, an offset."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.checks.gripper import commanded_both_ways
from ate.data.doctor.correlation import correlations
from ate.data.doctor.examined_set import CONSTANT_RANGE, ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.doctor.lags import Lags

# Share of the rows that must agree exactly for a copy: recorders leave out the last row at most.
COPIED = 0.98
# And a copy that was rounded or filtered lightly: a thousandth of the motion. No servo follows that closely.
ROUNDED = 1e-6
# Of slow motion from many places even commands are that close; those of the next step are as far off as a step is.
STEP = 0.5
# Correlations: above the first, commands and measurements are one quantity; below the second they are not.
SAME, ANOTHER = 0.9, 0.5
# A target of the same quantity has slope 1; servos that sag under gravity stay within a fifth.
SLOPE = 0.2
# And one that counts in the opposite sense has slope −1. Commands that shrink as a goal comes near have another one.
OPPOSITE = 0.5
# Degrees against radians, within a tenth.
DEGREE = 180 / np.pi
# Commands precede the motion they cause. Half a step of it may be lost to the order of recording.
LEAST_LAG = -0.5
# From a quarter of a second on, arms feel sluggish and a chunk begins with the past.
MOST_SECONDS = 0.25
# A joint whose lag differs from the others' by two steps was shifted on its own; pre-training lags likewise.
LAG_APART = 2.0
# The fit at the best lag must leave less than half of what it leaves at none.
BETTER = 0.5
# Resting offset, as a share of the joint's range from 1st to 99th percentile.
OFFSET = 0.05
# A joint commanded to hold still is moved a little by the others: by this many nearly constant ranges at most.
HELD = 3.0


def check(data: ExaminedSet) -> Iterator[Finding]:
    """One finding a joint, and one on the lag of all."""
    companion, other, lags = data.companion, data.facts.other, data.facts.lags
    if other is None:
        some = sum(item.has(companion) for item in data.episodes)
        level = WARN if some else PASS
        share = f"{companion!r} recorded in {some} of {len(data.episodes)} episodes"
        recorded = share if some else f"no {companion!r} recorded"
        yield Finding(
            level, "relation.missing" if some else "relation", "all joints", f"{recorded}: not compared",
            f"{companion!r} in all episodes or in none", "record it in all episodes" if some else "",
        )  # fmt: skip
        return
    if lags is None:
        yield _widths(data, companion, other)
        return
    if not lags.count:
        yield Finding(PASS, "relation", "all joints", "episodes too short to compare action with state")
        return
    yield from _swapped(data, other)
    close = []
    for j in range(len(data.names)):
        finding = _joint(data, j, lags, other) if data.moves[j] else None
        if finding is not None:
            yield finding
            if finding.level == PASS and not data.is_gripper(j):
                close.append(j)
    if close:
        yield from _lag(data, lags, np.array(close))


def _widths(data: ExaminedSet, other: str, values: np.ndarray) -> Finding:
    parts = (f"{data.episodes.source!r} has {len(data.names)} columns", f"{other!r} has {values.shape[1]}")
    state, command = (data.facts.rows, values) if data.episodes.source == "qpos" else (values, data.facts.rows)
    moving, notes = data.facts.steps if data.episodes.source == "qpos" else None, ""
    if moving is not None:
        rates = correlations(command, moving)
        best = np.nanmax(np.abs(rates), axis=1, initial=0)
        levels = np.nanmax(np.abs(correlations(command, state)), axis=1, initial=0)
        if np.median(best) > SAME and np.median(best) > np.median(levels):
            notes = "; they go with the joints' speeds"
    beyond = float((np.abs(command) > 1.0).any(axis=1).mean())
    if np.abs(command).max(initial=0) < 2.0:
        notes += f"; actions look normalised ({command.min():.3g} to {command.max():.3g}"
        notes += f", beyond [−1, 1] in {100 * beyond:.2g} % of the rows)" if beyond else ")"
    return Finding(
        WARN, "relation.widths", "all joints", f"{' and '.join(parts)}: not one quantity{notes}",
        "as many columns of action as of qpos, joint by joint",
        "align and guide on qpos; a policy that acts in these commands needs a set of its own columns",
    )  # fmt: skip


def _swapped(data: ExaminedSet, other: np.ndarray) -> Iterator[Finding]:
    """Columns of the action that follow another joint than the one they stand for."""
    from scipy.optimize import linear_sum_assignment

    state, command = data.facts.rows, other
    if data.episodes.source == "action":
        state, command = command, state
    tie = correlations(command, state)
    rows, columns = linear_sum_assignment(-np.abs(tie))
    for j, k in zip(rows, columns, strict=True):
        own, cross = abs(tie[j, j]), abs(tie[j, k])
        if j != k and data.moves[j] and data.moves[k] and cross > SAME and own < ANOTHER:
            yield data.finding(
                j, FAIL, "relation.swapped",
                f"the action of {data.names[j]} follows {data.names[k]} (correlation {cross:.2f}, with its own joint "
                f"{own:.2f})", "columns of action and qpos in one order", "reorder the columns of the action",
            )  # fmt: skip


def _joint(data: ExaminedSet, j: int, lags: Lags, other: np.ndarray) -> Finding:
    name, copy = data.names[j], _copied(data, j, lags, other)
    if copy is not None:
        return copy
    _, var_q, both = lags.moments
    correlation = lags.correlation[:, j]
    best = int(np.abs(correlation).argmax())
    r = float(correlation[best])
    slope = float(both[best, j] / var_q[best, j]) if var_q[best, j] > 0 else 0.0
    relation = f"action = {slope:.3g} · qpos (correlation {r:.2f})"
    if commanded_both_ways(data, j):
        # The check of grippers says what to do about it.
        return data.finding(j, PASS, "relation", relation)
    if data.is_gripper(j):
        return _gripper(data, j, relation, opposite=r < -SAME)
    if r < -SAME and abs(slope + 1) < OPPOSITE:
        return data.finding(
            j, FAIL, "relation.opposite", f"{relation}: action and state count in opposite senses",
            "one sense of rotation", f"negate {name} in one of them, after finding out which is right",
        )  # fmt: skip
    if r > ANOTHER and any(abs(slope / factor - 1) < 0.1 for factor in (DEGREE, 1 / DEGREE)):
        return data.finding(
            j, FAIL, "relation.degrees", f"{relation}: one is in degrees, the other in radians", "one unit",
            f"convert {name} of the series in degrees by π/180",
        )  # fmt: skip
    if r > SAME and abs(slope - 1) < SLOPE:
        return _offset(data, j, other, relation)
    return _unlike(data, j, other, relation, r)


def _gripper(data: ExaminedSet, j: int, relation: str, opposite: bool) -> Finding:
    """Many grippers are measured by how far they are open and commanded by how far they close: harmless in `qpos`."""
    if not opposite:
        return data.finding(j, PASS, "relation", relation)
    return data.finding(
        j, WARN if data.episodes.source == "qpos" else FAIL, "relation.opposite",
        f"{relation}: one counts how far the gripper is open, the other how far it is closed",
        "openings from 0 (closed) to 1 (open), commanded and measured",
        "find out which of them is 1 where it is open; the other is declared in a profile of the robot, which converts "
        "it (command_closed = 1, command_open = 0 where it is the command)",
    )  # fmt: skip


def _copied(data: ExaminedSet, j: int, lags: Lags, other: np.ndarray) -> Finding | None:
    equal = lags.equal[:, j]
    best = int(equal.argmax())
    k = int(lags.offsets[best])
    here, there = data.facts.rows[:, j].astype(np.float64), other[:, j].astype(np.float64)
    gap = float(np.nanmean((there - here) ** 2))
    close = gap < ROUNDED * here.var() and gap < (STEP * float(data.facts.usual[j])) ** 2
    # A joint that rests most of the time equals itself at every lag.
    if not data.is_gripper(j) and close:
        best, k = lags.most, 0
    elif equal[best] < COPIED or (k != 0 and equal[best] - np.median(equal) < 0.1) or data.is_gripper(j):
        return None
    if k == 0:
        return data.finding(
            j, FAIL, "relation.copy",
            f"action[t] = qpos[t]{' exactly' if equal[lags.most] >= COPIED else ' but for rounding'}: a copy",
            "commands that lead the motion",
            "record the commands; meanwhile use source qpos and do not train on action",
        )  # fmt: skip
    if k > 0:
        return data.finding(
            j, WARN, "relation.copy_ahead",
            f"action[t] = qpos[t + {k}] exactly: made from measurements {data.seconds(k)} later",
            "commands as they were sent",
            "usable as targets a step ahead; the commands sent to the controller stay unknown",
        )  # fmt: skip
    return data.finding(
        j, FAIL, "relation.copy_past", f"action[t] = qpos[t − {-k}] exactly: a copy of the past",
        "commands that lead the motion", f"shift the action by {-k} rows or more, or record the commands",
    )  # fmt: skip


def _offset(data: ExaminedSet, j: int, other: np.ndarray, relation: str) -> Finding:
    """On frames in which nothing moves, target and measurement should agree."""
    name = data.names[j]
    still = (np.abs(data.facts.steps) <= 0.1 * data.facts.usual).all(axis=1)
    span = float(data.facts.quantile(0.99)[j] - data.facts.quantile(0.01)[j])
    if still.sum() >= 20:
        gap = float(np.nanmedian((other[still, j] - data.facts.rows[still, j]).astype(np.float64)))
        gap = gap if data.episodes.source == "qpos" else -gap
        if abs(gap) > max(OFFSET * span, 1e-3):
            return data.finding(
                j, WARN, "relation.offset",
                f"{relation}; at rest the action is {gap:+.3g} {data.unit(j)} off the state ({int(still.sum())} rows)",
                f"less than {OFFSET * span:.2g}", f"check the zero of {name}: gravity droop, or two calibrations",
            )  # fmt: skip
    return data.finding(j, PASS, "relation", relation)


def _unlike(data: ExaminedSet, j: int, other: np.ndarray, relation: str, r: float) -> Finding:
    if data.episodes.source == "qpos":
        change = correlations(other[:, [j]], data.facts.steps[:, [j]])[0, 0]
        # With one goal for all episodes, changes go against positions as well.
        if abs(change) > max(r, 0.7):
            return data.finding(
                j, WARN, "relation.delta",
                f"the action follows the change of the joint (correlation {change:.2f}, with its position {r:.2f}): "
                "a delta or a speed", "absolute targets",
                "use source qpos, or add the action to the position before use",
            )  # fmt: skip
    spans = [float(np.ptp(np.nanquantile(v[:, j], [0.01, 0.99]))) for v in (data.facts.rows, other)]
    near = float(data.near_ranges[j])
    if min(spans) < near and max(spans) < HELD * near:
        return data.finding(
            j, PASS, "relation", f"held: the action stays within {spans[1]:.2g}, the state within {spans[0]:.2g}"
        )
    if spans[1] < CONSTANT_RANGE:
        relation = f"the action stands at {float(np.nanmedian(other[:, j])):.4g} while the state moves"
    return data.finding(
        j, WARN, "relation.scale" if r > ANOTHER else "relation.unrelated",
        f"{relation}: action {'on another scale than' if r > ANOTHER else 'does not follow from'} state "
        f"(ranges {spans[1]:.3g} and {spans[0]:.3g})", "targets in the units of the state",
        "find out what the controller does with it; align and guide on qpos",
    )  # fmt: skip


def _lag(data: ExaminedSet, lags: Lags, close: np.ndarray) -> Iterator[Finding]:
    best = lags.best()[close]
    misfit = 1 - lags.correlation[:, close] ** 2
    # A joint that creeps fits at any lag: no evidence.
    sharp = misfit.min(0) < BETTER * np.minimum(misfit[0], misfit[-1])
    if not sharp.any():
        yield Finding(PASS, "lag", "all joints", "motion too slow to measure a lag")
        return
    close, best = close[sharp], best[sharp]
    middle = float(np.median(best))
    for j, lag in zip(close, best, strict=True):
        if abs(lag - middle) > LAG_APART:
            yield data.finding(
                j, FAIL, "lag.one_joint",
                f"measurements follow the action by {data.seconds(float(lag))}, those of the other joints by "
                f"{data.seconds(middle)}", "one lag for all joints",
                f"shift the action of {data.names[j]} by "
                f"{round(middle - lag):+d} rows",
            )  # fmt: skip
    yield _common(data, middle, [data.names[j] for j in close])


def _common(data: ExaminedSet, middle: float, names: list[str]) -> Finding:
    subject = listed(names)
    got = f"measurements follow the action by {data.seconds(middle)} (median of {len(names)} joints)"
    usual = [_middle(other) for other in data.against]
    known = [(lag, rate) for lag, rate in usual if lag is not None]
    rate = data.episodes.rate_hz or 20.0
    if middle < LEAST_LAG:
        return Finding(
            FAIL, "lag.backwards", subject,
            f"the action comes {data.seconds(-middle)} after the motion it should cause",
            "action[t] sent at row t, followed by the motion",
            f"shift the action earlier by {round(-middle) + 1} rows or more, or use source qpos",
        )  # fmt: skip
    if known:
        own = float(np.median([lag * rate / (r or rate) for lag, r in known]))
        if abs(own - middle) > LAG_APART / 2:
            # Another robot may well have another delay.
            same = any(set(names) & set(other.names) for other in data.against)
            return Finding(
                FAIL if same and abs(own - middle) > LAG_APART else WARN, "lag.pretrain", subject,
                f"{got}; in the pre-training set by {data.seconds(own)}", "the same lag in both",
                f"shift the action by {round(own - middle):+d} rows (− is earlier)",
            )  # fmt: skip
    if middle > max(MOST_SECONDS * rate, 3.0):
        return Finding(
            WARN, "lag.long", subject, got, f"at most {MOST_SECONDS} s",
            "check clocks and the order of recording; shift the action later if it was stamped too early",
        )  # fmt: skip
    if abs(middle) < -LEAST_LAG:
        return Finding(
            WARN, "lag.none", subject, f"no lag between action and measurement ({data.seconds(middle)})",
            "measurements that follow commands by a step or more",
            "check that the action is the command sent at that row, not the measurement after it was filtered",
        )  # fmt: skip
    return Finding(PASS, "lag", subject, got)


def _middle(data: ExaminedSet) -> tuple[float | None, float | None]:
    """The median lag of a pre-training set and its rate."""
    if data.facts.lags is None or not data.facts.lags.count:
        return None, None
    good = data.moves & (data.facts.lags.correlation.max(0) > SAME)
    good &= np.array([not data.is_gripper(j) for j in range(len(data.names))])
    return (float(np.median(data.facts.lags.best()[good])), data.episodes.rate_hz) if good.any() else (None, None)
