"""Evidence of earlier runs: studies whose run directories are gone are pooled with new ones by their intervals.

`measured` (`ate.experiments.evidence`) keeps each study's mean difference to direct fine-tuning with its interval. This
is enough to pool a study with others again (`ate.experiments.stats.pooling.recovered`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ate.errors import InputError
from ate.experiments.evidence import interval, pairs
from ate.experiments.methods import DIRECT
from ate.experiments.stats.comparisons import ERROR_RATE
from ate.experiments.stats.pooling import recovered

Regime = Mapping[str, Any]


def joined(kept: Sequence[Regime], fresh: Sequence[Regime]) -> list[dict[str, Any]]:
    """Regimes of earlier and of new runs together; where both have a study, the new one counts.

    Args:
        kept: what `--json` wrote earlier.
        fresh: what `measured` gives of the new runs.

    Raises:
        InputError: a comparison of a method with its control is in earlier studies and in new ones. Earlier studies
            are kept with their differences to direct fine-tuning alone.
    """
    earlier, new = ({(r["demonstrations"], r["steps"]): r for r in regimes} for regimes in (kept, fresh))
    both = [_join(earlier[key], new[key]) if key in earlier else dict(new[key]) for key in new]
    alone = [dict(regime) for key, regime in earlier.items() if key not in new]
    return sorted(both + alone, key=lambda regime: (-regime["demonstrations"], -regime["steps"]))


def _join(kept: Regime, fresh: Regime) -> dict[str, Any]:
    names = {study["study"] for study in fresh["studies"]}
    stay = [study for study in kept["studies"] if study["study"] not in names]
    if not stay:
        return dict(fresh)
    # Studies of a run directory stay together: flow, then diffusion.
    studies = sorted([*stay, *fresh["studies"]], key=lambda study: study["study"].split()[0])
    seeds = sorted({*kept["seeds"], *fresh["seeds"]})
    asked = pairs({method for study in studies for method in study["methods"]})
    pooled = []
    for method, baseline in asked:
        if baseline == DIRECT:
            pooled.append(_to_direct(method, studies, len(asked), min(seeds)))
        else:
            pooled += _to_control((method, baseline), stay, kept, fresh)
    return {**fresh, "seeds": seeds, "studies": studies, "pooled": pooled}


def _to_direct(method: str, studies: Sequence[Mapping[str, Any]], rows: int, seeds: int) -> dict[str, Any]:
    """A method against direct, recovered from the intervals of all studies; the verdict pays for `rows`."""
    own = [study["methods"][method] for study in studies if method in study["methods"]]
    row, strict = (recovered(own, method, DIRECT, 1 - share, seeds) for share in (ERROR_RATE, ERROR_RATE / rows))
    counts = {"above": row.better, "studies": row.studies}
    return {"method": method, "against": DIRECT, **interval(row), **counts, "verdict": str(strict.verdict)}


def _to_control(
    pair: tuple[str, str], stay: Sequence[Mapping[str, Any]], kept: Regime, fresh: Regime
) -> list[dict[str, Any]]:
    """A method against its control, of kept studies or of new ones, not of both; none where neither has it."""
    old, new = (
        [dict(row) for row in part["pooled"] if (row["method"], row["against"]) == pair] for part in (kept, fresh)
    )
    left = sum(set(pair) <= study["methods"].keys() for study in stay)
    if left and (new or sum(row["studies"] for row in old) != left):
        raise InputError(
            "it is in studies that are kept and in those of the runs", where=f"{pair[0]!r} against {pair[1]!r}",
            expected="one of the two", fix="give the runs of all studies that have it, or leave out --kept",
        )  # fmt: skip
    return old if left else new
