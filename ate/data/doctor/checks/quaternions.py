"""Quaternions among the columns: four in a row of unit length, whose sign must not flip from step to step."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.case import Case
from ate.data.doctor.report import FAIL, PASS, WARN, Finding

# Of the squared length: recorders round quaternions to three digits at worst.
UNIT = 0.004
# Three of four columns must turn by this much, or an angle's sine and cosine beside two small numbers would count.
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
    def found(self) -> list[int]:
        """First columns of the quadruples that are quaternions: they turn, or they flip."""
        chosen: list[int] = []
        for start in self._starts:
            turning = int((self._high[start] - self._low[start] > TURNS).sum()) >= 3
            # No four columns start within another four: of two that overlap the first is told.
            if (turning or self.flips[int(start)]) and not (chosen and start - chosen[-1] < 4):
                chosen.append(int(start))
        return chosen


def check(case: Case) -> Iterator[Finding]:
    """Sign flips within episodes, and starts of opposite sign between episodes."""
    for series, quaternions in case.facts.quaternions.items():
        for start in quaternions.found:
            names = case.names[start : start + 4] if series == case.episodes.source else ()
            subject = f"{series!r} columns {start}–{start + 3}" + (f" ({', '.join(names)})" if names else "")
            yield _finding(case, subject, series, quaternions, start, names[0] if names else "")


def _finding(case: Case, subject: str, series: str, quaternions: Quaternions, start: int, joint: str) -> Finding:
    flips = quaternions.flips[start]
    if flips:
        names = tuple(dict.fromkeys(name for name, _ in flips))
        # A companion series is not trained on; a flip in the chosen one is a jump of up to 2 in the target.
        level = FAIL if series in (case.episodes.source, "state") else WARN
        return Finding(
            level,
            "quaternions",
            subject,
            f"the sign flips {len(flips)} times in {len(names)} episodes, the first in {names[0]} at row {flips[0][1]}",
            "neighbouring rows with a positive product",
            "negate each row whose product with the row before is negative, or record a 6-D rotation",
            joint=joint,
            episodes=names,
        )
    first = quaternions.first[start]
    opposite = tuple(name for name, value in first if value @ first[0][1] < 0)
    if opposite:
        return Finding(
            WARN,
            "quaternions",
            subject,
            f"{len(opposite)} of {len(first)} episodes start with the opposite sign of {first[0][0]}",
            "one sign for like poses",
            "negate these episodes' quaternions, or record a 6-D rotation",
            joint=joint,
            episodes=opposite,
        )
    return Finding(PASS, "quaternions", subject, f"no sign flips in {len(first)} episodes", joint=joint)
