"""Scorecards of several alignments, one row a variant."""

from collections.abc import Mapping
from typing import Any

from ate.align.alignment import Alignment, Sets
from ate.align.evaluate.scorecard import Scorecard, scorecard
from ate.data.episodes import Episodes

# Columns of the table and the measures they show; of some, the null's mean stands beside.
COLUMNS = (
    ("precision", "precision"),
    ("tail", "tail below 1 % density"),
    ("unseen_mode_p", "unseen mode, p-value"),
    ("active_units", "active units, adaptation"),
    ("spread", "spread, adaptation / pre-training"),
    ("coverage", "coverage"),
    ("reconstruction", "reconstruction error, mean"),
    ("pca_reconstruction", "reconstruction error of PCA, mean"),
)
WITH_NULL = ("precision", "tail")


def compare_alignments(
    named: Mapping[str, Alignment], pretrain: Sets, adapt: Episodes, seed: int = 0
) -> tuple[dict[str, Any], ...]:
    """Put every alignment to the same test.

    Args:
        named: the variants, say `{"paper": …, "one-stage": …, "untrained encoder": …}`; controls from
            `ate.align.evaluate.controls`.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        seed: seed of splits, subsamples and permutations, the same for all variants.

    Returns:
        Rows with `variant`, `robot`, `verdict` (the word), the values of `COLUMNS`, `precision_null` and `tail_null`,
        the error's `unit`, and `reasons`, the verdict in full; None where a number could not be had.

    Raises:
        InputError: as `scorecard`.
    """
    return tuple(
        summary(name, adapt.robot, scorecard(alignment, pretrain, adapt, seed)) for name, alignment in named.items()
    )


def summary(variant: str, robot: str, card: Scorecard) -> dict[str, Any]:
    """The row of one scorecard."""
    rows = {row["measure"]: row for row in card.table}
    values: dict[str, Any] = {"variant": variant, "robot": robot, "verdict": card.word}
    for column, measure in COLUMNS:
        values[column] = rows[measure]["value"] if measure in rows else None
        if column in WITH_NULL:
            values[f"{column}_null"] = rows[measure]["null"]
    return {**values, "unit": rows["reconstruction error, mean"]["unit"], "reasons": card.verdict}
