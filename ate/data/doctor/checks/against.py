"""Against the pre-training sets: signs, swapped columns, scales, what moves here and not there, ranges and rates."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.case import Case
from ate.data.doctor.checks.pairs import Pair, distance, pairs
from ate.data.doctor.checks.swaps import swaps
from ate.data.doctor.report import FAIL, PASS, WARN, Finding

# The mirrored distribution must fit this much better than the plain one, and the mean motion run backwards.
MIRRORED, BACKWARDS = 0.5, -0.6
# Where the two lie further apart than the joint ever moves and the mirror image fits ten times better, motion need not
# tell.
CERTAIN = 0.1
# Ratios of spreads within a quarter of 57.3, 100 or 1000 are units.
RATIO_SLACK = 0.25
RATIOS = {180 / np.pi: "degrees for radians", 100.0: "per cent for fractions", 1000.0: "mm for m"}
# Half of the rows outside of 98 % of the other set: another pose or another task, if the robot is the same.
OUTSIDE = 0.5


def check(case: Case) -> Iterator[Finding]:
    """Nothing without a pre-training set."""
    if not case.against:
        return
    yield from _rates(case)
    yield from _sources(case)
    found = pairs(case)
    crossed = list(swaps(case, found))
    yield from crossed
    named = {finding.joint for finding in crossed}
    for pair in found:
        if case.names[pair.joint] not in named:
            yield from _pair(case, pair)
    yield from _worst(case, found)


def _rates(case: Case) -> Iterator[Finding]:
    own = case.episodes.rate_hz
    for other in case.against:
        rate = other.episodes.rate_hz
        if own and rate and abs(own - rate) > 0.05 * max(own, rate):
            yield Finding(
                FAIL, "against: rate", "all episodes", f"{own:g} Hz here, {rate:g} Hz in {other.path}", "one rate",
                f"resample to {rate:g} Hz: a chunk of {case.horizon} steps would be another motion",
            )  # fmt: skip
            return
    yield Finding(PASS, "against: rate", "all episodes", f"{own:g} Hz in both" if own else "no rate to compare")


def _sources(case: Case) -> Iterator[Finding]:
    for other in case.against:
        if other.episodes.source != case.episodes.source:
            yield Finding(
                FAIL, "against: source", "all joints",
                f"{case.episodes.source!r} here, {other.episodes.source!r} in {other.path}", "one source",
                "read both with the same --source: latents of measurements and of commands are not comparable",
            )  # fmt: skip
            return


def _pair(case: Case, pair: Pair) -> Iterator[Finding]:
    name = case.names[pair.joint]
    moves, moved = pair.spread > pair.least, pair.other_spread > pair.least
    if moves != moved:
        yield _one_moves(case, pair, moves)
        return
    if not moves:
        gap = abs(float(np.median(pair.own) - np.median(pair.other)))
        if gap > pair.least and pair.named:
            yield Finding(
                FAIL, "against: constant", name,
                f"constant at {np.median(pair.own):.4g} here, at {np.median(pair.other):.4g} in the pre-training set",
                "one constant", f"find out why {name} stands elsewhere; a network never saw it move", joint=name,
            )  # fmt: skip
        return
    turned = _turned(case, pair)
    scaled = _scaled(pair, name)
    if turned is not None:
        yield turned
    elif scaled is not None:
        yield scaled
    else:
        judged = "like the pre-training set" if pair.named else "not judged, no joint of that name was pre-trained on"
        yield Finding(
            PASS, "against: sign", name, f"{judged}: correlation of mean motions {pair.together:+.2f}", joint=name
        )


def _one_moves(case: Case, pair: Pair, moves: bool) -> Finding:
    name = case.names[pair.joint]
    here, there = f"moves by {pair.spread:.3g}", f"constant at {np.median(pair.other):.4g}"
    if not moves:
        here, there = f"constant at {np.median(pair.own):.4g}", f"moves by {pair.other_spread:.3g}"
    effect = (
        "it normalises to exactly 0 there: every deviation here is lost" if moves
        else "guidance would pull it towards motions this robot never makes"
    )  # fmt: skip
    return Finding(
        FAIL if pair.named else WARN, "against: constant", name, f"{here} here, {there} in the pre-training set",
        "moving in both or in neither", f"record {name} in both, or leave it out of both: {effect}", joint=name,
    )  # fmt: skip


def _turned(case: Case, pair: Pair) -> Finding | None:
    """A mirrored joint: its distribution and its mean motion are the negative of the other's."""
    gripper = case.is_gripper(pair.joint)
    # Signs of unlike robots' joints mean nothing; openings of grippers do.
    if not (pair.named or gripper):
        return None
    mirror = (1.0 - pair.own) if gripper else -pair.own
    plain, mirrored = distance(pair.own, pair.other), distance(mirror, pair.other)
    name = case.names[pair.joint]
    turns = [] if gripper else [distance(pair.own + turn, pair.other) for turn in (-2 * np.pi, 2 * np.pi)]
    if turns and min(turns) < CERTAIN * plain and min(turns) < mirrored:
        return Finding(
            FAIL, "against: sign", name,
            f"a full turn off: {plain:.3g} {case.unit(pair.joint)} from the pre-training set, {min(turns):.3g} "
            "after a turn", "one count of turns in both sets",
            f"{'subtract 2π from' if turns[0] < turns[1] else 'add 2π to'} {name} here",
            joint=name,
        )  # fmt: skip
    backwards = mirrored < MIRRORED * plain and pair.together < BACKWARDS
    if not (backwards or (mirrored < CERTAIN * plain and plain > pair.other_spread)):
        return None
    what = "inverted" if gripper else "turned round"
    fix = f"replace {name} by 1 − {name}" if gripper else f"negate {name}"
    return Finding(
        FAIL, "gripper" if gripper else "against: sign", name,
        f"{what}: its mirror image is {mirrored:.3g} from the pre-training set, it itself {plain:.3g}; mean motions "
        f"correlate at {pair.together:+.2f} (median start {pair.start:.2f} here, {pair.other_start:.2f} there)",
        "one sense in both sets", f"{fix} here, or declare it in a profile", joint=name,
    )  # fmt: skip


