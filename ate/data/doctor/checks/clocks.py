"""Clocks: time stamps against the rate that files declare, and gaps, steps back and standing still in them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ate.data.clock import GAP, IRREGULAR, SECONDS, WORDS, usual
from ate.data.doctor.checks.shapes import SAME_RATE
from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.episodes import Episode
from ate.errors import InputError

# No robot is recorded at fewer steps a second, or more.
SLOWEST, FASTEST = 1.0, 5000.0
# Layouts whose time stamps are seconds by their definition.
IN_SECONDS = ("lerobot", "lerobot_v1")


@dataclass(frozen=True)
class Timing:
    """What the clock of an episode shows.

    Attributes:
        name: of the episode.
        step: the usual step, s; 0 where it stands.
        gaps: row before each gap and its length, s.
        steps: steps in all.
        back: steps back.
    """

    name: str
    step: float
    gaps: tuple[tuple[int, float], ...]
    steps: int
    back: int


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Nothing where no episode has a clock."""
    yield from _implausible(data)
    yield from _not_seconds(data)
    timings = [timing for item in data.episodes if (timing := _timing(item)) is not None]
    back = list(_back(data, timings))
    yield from back
    if not timings or back:
        # Steps back are what a reset clock shows: its gaps and rates mean nothing more.
        return
    findings = [*_rates(data, timings), *_gaps(timings), *_standing(timings)]
    if not findings:
        step = float(np.median([timing.step for timing in timings]))
        yield Finding(PASS, "rates", "clock", f"rows {step:.4g} s apart by the clock in {len(timings)} episodes")
    yield from findings


def _timing(item: Episode) -> Timing | None:
    if item.clock is None or not item.clock.unit or len(item) < 3:
        return None
    try:
        seconds = item.clock.seconds()
    except InputError:
        return None
    steps, step = np.diff(seconds), usual(seconds)
    at = np.flatnonzero(steps > GAP * step) if step > 0 else np.zeros(0, int)
    gaps = tuple((int(row), float(steps[row])) for row in at)
    return Timing(item.name, step, gaps, len(steps), int((steps < 0).sum()))


def _implausible(data: ExaminedSet) -> Iterator[Finding]:
    rates = {item.name: item.attributes.get("rate_hz") for item in data.episodes}
    odd = tuple(name for name, rate in rates.items() if rate and not SLOWEST <= rate <= FASTEST)
    if odd:
        yield Finding(
            FAIL, "rates.implausible", listed(odd),
            f"{rates[odd[0]]:.3g} Hz by {_origin(data, odd[0])}: no robot is recorded at that rate",
            f"{SLOWEST:g} to {FASTEST:,.0f} Hz",
            "write the rate in steps a second; name a clock after its unit (time_ms, time_us) where it is not seconds",
            episodes=odd,
        )  # fmt: skip


def _not_seconds(data: ExaminedSet) -> Iterator[Finding]:
    """A layout that counts time in seconds, LeRobot's, with a clock of another unit or of rows."""
    if data.episodes.ledger.layout not in IN_SECONDS:
        return
    units = {item.name: item.clock.unit for item in data.episodes if item.clock is not None and len(item) > 2}
    odd = tuple(name for name, unit in units.items() if unit != "s")
    if odd:
        unit = units[odd[0]]
        words, scale = WORDS.get(unit, "numbers of rows"), 1 / SECONDS[unit] if unit else data.episodes.rate_hz
        yield Finding(
            WARN, "rates.not_seconds", listed(odd),
            f"time stamps in {words} in {len(odd)} of {len(data.episodes)} episodes: read here as such, but LeRobot "
            "takes them for seconds and looks for the frames of its videos there",
            "time stamps in seconds from the start of the episode",
            f"divide the column timestamp by {scale:,g}" if scale else "write row / rate to the column timestamp",
            episodes=odd,
        )  # fmt: skip


