"""Quaternions among the columns: four in a row of unit length, summed up over the episodes."""

import numpy as np

# Of the squared length: recorders round quaternions to three digits at worst.
UNIT = 0.004
# Three of four columns must turn by this much, or an angle's sine and cosine with two small numbers would count.
TURNS = 0.1
# A flipped row has a product of about −1 with the row before; a fast turn stays well above this.
FLIPPED = -0.5


class Quaternions:
    """Which quadruples of columns stay of unit length in every row of every episode, and where they flip."""

    def __init__(self, width: int) -> None:
        self._starts = np.arange(width - 3)
        self._low = np.full((width - 3, 4), np.inf)
        self._high = np.full((width - 3, 4), -np.inf)
        self.flips: dict[int, list[tuple[str, int]]] = {int(start): [] for start in self._starts}
        self.first: dict[int, list[tuple[str, np.ndarray]]] = {int(start): [] for start in self._starts}

    def add(self, name: str, values: np.ndarray) -> None:
        """One episode, `(n_steps, width)`."""
        kept = []
        for start in self._starts:
            four = values[:, start : start + 4].astype(np.float64)
            if np.abs(np.einsum("ij,ij->i", four, four) - 1).max(initial=0) > UNIT:
                continue
            kept.append(int(start))
            self._low[start] = np.minimum(self._low[start], np.abs(four).min(0))
            self._high[start] = np.maximum(self._high[start], np.abs(four).max(0))
            turns = np.flatnonzero(np.einsum("ij,ij->i", four[1:], four[:-1]) < FLIPPED)
            self.flips[int(start)] += [(name, int(row) + 1) for row in turns]
            self.first[int(start)].append((name, four[0]))
        self._starts = np.array(kept, int)

    @property
    def starts(self) -> list[int]:
        """First columns of the quadruples that are quaternions: they turn, or they flip."""
        starts: list[int] = []
        for start in self._starts:
            turning = int((self._high[start] - self._low[start] > TURNS).sum()) >= 3
            # No four columns start within another four: of two that overlap the first counts.
            if (turning or self.flips[int(start)]) and not (starts and start - starts[-1] < 4):
                starts.append(int(start))
        return starts
