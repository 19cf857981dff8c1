"""Against the pre-training sets: signs, swapped columns, scales, what moves here and not there, ranges and rates."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.checks.distances import distance, outside
from ate.data.doctor.checks.pairs import Pair, pairs, swaps
from ate.data.doctor.examined_set import ExaminedSet
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

# The mirrored distribution must fit this much better than the plain one, and the mean motion run backwards.
MIRRORED, BACKWARDS = 0.5, -0.6
# Where the two lie further apart than the joint ever moves and the mirror image fits ten times better, motion is not
# needed as evidence.
CERTAIN = 0.1
# Ratios of spreads within a quarter of 57.3, 100 or 1000 are units.
RATIO_SLACK = 0.25
RATIOS = {180 / np.pi: "degrees for radians", 100.0: "per cent for fractions", 1000.0: "mm for m"}
# Half of the rows outside of 98 % of the other set: another pose or another task, if the robot is the same.
OUTSIDE = 0.5


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Nothing without a pre-training set."""
    if not data.against:
        return
    yield from _rates(data)
    yield from _sources(data)
    paired = pairs(data)
    swapped = list(swaps(data, paired))
    yield from swapped
    named = {finding.joint for finding in swapped}
    for pair in paired:
        if data.names[pair.joint] not in named:
            yield from _pair(data, pair)
    yield from _worst(data, paired)


def _rates(data: ExaminedSet) -> Iterator[Finding]:
    own = data.episodes.rate_hz
    for other in data.against:
        rate = other.episodes.rate_hz
        if own and rate and abs(own - rate) > 0.05 * max(own, rate):
            yield Finding(
                FAIL, "against_rate.differs", "all episodes", f"{own:g} Hz here, {rate:g} Hz in {other.path}",
                "one rate", f"ate convert --rate {rate:g}: a chunk of {data.horizon} steps would be another motion",
            )  # fmt: skip
            return
    yield Finding(PASS, "against_rate", "all episodes", f"{own:g} Hz in both" if own else "no rate to compare")


def _sources(data: ExaminedSet) -> Iterator[Finding]:
    for other in data.against:
        if other.episodes.source != data.episodes.source:
            yield Finding(
                FAIL, "against_source.differs", "all joints",
                f"{data.episodes.source!r} here, {other.episodes.source!r} in {other.path}", "one source",
                "read both with the same --source: latents of measurements and of commands are not comparable",
            )  # fmt: skip
            return


def _pair(data: ExaminedSet, pair: Pair) -> Iterator[Finding]:
    name = data.names[pair.joint]
    moves, moved = pair.spread > pair.least, pair.other_spread > pair.least
    if moves != moved:
        yield _one_moves(data, pair, moves)
        return
    if not moves:
        gap = abs(float(np.median(pair.own) - np.median(pair.other)))
        if gap > pair.least and pair.named:
            yield data.finding(
                pair.joint, FAIL, "against_constant.elsewhere",
                f"constant at {np.median(pair.own):.4g} here, at {np.median(pair.other):.4g} in the pre-training set",
                "one constant", f"find out why {name} stands elsewhere; a network never saw it move",
            )  # fmt: skip
        return
    wrong = _turned(data, pair) or _scaled(data, pair)
    if wrong is not None:
        yield wrong
    else:
        judged = "like the pre-training set" if pair.named else "not judged, no joint of that name was pre-trained on"
        yield data.finding(
            pair.joint, PASS, "against_sign", f"{judged}: correlation of mean motions {pair.together:+.2f}"
        )


def _one_moves(data: ExaminedSet, pair: Pair, moves: bool) -> Finding:
    name = data.names[pair.joint]
    here, there = f"moves by {pair.spread:.3g}", f"constant at {np.median(pair.other):.4g}"
    if not moves:
        here, there = f"constant at {np.median(pair.own):.4g}", f"moves by {pair.other_spread:.3g}"
    effect = (
        "it normalises to exactly 0 there: every deviation here is lost" if moves
        else "guidance would pull it towards motions this robot never makes"
    )  # fmt: skip
    return data.finding(
        pair.joint, FAIL if pair.named else WARN, "against_constant.one_moves",
        f"{here} here, {there} in the pre-training set", "moving in both or in neither",
        f"record {name} in both, or leave it out of both: {effect}",
    )  # fmt: skip


