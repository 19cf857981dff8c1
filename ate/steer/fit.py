"""Fit: whether the actions that a policy trains on are those that an alignment knows, judged on the batches seen.

Wrong units, order, statistics or rate train without an error and guide towards nothing. Here they are refused at the
first steps, with the cause where it can be read off the numbers.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.errors import InputError
from ate.steer.column_order import better_order
from ate.steer.misfit import BEYOND, FILLED, TRIED, ends, remedy
from ate.steer.reconstruction import MISFIT, THRICE, check_reconstruction, column_errors, left_by, total_error

WHERE = "clean actions of the policy"
# The first rows of chunks spread as much as their last ones; of chunks relative to their start by next to nothing.
RELATIVE = 0.2
# Chunks after which each is judged: all columns together at once, the spread of first rows, the pace, single columns.
FEW, MANY, ENOUGH = 8, 128, 256
# Batches after which it ends in any case: reading a batch waits for the device.
LOOKS = 64
# How much more is allowed to fewer than FEW, and to the pace of fewer than MANY that are all there is.
CAUTION, CAUTION_OF_PACE = 2.0, 1.2
# At half the rate a row moves half as far. Shuffled chunks of the alignment's own episodes stay well within these: a
# quarter of the columns above the first, and a quarter below the second.
SLOW, FAST = 0.7, 1.4
# Above this error over all columns, columns may have changed places.
SUSPECT = 0.1
STATE = (
    "add back what the policy subtracted, with a line before each step: guided.offset(state), (B, joints) in the "
    "alignment's units and 0 for a column that is absolute"
)
# Ratios of rates that people have; the nearest one is named.
RATES = (1 / 5, 1 / 4, 1 / 3, 2 / 5, 1 / 2, 2, 2.5, 3, 4, 5)


class Fit:
    """Judges the first chunks of a training; later ones cost nothing.

    Attributes:
        done: whether enough were seen.
    """

    def __init__(self, alignment: Alignment, joints: Sequence[str], paced: bool = True) -> None:
        """Of an alignment and the names that the policy's columns were given; `paced`: whether to judge the rate."""
        self._alignment, self._names, self._paced = alignment, tuple(joints), paced
        self._moving = torch.from_numpy(alignment.space.compact.loss_mask)
        self._seen = torch.zeros(0)
        self._known: set[float] = set()
        self._reconstructed = self.done = False
        self._looks = 0

    @torch.no_grad()
    def look(self, chunks: Tensor) -> None:
        """Judge one more batch.

        Args:
            chunks: clean chunks `(B, S, dof)` in the alignment's units, columns in its order.

        Raises:
            InputError: they do not fit; names the cause where the numbers show it.
        """
        new = []
        self._looks += 1
        # A loader that repeats its few chunks shows no more of them.
        for index, key in enumerate(chunks.double().sum((1, 2)).tolist()):
            if key not in self._known:
                self._known.add(key)
                new.append(index)
        if not new:
            if self._looks >= LOOKS and 2 * FEW <= len(self._seen) < MANY:
                self._check_pace(CAUTION_OF_PACE)
            self._end(self._looks >= LOOKS)
            return
        self._seen = torch.cat([self._seen, chunks[new]]) if len(self._seen) else chunks[new]
        count, moving = len(self._seen), self._moving.to(chunks.device)
        if count >= FEW:
            self._check_relative()
        low, high = ends(self._seen)
        # A few chunks may be the outliers.
        slack = 1.0 if count >= FEW else CAUTION
        outside = ((low < -BEYOND * slack) | (high > BEYOND * slack)) & moving
        # A gripper that seldom closes fills its range all the same.
        span = self._seen.amax((0, 1)) - self._seen.amin((0, 1))
        narrow = (span < FILLED) & moving
        if outside.any() or (narrow.any() and count >= ENOUGH) or (narrow[moving].all() and count >= FEW):
            self._refuse(int((outside if outside.any() else narrow).float().argmax()), low, high)
        if not self._reconstructed:
            self._check_reconstruction(slack)
            self._reconstructed = count >= FEW
        if count >= MANY:
            self._check_pace()
        self._end(count >= ENOUGH or self._looks >= LOOKS)

    def _end(self, done: bool) -> None:
        """Forget what was seen, once enough was."""
        self.done = done
        if done:
            self._seen, self._known = torch.zeros(0), set()

    def _check_relative(self) -> None:
        """Refuse chunks that all begin at one place: relative to the state, they begin at 0."""
        start, end = (self._seen[:, row].std(0, correction=0) for row in (0, -1))
        moved = (end > FILLED / 10) & self._moving.to(end.device)
        still = moved & (start < RELATIVE * end)
        if 2 * int(still.sum()) > int(moved.sum()):
            if self._from_home(still, end):
                # Of a robot's first second, which is no measure of its pace either.
                self._paced = False
                return
            names = [self._alignment.joint_names[i] for i in still.nonzero().flatten().tolist()]
            raise InputError(
                f"relative actions: chunks that all begin at one value in {', '.join(map(repr, names))}",
                where=WHERE,
                expected="positions of the joints, as the alignment has them",
                fix=STATE,
            )

    def _from_home(self, still: Tensor, end: Tensor) -> bool:
        """Whether chunks that begin at one place are the starts of episodes, which the alignment brings back."""
        normalizer = self._alignment.space.compact.normalizer
        half = torch.from_numpy(normalizer.half_range).to(end.device)
        start = normalizer.denormalize(self._seen)[:, 0].mean(0).abs()
        at_zero = (start < RELATIVE * end * half)[still].float().mean() > 0.5
        error = float(column_errors(self._alignment, self._seen[:TRIED]).max())
        return not at_zero and error <= max(MISFIT, THRICE * left_by(self._alignment))

    def _refuse(self, worst: int, low: Tensor, high: Tensor) -> None:
        """Say what leaves the range, or hardly fills it, and why that may be."""
        cause = ""
        if len(self._seen) > 1:
            self._check_relative()
            cause = self._partly_relative(worst)
        normalizer, name = self._alignment.space.normalizer, self._alignment.joint_names[worst]
        ends = [float(side[worst] * normalizer.half_range[worst] + normalizer.center[worst]) for side in (low, high)]
        given = tuple(float(side[worst]) for side in (normalizer.low, normalizer.high))
        raise InputError(
            f"actions of joint {name!r} from {float(low[worst]):.3g} to {float(high[worst]):.3g} in normalised units, "
            f"which are {ends[0]:.4g} to {ends[1]:.4g} by joints= and statistics=",
            where=WHERE,
            expected=f"values that leave neither [-{BEYOND:g}, {BEYOND:g}] nor fill less than a tenth of it: the "
            f"alignment's episodes have {given[0]:.4g} to {given[1]:.4g}",
            fix=cause
            or remedy(self._alignment, self._seen, self._names, worst)
            or "correct joints= (names in the policy's order) and statistics= (what it normalised "
            "them by, in the alignment's units), or align on the episodes that the policy trains on. Actions "
            f"relative to a state: {STATE}. Velocities are no positions, and no alignment of positions guides them",
        )

    def _partly_relative(self, worst: int) -> str:
        """The fix where a few joints alone are relative to their start, `worst` among them; empty where not."""
        normalizer = self._alignment.space.compact.normalizer
        raw = normalizer.denormalize(self._seen)
        start, end = raw[:, 0], raw[:, -1].std(0, correction=0)
        relative = (start.square().mean(0).sqrt() < RELATIVE * end) & self._moving.to(end.device)
        if not bool(relative[worst]) or int(relative.sum()) < 2:
            return ""
        names = [self._alignment.joint_names[i] for i in relative.nonzero().flatten().tolist()]
        return f"relative actions in {', '.join(map(repr, names))}: {STATE}"

    def _check_reconstruction(self, slack: float) -> None:
        """Refuse columns that change places, and what the alignment does not bring back."""
        error = total_error(self._alignment, self._seen[:TRIED])
        if error > max(SUSPECT, 2 * left_by(self._alignment)):
            order = better_order(self._alignment, self._seen[:TRIED], self._names)
            if order is not None:
                raise InputError(
                    f"columns {', '.join(self._names)}, which come back with an error of {error:.2g} and with less "
                    "where two of them change places",
                    where=WHERE,
                    expected="the names of the columns in the policy's own order",
                    fix=f"name the columns in the policy's order: joints={list(order)}",
                )
        check_reconstruction(self._alignment, self._seen, WHERE, slack)

    def _check_pace(self, slack: float = 1.0) -> None:
        """Refuse chunks of another rate, by how far a row moves the joints; `slack`: factor on both bounds."""
        pace = self._alignment.pace
        if pace is None or not self._paced:
            return
        # Chunks in the order of their rows are of a few episodes, which may well be slow ones.
        follows = (self._seen[1:, :-1] == self._seen[:-1, 1:]).all(2).all(1)
        known = torch.tensor(pace.steps, device=self._seen.device)
        moving = self._moving.to(known.device) & (known > 0)
        if not moving.any() or follows.float().mean() > 0.5:
            return
        steps = (self._seen[:, 1:] - self._seen[:, :-1]).square().mean((0, 1)).sqrt()
        ratios = (steps / known)[moving]
        if ratios.quantile(0.75) < SLOW / slack or ratios.quantile(0.25) > FAST * slack:
            ratio = float(ratios.median())
            rows, rate = self._seen.shape[1], pace.rate_hz
            seconds = None if rate is None else rows / rate
            likely = min(RATES, key=lambda rate: abs(math.log(rate / max(ratio, 1e-6))))
            about = f"{likely:.2g} times the duration" if seconds is None else f"about {seconds * likely:.2g} s"
            expected = "the alignment's pace" if seconds is None else f"chunks of {seconds:.2g} s"
            raise InputError(
                f"chunks of {about}: a row moves the joints {ratio:.2g} times as far as a row of the alignment's",
                where=WHERE,
                expected=f"{expected}, {rows} rows" + ("" if rate is None else f" at {rate:g} Hz"),
                fix="align with chunks of the policy's rate and length (ate convert --rate); where the robot only goes "
                f"at another speed, pass rate_hz={rate or 'the rate of the rows':}",
            )


def check_rate(alignment: Alignment, rate_hz: float | None) -> None:
    """Refuse a policy whose rows are of another rate than the alignment's, where both are known.

    Raises:
        InputError: chunks of one length and of other durations.
    """
    pace, rows = alignment.pace, alignment.config.chunk
    if rate_hz is None or pace is None or pace.rate_hz is None or math.isclose(rate_hz, pace.rate_hz, rel_tol=0.01):
        return
    raise InputError(
        f"chunks of {rows / rate_hz:.3g} s, {rows} rows at {rate_hz:g} Hz",
        where="rate_hz= of attach",
        expected=f"chunks of {rows / pace.rate_hz:.3g} s, {rows} rows at {pace.rate_hz:g} Hz, as the alignment has",
        fix="align on episodes of the policy's rate (ate convert --rate), with chunks of its horizon",
    )
