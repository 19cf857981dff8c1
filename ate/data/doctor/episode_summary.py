"""The summary of one episode, made with its values in memory and small enough to keep for thousands."""

from dataclasses import dataclass, replace

import numpy as np

from ate.runs.files import array_digest

# Points at which an episode's course is kept: enough for its shape, few enough for thousands of episodes.
POINTS = 16
# A step below this share of the joint's usual (root mean square) step is standing still: encoder noise stays below it.
STILL = 0.1


@dataclass(frozen=True, eq=False)
class EpisodeSummary:
    """One episode in numbers.

    Attributes:
        name: its name.
        file: where it is.
        steps: rows.
        low, high: smallest and largest value of each column, float64 `(dof,)`.
        course: rows at `POINTS` evenly spaced times, `(POINTS, dof)`.
        largest: largest absolute step of each column, `(dof,)`, and `largest_at`, the row it leads to.
        typical: mean absolute step of each column, `(dof,)`.
        jerk: third differences over first ones (root mean squares, columns scaled alike): 0 where too short.
        still: share of steps in which no column moves.
        idle: longest run of such steps at the start, anywhere, and at the end.
        repeated: rows equal to the one before them, bit for bit; `repeated_at` is the first, `run` the longest run.
        digest: hash of the values.
    """

    name: str
    file: str
    steps: int
    low: np.ndarray
    high: np.ndarray
    course: np.ndarray
    largest: np.ndarray
    largest_at: np.ndarray
    typical: np.ndarray
    jerk: float
    still: float
    idle: tuple[int, int, int]
    repeated: int
    repeated_at: int
    run: int
    digest: str

    def within(self, steps: int, first: int) -> "EpisodeSummary":
        """The same of a recording of `steps` rows that was measured from row `first` on; row numbers are its own."""
        repeated = self.repeated_at + first if self.repeated_at >= 0 else -1
        return replace(self, steps=steps, largest_at=self.largest_at + first, repeated_at=repeated)


def summarize(
    name: str, file: str, rows: np.ndarray, usual: np.ndarray, witness: np.ndarray | None = None
) -> EpisodeSummary:
    """Measure one episode.

    Args:
        name: its name.
        file: where it is.
        rows: its values, float32 `(n_steps, dof)`.
        usual: root mean square step of each column over the set, `(dof,)`; 0 for columns that do not move.
        witness: another series that must repeat too for a row to count as repeated, `(n_steps, …)`: commands may well
            stay what they are while the robot moves.
    """
    values = rows.astype(np.float64)
    steps = np.diff(values, axis=0)
    size = np.abs(steps)
    quiet = np.asarray((size <= STILL * usual).all(axis=1))
    same = np.asarray((size == 0).all(axis=1))
    if witness is not None:
        same &= (np.diff(witness, axis=0) == 0).all(axis=1)
    places = np.linspace(0, len(rows) - 1, POINTS).round().astype(int)
    empty = np.zeros(rows.shape[1])
    return EpisodeSummary(
        name=name,
        file=file,
        steps=len(rows),
        low=values.min(0),
        high=values.max(0),
        course=values[places],
        largest=size.max(0) if len(size) else empty,
        largest_at=size.argmax(0) + 1 if len(size) else empty.astype(int),
        typical=size.mean(0) if len(size) else empty,
        jerk=_jerk(steps, usual),
        still=float(quiet.mean()) if len(quiet) else 0.0,
        idle=_runs(quiet),
        repeated=int(same.sum()),
        repeated_at=int(same.argmax()) + 1 if same.any() else -1,
        run=_runs(same)[1],
        digest=array_digest(rows),
    )


def _jerk(steps: np.ndarray, usual: np.ndarray) -> float:
    moving = usual > 0
    if len(steps) < 3 or not moving.any():
        return 0.0
    scaled = steps[:, moving] / usual[moving]
    pace = float(np.sqrt((scaled**2).mean()))
    return float(np.sqrt((np.diff(scaled, n=2, axis=0) ** 2).mean())) / pace if pace else 0.0


def _runs(flags: np.ndarray) -> tuple[int, int, int]:
    """Lengths of the run of true values at the start, of the longest, and of the one at the end."""
    if not len(flags) or not flags.any():
        return 0, 0, 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[0]) if flags[0] else 0, int(lengths.max()), int(lengths[-1]) if flags[-1] else 0