def _turned(data: ExaminedSet, pair: Pair) -> Finding | None:
    """A mirrored joint: its distribution and its mean motion are the negative of the other's."""
    gripper = data.is_gripper(pair.joint)
    # Signs of unlike robots' joints mean nothing; openings of grippers do.
    if not (pair.named or gripper):
        return None
    mirror = (1.0 - pair.own) if gripper else -pair.own
    plain, mirrored = distance(pair.own, pair.other), distance(mirror, pair.other)
    name = data.names[pair.joint]
    turns = [] if gripper else [distance(pair.own + turn, pair.other) for turn in (-2 * np.pi, 2 * np.pi)]
    if turns and min(turns) < CERTAIN * plain and min(turns) < mirrored:
        return data.finding(
            pair.joint, FAIL, "against_sign.turn",
            f"a full turn off: {plain:.3g} {data.unit(pair.joint)} from the pre-training set, {min(turns):.3g} "
            "after a turn", "one count of turns in both sets",
            f"{'subtract 2π from' if turns[0] < turns[1] else 'add 2π to'} {name} here",
        )  # fmt: skip
    backwards = mirrored < MIRRORED * plain and pair.together < BACKWARDS
    if not (backwards or (mirrored < CERTAIN * plain and plain > pair.other_spread)):
        return None
    what = "inverted" if gripper else "turned round"
    fix = f"replace {name} by 1 − {name}" if gripper else f"negate {name}"
    return data.finding(
        pair.joint, FAIL, "gripper.inverted" if gripper else "against_sign.mirrored",
        f"{what}: its mirror image is {mirrored:.3g} from the pre-training set, it itself {plain:.3g}; mean motions "
        f"correlate at {pair.together:+.2f} (median start {pair.start:.2f} here, {pair.other_start:.2f} there)",
        "one sense in both sets", f"{fix} here, or declare it in a profile",
    )  # fmt: skip


def _scaled(data: ExaminedSet, pair: Pair) -> Finding | None:
    if not pair.named:
        return None
    ratio = pair.spread / pair.other_spread
    for factor, mistake in RATIOS.items():
        for size, where in ((factor, "here"), (1 / factor, "in the pre-training set")):
            if abs(ratio / size - 1) < RATIO_SLACK:
                return data.finding(
                    pair.joint, FAIL, "units.scale",
                    f"ranges {ratio:.3g} times those of the pre-training set: {mistake} {where}", "one unit in both",
                    f"divide {data.names[pair.joint]} by {size:.4g} here",
                )  # fmt: skip
    return None


def _worst(data: ExaminedSet, paired: list[Pair]) -> Iterator[Finding]:
    """Share of rows outside of the pre-training set's 1–99 % range; the joint where it is largest."""
    shares = {
        data.names[pair.joint]: outside(pair.own, pair.other) for pair in paired if pair.other_spread > pair.least
    }
    if not shares:
        return
    worst = max(shares, key=shares.__getitem__)
    same = all(pair.named or data.is_gripper(pair.joint) for pair in paired)
    each = ", ".join(f"{name} {100 * share:.0f} %" for name, share in sorted(shares.items(), key=lambda x: -x[1]))
    if same and shares[worst] > OUTSIDE:
        yield Finding(
            WARN, "against_range.outside", worst, f"rows outside of the pre-training set's 1–99 % range: {each}",
            f"at most {100 * OUTSIDE:.0f} %", f"check unit, zero and task of {worst}; networks extrapolate there",
            joint=worst,
        )  # fmt: skip
    else:
        note = "" if same else " (joints of unlike robots, paired by slot)"
        yield Finding(PASS, "against_range", worst, f"rows outside of the 1–99 % range: {each}{note}", joint=worst)
