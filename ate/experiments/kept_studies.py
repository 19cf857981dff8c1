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
    rows = [_row(pair, studies, kept, fresh, len(asked), min(seeds)) for pair in asked]
    pooled = [row for row in rows if row]
    return {**fresh, "seeds": seeds, "studies": studies, "pooled": pooled}


def _row(
    pair: tuple[str, str], studies: Sequence[Mapping[str, Any]], kept: Regime, fresh: Regime, rows: int, seeds: int
) -> dict[str, Any] | None:
    """One pooled row: recovered from the studies' intervals, or that of the runs which alone have the pair."""
    method, baseline = pair
    if baseline == DIRECT:
        own = [study["methods"][method] for study in studies if method in study["methods"]]
        row, strict = (recovered(own, method, DIRECT, 1 - share, seeds) for share in (ERROR_RATE, ERROR_RATE / rows))
        counts = {"above": row.better, "studies": row.studies}
        return {"method": method, "against": DIRECT, **interval(row), **counts, "verdict": str(strict.verdict)}
    found = [r for part in (kept, fresh) for r in part["pooled"] if (r["method"], r["against"]) == pair]
    if len(found) > 1:
        raise InputError(
            "it is in the studies that are kept and in those of the runs", where=f"{method!r} against {baseline!r}",
            expected="one of the two", fix="give the runs of all studies that have it, or leave out --kept",
        )  # fmt: skip
    return found[0] if found else None
