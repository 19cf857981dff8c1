"""Winner: the method with the highest difference, and whether training seeds it was not chosen by say the same.

Picking the highest of many overestimates its difference (winner's curse): part of it is chance of these seeds. On
seeds that were never used in choosing it is a single comparison, planned beforehand, that pays for no others. They
should be rolled out from other start situations as well. Where methods are better in some situations and worse in
others, the situations of the choice overestimate too, and other training seeds in them repeat that (`make truth`).
"""

from collections.abc import Sequence
from enum import StrEnum

from ate.errors import InputError
from ate.experiments.methods import ALIGNED_ENCODERS, DIRECT
from ate.experiments.results import RunResult
from ate.experiments.stats.comparisons import Difference, Verdict, differences, verdict
from ate.runs.tables import signed


def candidates(results: Sequence[RunResult]) -> list[str]:
    """Methods to choose from: those whose guidance is by an aligned encoder, in order of first appearance.

    A gain that other encoders give as well does not come from the alignment: compared with, never chosen.
    """
    return list(dict.fromkeys(r.method for r in results if r.encoder in ALIGNED_ENCODERS))


def searched(results: Sequence[RunResult], baseline: str = DIRECT) -> list[Difference]:
    """Every candidate against the baseline, corrected for all methods that were held against it, as in a table of them.

    Raises:
        InputError: no candidate, no rollouts, or seeds that differ.
    """
    names = candidates(results)
    if not names:
        got, where = f"methods {sorted({r.method for r in results})}", "results to choose from"
        expected = "at least one method that is guided by an aligned encoder"
        raise InputError(got, where=where, expected=expected, fix="run a λ × clamp grid")
    return [row for row in differences(results, baseline) if row.method in names]


def select(results: Sequence[RunResult], baseline: str = DIRECT) -> str:
    """Name of the candidate with the highest mean paired difference of success, the first of equals.

    By success, never by held-out error, which does not rank methods.

    Args:
        results: the search, of one parameterisation, number of demonstrations and of steps.
        baseline: name of the λ = 0 method.

    Raises:
        InputError: no candidate, no rollouts, or seeds that differ.
    """
    return max(searched(results, baseline), key=lambda row: row.mean).method


def validation(
    results: Sequence[RunResult], held_out_results: Sequence[RunResult], baseline: str = DIRECT
) -> Difference:
    """The winner of the search on held-out training seeds: one comparison, no correction.

    Args:
        results: the search.
        held_out_results: winner and baseline, with training seeds that the search did not use and from other start
            situations (which results do not show).
        baseline: name of the λ = 0 method.

    Raises:
        InputError: held-out seeds that the search used, or results without the winner or the baseline.
    """
    winner = select(results, baseline)
    shared = sorted({r.seed for r in results} & {r.seed for r in held_out_results})
    trained = sorted({r.method for r in held_out_results})
    if shared:
        got, expected = f"training seeds {shared} in both", "seeds that the search did not use"
        fix = "train the winner and λ = 0 with other seeds"
        raise InputError(got, where="held-out results", expected=expected, fix=fix)
    if winner not in trained:
        got, expected = f"methods {trained}", f"the winner {winner!r} among them"
        fix = "train it with the held-out seeds; the choice changes when the search grows"
        raise InputError(got, where="held-out results", expected=expected, fix=fix)
    (row,) = differences([r for r in held_out_results if r.method in (winner, baseline)], baseline)
    return row


class Outcome(StrEnum):
    """What held-out seeds say of a winner."""

    VALIDATED = "validated"
    NOT_VALIDATED = "not validated"
    CANNOT_TELL = "cannot tell"


def outcome(search: Difference, held_out: Difference) -> Outcome:
    """Whether held-out seeds validate the winner of a search.

    Validated where the held-out interval lies above 0. Not validated where it does not and excludes the gain that the
    search reported, or where that was none. Where it holds both 0 and that gain, the held-out seeds cannot tell.
    """
    if search.mean <= 0:
        return Outcome.NOT_VALIDATED
    if held_out.verdict is Verdict.HELPS:
        return Outcome.VALIDATED
    return Outcome.NOT_VALIDATED if held_out.high < search.mean else Outcome.CANNOT_TELL


def confirmation_sentence(
    results: Sequence[RunResult], held_out_results: Sequence[RunResult], baseline: str = DIRECT
) -> str:
    """The winner's difference in the search and on the held-out seeds, and whether these validate it.

    Raises:
        InputError: as `validation`.
    """
    row = validation(results, held_out_results, baseline)
    rows = searched(results, baseline)
    search = next(candidate for candidate in rows if candidate.method == row.method)
    report = f"The search put {row.method} highest of {len(rows)} with {signed(100 * search.mean)} points"
    if search.mean <= 0:
        return f"{report}: no cell lies above λ = 0, there is nothing to validate. On held-out seeds, {verdict(row)}"
    return f"{report}; on held-out seeds: {outcome(search, row)}. {verdict(row)}"
