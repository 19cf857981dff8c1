"""Winners: the highest cell of a λ × clamp grid as a file that notebook 03 takes, with the evidence for it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ate.errors import InputError
from ate.experiments.winner_file import WINNER
from ate.runs.files import write_json
from ate.steer.guidance_config import GuidanceConfig

# Reading a winner must not wait for the statistics that chose it.
if TYPE_CHECKING:
    from ate.experiments.results import RunResult
    from ate.experiments.settings import Settings
    from ate.experiments.stats.comparisons import Difference


def winner(results: Sequence["RunResult"]) -> "Difference":
    """The cell that `ate.experiments.stats.selection.select` names, against λ = 0; its own seeds flatter it.

    Raises:
        InputError: no rollouts, several regimes, or no cell but λ = 0.
    """
    from ate.experiments.stats.selection import searched

    if len({r.regime for r in results}) > 1:
        got, where = f"{len({r.regime for r in results})} regimes", "results to choose a winner from"
        expected = "one parameterisation, number of demonstrations and of steps"
        raise InputError(got, where=where, expected=expected, fix="choose among the results of one regime")
    return max(searched(results), key=lambda row: row.mean)


def save_winner(
    results: Sequence["RunResult"], settings: "Settings", file: Path, held_out: Sequence["RunResult"] = ()
) -> dict[str, Any]:
    """Write the winning cell as JSON, with its evidence and with what that evidence does not carry.

    Args:
        results: the grid, one regime.
        settings: of the run.
        file: JSON, written whole or not at all.
        held_out: the winner and λ = 0 on seeds that the search has not seen, where they were trained on any.

    Returns:
        What was written.

    Raises:
        InputError: as `winner`, or held-out results that are none (`ate.experiments.stats.selection.validation`).
    """
    from ate.experiments.stats.selection import validation

    row = winner(results)
    validated = validation(results, held_out) if held_out else None
    won = next(r for r in results if r.method == row.method)
    judged = row if validated is None else validated
    evidence = {
        "robot_data": settings.adapt,
        "parameterization": won.parameterization,
        "demonstrations": won.demonstrations,
        "steps": won.steps,
        "rollouts_a_seed": len(won.success),
        "chosen_among": row.comparisons,
        "search": _evidence(row),
        "held_out": None if validated is None else _evidence(validated),
        "verdict": judged.verdict,
        "statement": _statement(row, validated),
    }
    tree = {"encoder": won.encoder, "guidance": won.spec.guidance.to_dict(), "evidence": evidence}
    write_json(file, tree)
    return tree


def keep_winner(results: Sequence["RunResult"], settings: "Settings", held_out: Sequence["RunResult"] = ()) -> str:
    """Write the winner into the run directory, where there are rollouts to judge by; arguments as `save_winner`.

    Returns:
        Its guidance and what its evidence says, or that there is none.
    """
    if not all(result.success for result in results):
        return "none: no simulator to judge by"
    tree = save_winner(results, settings, settings.directory / WINNER, held_out)
    return f"{GuidanceConfig.from_dict(tree['guidance']).label()}, in {WINNER}. {tree['evidence']['statement']}"


def _evidence(row: "Difference") -> dict[str, Any]:
    interval = [row.low, row.high] if math.isfinite(row.low) else None
    return {"seeds": len(row.by_seed), "difference": row.mean, "interval_95": interval, "verdict": row.verdict}


def _statement(row: "Difference", validated: "Difference | None") -> str:
    """What a user has to know before taking the winner for an improvement."""
    from ate.experiments.stats.comparisons import Verdict

    judged = row if validated is None else validated
    seeds = f"{len(judged.by_seed)} {'training' if validated is None else 'held-out'} seeds"
    words = {
        Verdict.HELPS: f"It does better than λ = 0 on {seeds}.",
        Verdict.HURTS: f"It does worse than λ = 0 on {seeds}: the best cell of this grid is plain fine-tuning.",
        Verdict.CANNOT_TELL: f"Not shown to help: {seeds} cannot tell it from λ = 0.",
    }[judged.verdict]
    chosen = f" It is the highest of {row.comparisons} cells and was chosen for that"
    rest = "; no held-out seeds have validated it." if validated is None else ", before the held-out seeds were seen."
    return words + chosen + rest
