"""Stillness: idle stretches, from which a policy learns to wait, and frames that were written twice."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import PASS, WARN, Finding

# A second of waiting at either end of an episode is trimmed by most recipes; a policy learns to wait from it.
LONGEST_END = 1.0
# Half of the steps without motion: most chunks would be of a robot that stands.
MOST_STILL = 0.5
# A few equal rows are pauses; more than half a per cent is a recorder that writes faster than it reads.
REPEATED = 0.005
REPEATED_EPISODE = 0.03


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Idle stretches, then repeated rows."""
    yield _idle(data)
    yield from _repeated(data)


def _idle(data: ExaminedSet) -> Finding:
    summaries = data.facts.summaries
    rate = data.episodes.rate_hz
    limit = LONGEST_END * (rate or 20.0)
    waiting = [item for item in summaries if max(item.idle[0], item.idle[2]) > limit]
    still = float(np.average([item.still for item in summaries], weights=[item.steps for item in summaries]))
    start, end = (float(np.median([item.idle[i] for item in summaries])) for i in (0, 2))
    got = (
        f"{100 * still:.0f} % of steps without motion; idle at the start {data.seconds(start)}, "
        f"at the end {data.seconds(end)} (medians)"
    )
    if still > MOST_STILL or len(waiting) > 0.1 * len(summaries):
        worst = sorted(waiting, key=lambda item: -max(item.idle[0], item.idle[2]))
        names = tuple(item.name for item in worst)
        ends = (
            f"; {len(waiting)} of {len(summaries)} episodes stand still for more than {data.seconds(limit)} at an end "
            f"({listed(names)})" if names else ""
        )  # fmt: skip
        return Finding(
            WARN, "stillness.idle", "all joints", got + ends,
            f"less than {100 * MOST_STILL:.0f} % still, ends shorter than {data.seconds(limit)}",
            "trim the ends of these episodes: a policy learns to wait from them", episodes=names,
        )  # fmt: skip
    return Finding(PASS, "stillness", "all joints", got)


def _repeated(data: ExaminedSet) -> Iterator[Finding]:
    summaries = data.facts.summaries
    total, steps = sum(item.repeated for item in summaries), sum(item.steps for item in summaries)
    share = total / max(steps, 1)
    many = [item for item in summaries if item.repeated > max(REPEATED_EPISODE * item.steps, 1)]
    chosen = sorted((item for item in summaries if item.repeated), key=lambda item: -item.repeated / item.steps)
    got = f"{total} of {steps} rows ({100 * share:.2g} %) equal the row before them exactly"
    if share <= REPEATED and not many:
        yield Finding(PASS, "duplicate_frames", "all joints", got)
        return
    first = chosen[0]
    details = listed([f"{item.name} ({100 * item.repeated / item.steps:.0f} %)" for item in chosen])
    yield Finding(
        WARN, "duplicate_frames.repeated",
        listed([item.name for item in chosen[:2]]) + (" …" if len(chosen) > 2 else ""),
        f"{got}: {details}; in {first.name} from row {first.repeated_at}, at most {first.run} in a row",
        f"at most {100 * REPEATED:g} % of a set and {100 * REPEATED_EPISODE:g} % of an episode",
        "drop rows that equal the one before them in all series, or record at the rate of the sensor",
        episodes=tuple(item.name for item in chosen), exclude=bool(many) and len(many) <= 0.2 * len(summaries),
    )  # fmt: skip
