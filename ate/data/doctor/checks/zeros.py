"""Rows of zeros: which rows of which episodes nobody measured, and whether to cut or to repair them."""

from collections.abc import Iterator, Sequence

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, Finding
from ate.data.doctor.zeros import ZeroRows

_WHERE = {"head": "the first", "tail": "the last"}
_WHERES = {"head": "the first rows", "tail": "the last rows", "middle": "rows within", "whole": "all rows"}
_FIX = {
    "head": "drop these rows: the recorder ran before the first value came",
    "tail": "cut these rows: arrays that were made longer than the recording",
    "middle": "repair these rows (interpolate between their neighbours): lost packets",
    "whole": "leave these episodes out: nothing was recorded",
}


def check(data: ExaminedSet) -> Iterator[Finding]:
    """One finding for the rows at the head, in the middle or at the tail of episodes, of all series that share them."""
    groups: dict[tuple[str, str, tuple[int, ...], float], list[ZeroRows]] = {}
    for zeros in data.facts.zeros:
        groups.setdefault((zeros.series, zeros.place, zeros.columns, zeros.value), []).append(zeros)
    shared: dict[tuple[str, tuple[tuple[str, int, int], ...]], list[tuple[str, list[ZeroRows]]]] = {}
    for (series, place, _, _), rows in groups.items():
        places = tuple((item.episode, item.start, item.stop) for item in rows)
        shared.setdefault((place, places), []).append((series, rows))
    for (place, _), parts in shared.items():
        yield _finding(data, place, tuple(dict.fromkeys(series for series, _ in parts)), parts[0][1])


def _finding(data: ExaminedSet, place: str, series: tuple[str, ...], rows: Sequence[ZeroRows]) -> Finding:
    names = tuple(dict.fromkeys(item.episode for item in rows))
    total, few = len(data.facts.summaries), len(names) < len(data.facts.summaries) / 2
    arm = sum(not data.is_gripper(j) for j in range(data.episodes.dof))
    columns = rows[0].columns
    whole = data.episodes.source not in series or len(columns) >= arm
    joints = "all joints" if whole else listed([data.names[j] for j in columns])
    sizes = {item.stop - item.start for item in rows}
    count = f"{_WHERE[place]} {sizes.pop()} rows" if len(sizes) == 1 and place in ("head", "tail") else _WHERES[place]
    where = f"every one of {total} episodes" if len(names) == total else f"{len(names)} of {total} episodes"
    spans = listed([f"{item.episode} {_span(item)}" for item in rows])
    return Finding(
        FAIL, f"values.{'filled' if rows[0].value else 'zeros'}_{place}", ", ".join(series),
        f"{count} of {where} are exactly {rows[0].value:g} in {joints} of "
        f"{' and '.join(map(repr, series))}, the rows next to them are "
        f"not: {spans}; {sum(item.stop - item.start for item in rows)} rows in all", "rows that were measured",
        _FIX[place] + (f", or exclude {', '.join(names)}" if few else ""), episodes=names, exclude=few,
    )  # fmt: skip


def _span(item: ZeroRows) -> str:
    return f"row {item.start}" if item.stop - item.start == 1 else f"rows {item.start} to {item.stop - 1}"
