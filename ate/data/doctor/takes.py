"""Takes: episodes in which several demonstrations follow one another, told by jumps of all joints to one start."""

from dataclasses import dataclass

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

    Large sets are sampled, and jumps lie between two rows that follow one another: what is usual is taken from the
    sample, and episodes whose largest steps are jumps are then read whole.
    """
    facts = data.facts
    joints = np.array([bool(moves) and not data.is_gripper(j) for j, moves in enumerate(data.moves)])
    if joints.sum() < 2:
        return {}
    sample, steps = (values[:, joints].astype(np.float64) for values in (facts.rows, facts.steps))
    span = np.maximum(np.quantile(sample, 0.99, axis=0) - np.quantile(sample, 0.01, axis=0), 1e-9)
    sizes = np.abs(steps) / span
    usual = _Usual(np.quantile(sizes, USUAL, axis=0), float(np.quantile(np.sqrt((sizes**2).mean(axis=1)), USUAL)))
    lengths_of = {}
    for number, summary in enumerate(facts.summaries):
        if (summary.largest[joints] / span <= EACH * usual.each).mean() > 1 - SHARE:
            continue
        rows = sample[facts.episode == number] if facts.stride == 1 else _whole(data, summary.name)[:, joints]
        lengths = _lengths(rows / span, usual)
        if lengths:
            lengths_of[summary.name] = lengths
    return lengths_of


@dataclass(frozen=True)
class _Usual:
    """What nine in ten steps stay below: of each joint, `(width,)`, and of all together, in ranges."""

    each: np.ndarray
    all: float


def _whole(data: ExaminedSet, name: str) -> np.ndarray:
    """All rows of an episode, `(n_steps, dof)`, in the units of the sample."""
    index = next(i for i, item in enumerate(data.episodes) if item.name == name)
    return data.episodes.series(index).astype(np.float64)


def _lengths(rows: np.ndarray, usual: _Usual) -> tuple[int, ...]:
    """The rows of each take in an episode `(n_steps, width)`, in ranges; empty where it is one."""
    sizes = np.abs(np.diff(rows, axis=0))
    whole = np.sqrt((sizes**2).mean(axis=1))
    jumps = ((sizes > EACH * usual.each).mean(axis=1) >= SHARE) & (whole > max(ALL * usual.all, LEAST))
    starts = np.array([0, *(np.flatnonzero(jumps) + 1)])
    start = np.median(rows[starts], axis=0)
    if len(starts) < FEWEST or _apart(rows[starts], start).max() >= TOGETHER:
        return ()
    more = np.flatnonzero(whole > max(SMALLER * usual.all, LEAST)) + 1
    starts = np.union1d(starts, more[_apart(rows[more], start) < TOGETHER])
    lengths = np.diff([*starts, len(rows)])
    return tuple(int(length) for length in lengths) if lengths.min() >= SHORTEST else ()


def _apart(rows: np.ndarray, start: np.ndarray) -> np.ndarray:
    """How far rows `(n, width)` are from the start, `(n,)`, in ranges."""
    return np.abs(rows - start).mean(axis=1)
