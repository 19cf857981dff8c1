"""Values that cannot be used: NaN, infinity, magnitudes beyond float32, and files that break off, named by place."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ate.data.doctor.case import Case, listed
from ate.data.doctor.report import FAIL, PASS, Finding
from ate.data.episodes import Episode
from ate.errors import InputError

# No joint of any robot in any unit that recorders use, ticks included, reads a million.
ABSURD = 1e6
# More columns than this in one episode are told together.
MOST_NAMED = 8
# More findings than this are told joint by joint instead of episode by episode.
MOST_FINDINGS = 12


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
        "values",
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
        FAIL, "values", item.name, f"{series!r}: {error.got} ({error.where})", error.expected, error.fix,
        episodes=(item.name,), exclude=True,
    )  # fmt: skip


def damaged(case: Case) -> Iterator[Finding]:
    """Damage met in the pass; where there is much of it, one finding a joint."""
    found = case.facts.damaged
    if len(found) <= MOST_FINDINGS:
        yield from found
        return
    groups: dict[str, list[Finding]] = {}
    for finding in found:
        groups.setdefault(finding.joint, []).append(finding)
    for joint, group in groups.items():
        names = tuple(dict.fromkeys(name for finding in group for name in finding.episodes))
        yield replace(
            group[0],
            subject=joint or listed(names),
            found=f"in {len(names)} of {len(case.episodes)} episodes ({listed(names)}); first: {group[0].found}",
            fix=f"exclude these episodes, or repair {joint or 'them'}",
            episodes=names,
            exclude=len(names) < len(case.episodes) / 2,
        )


def check(case: Case) -> Iterator[Finding]:
    """Damage met in the pass, absurd magnitudes, and which joints are free of both."""
    yield from damaged(case)
    hurt = {finding.joint for finding in case.facts.damaged}
    size = np.maximum(np.abs(case.facts.low), np.abs(case.facts.high))
    for joint, name in enumerate(case.names):
        if size[joint] > ABSURD:
            looks = [item for item in case.facts.looks if max(-item.low[joint], item.high[joint]) > ABSURD]
            yield Finding(
                FAIL,
                "values",
                name,
                f"magnitudes up to {size[joint]:.3g} in {len(looks)} of {len(case.facts.looks)} episodes, "
                f"the first {looks[0].name}",
                f"at most {ABSURD:g} in any unit",
                "repair the recording, or exclude these episodes: min–max normalisation would squash all else to 0",
                joint=name,
                episodes=tuple(item.name for item in looks),
                exclude=len(looks) < len(case.facts.looks) / 2,
            )
        elif name not in hurt:
            yield Finding(PASS, "values", name, f"finite, at most {size[joint]:.4g} in magnitude", joint=name)
