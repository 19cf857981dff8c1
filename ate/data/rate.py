"""Rate: recordings at other steps a second, between whose rows values are interpolated.

A chunk of S rows is another motion at another rate, so sets that are compared have one.
"""

from dataclasses import replace

import numpy as np

from ate.data.columns import targets_alone
from ate.data.episodes import Episode, Episodes
from ate.data.series import Series
from ate.errors import InputError


def at_rate(episodes: Episodes, hz: float) -> Episodes:
    """The same recordings at `hz` rows a second, in memory.

    Rows are interpolated between their neighbours in time; codes (phases) take the nearest row, quaternions in the last
    four columns of `ee_pose` keep unit length. Where a clock jumps or runs backwards an episode is cut, and each part
    is an episode: nobody knows the motion between those rows. Rows that come at no rate are taken at the times of their
    clock. An action without a column for every joint is left out: steps of a tool or speeds say something else at
    another rate.

    Args:
        episodes: each with its rate, in its own file or as the set's.
        hz: above 0.

    Raises:
        InputError: a rate that is none, or an episode whose rate is not known.
    """
    if not (np.isfinite(hz) and hz > 0):
        raise InputError(f"{hz:g} Hz", where="rate", expected="steps a second above 0", fix="give, say, 20")
    episodes = targets_alone(episodes)
    parts = {item.name: _parts(item) for item in episodes}
    items = tuple(_resampled(part, episodes, hz) for every in parts.values() for part in every)
    notes = tuple(
        f"{name} was cut where its clock jumps: {', '.join(f'{part.name} ({len(part)} rows)' for part in every)}."
        for name, every in parts.items() if len(every) > 1
    )  # fmt: skip
    ledger = replace(episodes.ledger, notes=(*episodes.ledger.notes, *notes))
    return replace(episodes, items=items, rate_hz=float(hz), ledger=ledger)


def _parts(item: Episode) -> tuple[Episode, ...]:
    """The episode cut at the breaks of its clock, `…_part_0`, `…_part_1`, …; a single row between two is none."""
    cuts = item.clock.breaks() if item.clock is not None and item.clock.unit else ()
    if not cuts or item.clock is None:
        return (item,)
    spans = [(a, b) for a, b in zip((0, *cuts), (*cuts, len(item)), strict=True) if b - a > 1]
    return tuple(
        replace(
            item, name=f"{item.name}_part_{number}", clock=item.clock.part(start, stop),
            series={name: series.part(start, stop) for name, series in item.series.items()},
        )
        for number, (start, stop) in enumerate(spans)
    )  # fmt: skip


def _resampled(item: Episode, episodes: Episodes, hz: float) -> Episode:
    rate = item.attributes.get("rate_hz") or episodes.rate_hz
    if not rate:
        raise InputError(
            "no rate", where=f"{item.path}, episode {item.name}", expected="steps a second, to know the time of a row",
            fix="record rate_hz as an attribute of the file, or give it: rate= of ate.data.load, --rate",
        )  # fmt: skip
    if item.clock is not None and item.clock.unit and item.clock.irregular:
        seconds = item.clock.seconds()
        at = np.interp(np.arange(int(seconds[-1] * hz + 1e-9) + 1) / hz, seconds, np.arange(len(item)))
    else:
        count = int((len(item) - 1) / rate * hz + 1e-9) + 1
        at = np.minimum(np.arange(count) * (rate / hz), len(item) - 1)
    series = {name: Series.of(_at(item.read(name), at, name), item.name) for name in item.series}
    return replace(item, series=series, attributes={**item.attributes, "rate_hz": float(hz)}, clock=None)


def _at(values: np.ndarray, at: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind in "iub":
        return values[at.round().astype(int)]
    low = np.floor(at).astype(int)
    high, share = np.minimum(low + 1, len(values) - 1), (at - low).reshape(-1, *[1] * (values.ndim - 1))
    first, second = values[low].astype(float), values[high].astype(float)
    if name == "ee_pose":
        # Both signs of a quaternion are one rotation: the nearer one is meant.
        second[:, 3:] *= np.where((first[:, 3:] * second[:, 3:]).sum(1) < 0, -1.0, 1.0)[:, None]
    out = (1 - share) * first + share * second
    if name == "ee_pose":
        out[:, 3:] /= np.linalg.norm(out[:, 3:], axis=1, keepdims=True)
    return out.astype(np.float32)
