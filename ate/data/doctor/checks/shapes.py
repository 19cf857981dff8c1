"""Shapes: the attributes of all files must agree: rates, units, robots, tasks, clocks."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

# Rates are rounded when they are written (median time steps); real ones differ by factors.
SAME_RATE = 0.05
# Motion this much faster in episodes this much shorter than the others': frames are missing, or the rate is another.
FACTOR = 1.6
# A recording's own rate and its profile's usual one.
MIXED_SHARE = 0.4


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Rates and labels."""
    yield _rates(data)
    yield from _paces(data)
    yield from _labels(data)


def _rates(data: ExaminedSet) -> Finding:
    rates = [(item.name, item.attributes.get("rate_hz")) for item in data.episodes]
    known = [rate for _, rate in rates if rate]
    if not known:
        return Finding(
            WARN, "rates.unknown", "all episodes", "no rate in the files", "steps a second in each file",
            "write the attribute rate_hz, or give it (--rate, rate=): durations, lags and speeds cannot be computed "
            "without it",
        )  # fmt: skip
    usual = float(np.median(known))
    odd = [(name, rate) for name, rate in rates if not rate or abs(rate - usual) > SAME_RATE * usual]
    if odd:
        kinds = Counter(f"{rate:g} Hz" if rate else "no rate" for _, rate in rates)
        return Finding(
            FAIL, "rates.mixed", listed([name for name, _ in odd]),
            "mixed rates: " + ", ".join(f"{count} episodes at {kind}" for kind, count in kinds.most_common())
            + f"; not {usual:g} Hz: {listed([name for name, _ in odd])}",
            f"{usual:g} Hz throughout", f"resample them, ate convert --rate {usual:g}, or exclude them: a chunk of "
            f"{data.horizon} steps would last differently long", episodes=tuple(name for name, _ in odd),
            exclude=len(odd) < len(rates) / 2,
        )  # fmt: skip
    return _declared(data, usual)


def _declared(data: ExaminedSet, usual: float) -> Finding:
    """The rate that was given for the set against that of its files."""
    asked = {item.attributes.get("rate_asked") for item in data.episodes} - {None}
    odd = [rate for rate in asked if rate is not None and abs(rate / usual - 1) > SAME_RATE]
    origin = str(data.episodes[0].attributes.get("rate_from", "the files"))
    if odd:
        return Finding(
            FAIL, "rates.declared", "all episodes", f"{odd[0]:g} Hz was given, {usual:g} Hz by {origin}",
            "one rate by both", "leave rate= (--rate) away, or correct the files",
        )  # fmt: skip
    return Finding(PASS, "rates", "all episodes", f"{usual:g} Hz in all {len(data.episodes)} episodes, by {origin}")


def _paces(data: ExaminedSet) -> Iterator[Finding]:
    """Mixed rates without an attribute that shows them: episodes with longer but fewer steps than the rest."""
    summaries, moving = data.facts.summaries, data.facts.usual > 0
    if len(summaries) < 8 or not moving.any():
        return
    pace = np.array([np.mean(item.typical[moving] / data.facts.usual[moving]) for item in summaries])
    length = np.array([item.steps for item in summaries], float)
    faster = pace / max(float(np.median(pace)), 1e-12)
    shorter = np.median(length) / length
    odd = ((faster > FACTOR) & (shorter > FACTOR)) | ((faster < 1 / FACTOR) & (shorter < 1 / FACTOR))
    # One odd episode is an odd take.
    if odd.sum() >= 2 and odd.mean() <= MIXED_SHARE:
        names = [summaries[i].name for i in np.flatnonzero(odd)]
        yield Finding(
            WARN, "rates.pace", listed(names),
            f"{len(names)} episodes move {np.median(faster[odd]):.2g} times as far a step as the others in "
            f"{np.median(1 / shorter[odd]):.2g} times as many steps: another rate, whatever the attribute is",
            "like motions of like length", "resample these episodes to the rate of the others, or exclude them",
            episodes=tuple(names), exclude=True,
        )  # fmt: skip


def _labels(data: ExaminedSet) -> Iterator[Finding]:
    for label, level in (("units", FAIL), ("robot", FAIL), ("task", WARN)):
        labels = {item.name: item.attributes.get(label) for item in data.episodes}
        kinds = Counter(labels.values())
        if len(kinds) > 1:
            usual = kinds.most_common(1)[0][0]
            odd = tuple(name for name, value in labels.items() if value != usual)
            yield Finding(
                level, f"labels.{label}", listed(odd),
                f"{label} differs: " + ", ".join(f"{value!r} ({count})" for value, count in kinds.most_common(5)),
                f"one {label} a set", "one set a kind: move or exclude these episodes", episodes=odd,
                exclude=level == FAIL and len(odd) < len(labels) / 2,
            )  # fmt: skip
