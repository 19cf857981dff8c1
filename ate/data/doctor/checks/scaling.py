"""Scaling: arms whose joints were scaled to −1…1 or 0…1 before they were written, and are no angles any more."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.correlation import correlations
from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, WARN, Finding

# A joint that ends exactly there, at both ends, over a whole set: no motion of several joints does that.
EXACT = 1e-4
# Joints of an arm that must agree: two may by chance.
FEWEST = 3
# Joints that all lie between 0 and 1: angles of so many joints have both signs, or go further.
FEWEST_SHARES = 4
# Targets go with the positions they are targets for; scaling changes nothing about that.
TARGETS = 0.9
_RANGE = 'a profile with unit = "range", at_minus_100 and at_100 (--robot) once they are −100…100'


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Nothing where the values were converted, look like angles, or are commands of another kind."""
    low, high = data.facts.low, data.facts.high
    if data.episodes.source == "action" and not _positions(data):
        return
    arm = [j for j in range(len(data.names)) if data.is_angle(j) and data.moves[j] and data.declared[j] is None]
    ends = [j for j in arm if abs(high[j] - 1) < EXACT and min(abs(low[j] + 1), abs(low[j])) < EXACT]
    if len(ends) >= max(FEWEST, (len(arm) + 1) // 2):
        names = listed([data.names[j] for j in ends])
        yield Finding(
            FAIL, "units.normalised", names, f"{len(ends)} of {len(arm)} joints end exactly at {low[ends[0]]:g} and 1: "
            "scaled by their own least and largest values", "radians",
            "write the values before they were normalised, or undo it with the statistics that were used",
        )  # fmt: skip
    elif len(arm) >= FEWEST_SHARES and all(low[j] >= -EXACT and high[j] <= 1 + EXACT for j in arm):
        yield Finding(
            WARN, "units.shares", listed([data.names[j] for j in arm]),
            f"all {len(arm)} joints stay between 0 and 1: shares of each joint's range, and no angles?", "radians",
            f"if they are shares, write radians, low + share · (high − low) of each joint, or name {_RANGE}",
        )  # fmt: skip


def _positions(data: ExaminedSet) -> bool:
    """Whether commands go with positions that were recorded, or none were; tool commands lie between −1 and 1 too."""
    if data.facts.other is None:
        return True
    best = correlations(data.facts.rows, data.facts.other).max(axis=1, initial=0.0)
    return bool(np.median(best[data.moves]) > TARGETS) if data.moves.any() else True