def _origin(data: ExaminedSet, name: str) -> str:
    return next(str(i.attributes.get("rate_from", "the file")) for i in data.episodes if i.name == name)


def _rates(data: ExaminedSet, timings: list[Timing]) -> Iterator[Finding]:
    """The rate that was declared against that of the clock."""
    declared = {
        item.name: item.attributes["rate_hz"] for item in data.episodes
        if item.attributes.get("rate_hz") and item.clock is not None
        and not str(item.attributes.get("rate_from", "")).startswith("the clock")
    }  # fmt: skip
    odd = [
        timing for timing in timings
        if timing.step > 0 and timing.name in declared
        and abs(1 / timing.step / declared[timing.name] - 1) > SAME_RATE
    ]  # fmt: skip
    if not odd:
        return
    first, names = odd[0], tuple(timing.name for timing in odd)
    rate, origin = declared[first.name], _origin(data, first.name)
    few = len(odd) < len(timings) / 2
    yield Finding(
        FAIL, "rates.timestamps", listed(names),
        f"time stamps {first.step:.3f} s apart ({1 / first.step:.3g} Hz), {rate:g} Hz by {origin}"
        + (f", in {len(odd)} of {len(timings)} episodes" if few else ""), "one rate by both",
        f"if the clock is right, correct the rate to {1 / first.step:.3g} ({origin}); if the rate is right, correct "
        f"the time stamps to row / {rate:g}" + (", or exclude these episodes" if few else ""),
        episodes=names, exclude=few,
    )  # fmt: skip


def _gaps(timings: list[Timing]) -> Iterator[Finding]:
    odd = [timing for timing in timings if timing.gaps]
    if not odd:
        return
    names = tuple(timing.name for timing in sorted(odd, key=lambda t: -max(size for _, size in t.gaps)))
    share = sum(len(timing.gaps) for timing in odd) / sum(timing.steps for timing in timings)
    step = float(np.median([timing.step for timing in odd]))
    if share > IRREGULAR:
        yield Finding(
            WARN, "rates.irregular", listed(names),
            f"{100 * share:.0f} % of the steps are {GAP:g} times as long as the usual {step:.3g} s, or longer",
            "rows at one rate", "resample the recording by its clock: ate convert --rate", episodes=names,
        )  # fmt: skip
        return
    by_name = {timing.name: timing for timing in odd}
    words = [
        f"{name} by {size:.3g} s between rows {row} and {row + 1}"
        for name in names
        for row, size in by_name[name].gaps[:2]
    ]
    yield Finding(
        WARN, "rates.gap", listed(names), f"the clock jumps where rows are {step:.3g} s apart: {listed(words)}",
        "rows at one rate", "cut the episodes there, as ate convert --rate does: a chunk across a gap is a motion that "
        "nobody made", episodes=names,
    )  # fmt: skip


def _standing(timings: list[Timing]) -> Iterator[Finding]:
    names = tuple(timing.name for timing in timings if timing.step <= 0)
    if names:
        yield Finding(
            WARN, "rates.standing", listed(names), f"the clock stands still in {len(names)} of {len(timings)} episodes",
            "time that goes on", "record the time of each row, or leave the column out", episodes=names,
        )  # fmt: skip


def _back(data: ExaminedSet, timings: list[Timing]) -> Iterator[Finding]:
    """By the clock, or as the files count it themselves."""
    back = {item.name: int(item.attributes.get("neg_dt", 0) or 0) for item in data.episodes}
    back |= {timing.name: timing.back for timing in timings if timing.back}
    odd = tuple(name for name, count in back.items() if count)
    if odd:
        yield Finding(
            WARN, "rates.clock", listed(odd),
            f"the clock runs backwards {sum(back.values())} times ({listed([f'{n}: {back[n]}' for n in odd])})",
            "time that only goes on", "sort the rows by time, or cut the episode where a second take begins",
            episodes=odd,
        )  # fmt: skip
