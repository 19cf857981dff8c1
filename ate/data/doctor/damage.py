"""Damage: series that cannot be read, as findings that name the joint, the row and the file."""

from collections.abc import Sequence

import numpy as np

from ate.data.doctor.report import FAIL, Finding
from ate.data.episodes import Episode
from ate.errors import InputError

# More columns than this in one episode are reported together.
MOST_NAMED = 8


def damage(item: Episode, series: str, names: Sequence[str], error: InputError) -> list[Finding]:
    """What is wrong with a series that could not be read: one finding a joint where the values tell.

    Args:
        item: the episode.
        series: name of the series.
        names: its columns' names, or none.
        error: what reading said.
    """
    held = item.series[series]
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(held.fetch(0, len(held)))
            rows = values.astype(np.float32)
    except (InputError, ValueError, TypeError):
        return [_whole(item, series, error)]
    bad = ~np.isfinite(rows)
    if rows.ndim != 2 or not bad.any():
        return [_whole(item, series, error)]
    columns = np.flatnonzero(bad.any(axis=0)).tolist()
    named = [names[c] if len(names) == rows.shape[1] else f"column {c}" for c in columns]
    findings = []
    for column, name in list(zip(columns, named, strict=True))[:MOST_NAMED]:
        at = np.flatnonzero(bad[:, column])
        findings.append(_column(item, series, name, values[:, column], at))
    if len(columns) > MOST_NAMED:
        findings.append(_whole(item, series, error))
    return findings


def _column(item: Episode, series: str, name: str, values: np.ndarray, at: np.ndarray) -> Finding:
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    huge = len(at) - nan - infinite
    kinds = [f"{count} {kind}" for count, kind in ((nan, "NaN"), (infinite, "infinite")) if count]
    if huge:
        kinds.append(f"{huge} beyond what float32 holds (up to {np.abs(values[at]).max():.3g})")
    return Finding(
        FAIL,
        "values.nan" if nan else "values.infinite" if infinite else "values.huge",
        f"{name} in {item.path.name}",
        f"{' and '.join(kinds)} in {series!r} of {item.name}, {item.path}: the first at row {at[0]} of {len(values)}",
        "finite numbers",
        f"exclude {item.name}, or repair {name} there (interpolate over short gaps, never fill with zeros)",
        joint=name,
        episodes=(item.name,),
        exclude=True,
    )


def _whole(item: Episode, series: str, error: InputError) -> Finding:
    return Finding(
        FAIL, "values.unreadable", item.name, f"{series!r}: {error.got} ({error.where})", error.expected, error.fix,
        episodes=(item.name,), exclude=True,
    )  # fmt: skip