def _scaled(pair: Pair, name: str) -> Finding | None:
    if not pair.named:
        return None
    ratio = pair.spread / pair.other_spread
    for factor, said in RATIOS.items():
        for size, where in ((factor, "here"), (1 / factor, "in the pre-training set")):
            if abs(ratio / size - 1) < RATIO_SLACK:
                return Finding(
                    FAIL, "units", name, f"ranges {ratio:.3g} times those of the pre-training set: {said} {where}",
                    "one unit in both", f"divide {name} by {size:.4g} here", joint=name,
                )  # fmt: skip
    return None


def _worst(case: Case, found: list[Pair]) -> Iterator[Finding]:
    """Share of rows outside of the pre-training set's 1–99 % range; the joint where it is largest."""
    shares = {case.names[pair.joint]: _outside(pair) for pair in found if pair.other_spread > pair.least}
    if not shares:
        return
    worst = max(shares, key=lambda name: shares[name])
    same = all(pair.named or case.is_gripper(pair.joint) for pair in found)
    said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in sorted(shares.items(), key=lambda x: -x[1]))
    if same and shares[worst] > OUTSIDE:
        yield Finding(
            WARN, "against: range", worst, f"rows outside of the pre-training set's 1–99 % range: {said}",
            f"at most {100 * OUTSIDE:.0f} %", f"check unit, zero and task of {worst}; networks extrapolate there",
            joint=worst,
        )  # fmt: skip
    else:
        why = "" if same else " (joints of unlike robots, put beside each other by slot)"
        yield Finding(PASS, "against: range", worst, f"rows outside of the 1–99 % range: {said}{why}", joint=worst)


def _outside(pair: Pair) -> float:
    low, high = np.quantile(pair.other, [0.01, 0.99])
    return float(((pair.own < low) | (pair.own > high)).mean())
