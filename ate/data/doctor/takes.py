"""Takes: episodes in which several demonstrations follow one another, told by jumps of all joints to one start."""

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet

# A jump moves half of the joints by more than three times what nine in ten steps do, and all of them together by more
# than five times that and a tenth of their ranges.
SHARE, EACH, ALL, LEAST = 0.5, 3.0, 5.0, 0.1
# Once two such jumps end at one start, smaller ones that end there as well are jumps too.
SMALLER = 2.0
USUAL = 0.9
# Takes have this many rows at least; an episode that is interrupted twice or more returns to its start each time.
SHORTEST, FEWEST = 5, 3
# Starts lie together: within this share of the ranges, on average over joints.
TOGETHER = 0.2


def takes(data: ExaminedSet) -> dict[str, tuple[int, ...]]:
    """Episode → the rows of each take in it; only of episodes that hold three or more.

    Long sets are sampled, and jumps lie between two rows that follow one another: episodes of sets of which not every
    row was kept are not looked at.
    """
    facts = data.facts
    joints = np.array([bool(moves) and not data.is_gripper(j) for j, moves in enumerate(data.moves)])
    if facts.stride > 1 or joints.sum() < 2:
        return {}
    rows, steps = (values[:, joints].astype(np.float64) for values in (facts.rows, facts.steps))
    span = np.maximum(np.quantile(rows, 0.99, axis=0) - np.quantile(rows, 0.01, axis=0), 1e-9)
    sizes = np.abs(steps) / span
    whole = np.sqrt((sizes**2).mean(axis=1))
    each = (sizes > EACH * np.quantile(sizes, USUAL, axis=0)).mean(axis=1) >= SHARE
    usual = float(np.quantile(whole, USUAL))
    jumps = each & (whole > max(ALL * usual, LEAST))
    maybe = whole > max(SMALLER * usual, LEAST)
    found = {}
    for number in np.unique(facts.episode[jumps]):
        own = np.flatnonzero(facts.episode == number)
        at = rows[own] / span
        starts = np.array([0, *(np.flatnonzero(jumps[own]) + 1)])
        start = np.median(at[starts], axis=0)
        if len(starts) < FEWEST or _apart(at[starts], start).max() >= TOGETHER:
            continue
        more = np.flatnonzero(maybe[own]) + 1
        starts = np.union1d(starts, more[_apart(at[more], start) < TOGETHER])
        lengths = np.diff([*starts, len(own)])
        if lengths.min() >= SHORTEST:
            found[facts.summaries[number].name] = tuple(int(length) for length in lengths)
    return found


def _apart(rows: np.ndarray, start: np.ndarray) -> np.ndarray:
    """How far rows `(n, width)` are from the start, `(n,)`, in ranges."""
    return np.abs(rows - start).mean(axis=1)
