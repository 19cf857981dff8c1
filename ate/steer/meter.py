"""Guidance meter: does the shift act, where along the noise levels, and how often does the clamp decide?

Sums are kept on the device and read once at the end, so that measuring costs no synchronisation.
"""

import math

import torch
from torch import Tensor

BINS = 10
# Below this share of the residual a shift is lost in the noise of a single batch.
ACTIVE_RATIO = 1e-3
# From a hundredth of the residual on a shift is felt over a training.
FELT_RATIO = 1e-2
# A shift of half of the residual competes with the demonstrations.
MOST_RATIO = 0.5


class GuidanceMeter:
    """Per noise-level bin: RMS shift over RMS residual, share of elements at the clamp, cosine with the residual.

    The residual is, up to a positive factor, the supervised gradient in the prediction: the cosine says whether the
    shift works with the demonstrations or against them.
    """

    def __init__(self, device: torch.device | str = "cpu", methods: int | None = None) -> None:
        """Of one method; or of `methods` methods at once, whose batches then have a leading dimension of that size."""
        # float64: sums of squares over thousands of steps.
        leading = () if methods is None else (methods,)
        self._sums = torch.zeros(*leading, 7, BINS, dtype=torch.float64, device=device)

    def add(self, t: Tensor, shift: Tensor, residual: Tensor, clamped: Tensor, mask: Tensor) -> None:
        """Count one batch.

        Args:
            t: times in [0, 1], `(B,)`.
            shift: λ·clamp(k·g), `(B, S, D)`.
            residual: prediction − unshifted target, `(B, S, D)`.
            clamped: True where |k·g| exceeded the clamp, bool `(B, S, D)`.
            mask: elements that count, broadcastable to `(B, S, D)`.
        """
        weight = mask.expand(shift.shape).to(shift.dtype)
        summed = (
            shift.square() * weight,
            residual.square() * weight,
            clamped * weight,
            weight,
            shift * residual * weight,
        )
        moved, missed, *others = (value.sum((-2, -1)) for value in summed)
        samples, idle = torch.ones_like(t).expand(moved.shape), (moved < ACTIVE_RATIO**2 * missed).to(t.dtype)
        rows = torch.stack([moved, missed, *others, samples, idle], -2).double()
        bins = (t * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
        self._sums.index_add_(-1, bins, rows.detach())

    def state_dict(self) -> dict[str, Tensor]:
        """The sums, for a checkpoint."""
        return {"sums": self._sums}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Take the sums back."""
        self._sums.copy_(state_dict["sums"])

    def of(self, method: int) -> "GuidanceMeter":
        """The meter of one of several methods."""
        single = GuidanceMeter(self._sums.device)
        single._sums.copy_(self._sums[method])
        return single

    def rows(self) -> list[dict[str, float]]:
        """One row a bin that was visited: `t_low`, `t_high`, `ratio`, `clamped`, `cosine`, `samples`, and `idle`.

        `idle` is the share of samples whose shift is below 1e-3 of their residual.
        """
        return [
            {
                "t_low": i / BINS,
                "t_high": (i + 1) / BINS,
                "ratio": math.sqrt(shift / residual) if residual > 0 else 0.0,
                "clamped": clamped / count,
                "cosine": dot / both if (both := math.sqrt(shift * residual)) > 0 else 0.0,
                "samples": samples,
                "idle": idle / samples,
            }
            for i, (shift, residual, clamped, count, dot, samples, idle) in enumerate(self._sums.T.tolist())
            if samples and count
        ]


def meter_verdict(rows: list[dict[str, float]]) -> str:
    """`"inactive"`, `"acting"` or `"clamp-dominated"`, by the bins together.

    Inactive: the shift is below 1e-3 of the residual in every bin. Clamp-dominated: in at least half of the
    bins where it acts, the clamp decides most elements.
    """
    acting = [row for row in rows if row["ratio"] >= ACTIVE_RATIO]
    if not acting:
        return "inactive"
    dominated = sum(row["clamped"] > 0.5 for row in acting)
    return "clamp-dominated" if dominated * 2 >= len(acting) else "acting"


def meter_sentence(rows: list[dict[str, float]]) -> str:
    """What the rows say, for a reader: verdict, at which noise levels the shift is felt, what it is elsewhere."""
    verdict = meter_verdict(rows)
    felt = [row for row in rows if row["ratio"] >= FELT_RATIO]
    quiet = [row for row in rows if row["ratio"] < FELT_RATIO]
    samples = sum(row["samples"] for row in rows)
    idle = sum(row["idle"] * row["samples"] for row in rows) / samples if samples else 1.0
    if not felt:
        most = max((row["ratio"] for row in rows), default=0.0)
        return f"{verdict}: at no noise level is the shift more than {most:.2g} of the residual, {_idle(idle)}"
    levels = ", ".join(_spans(felt))
    text = f"{verdict}: felt at noise levels {levels}, up to {max(row['ratio'] for row in felt):.2g} of the residual"
    if quiet:
        text += f"; elsewhere at most {max(row['ratio'] for row in quiet):.2g}"
    clamped = sum(row["clamped"] * row["samples"] for row in felt) / sum(row["samples"] for row in felt)
    return f"{text}; {clamped:.0%} of its elements there are at the clamp, {_idle(idle)}"


def _idle(share: float) -> str:
    return f"{share:.0%} of samples get less than {ACTIVE_RATIO:g} of theirs"


def _spans(rows: list[dict[str, float]]) -> list[str]:
    """Neighbouring bins as one span: `["0.3 to 0.6", "0.9 to 1"]`."""
    spans: list[list[float]] = []
    for row in rows:
        if spans and math.isclose(spans[-1][1], row["t_low"]):
            spans[-1][1] = row["t_high"]
        else:
            spans.append([row["t_low"], row["t_high"]])
    return [f"{low:g} to {high:g}" for low, high in spans]
