"""Stillness: idle stretches that teach a policy to wait, and frames that were written twice."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.case import Case, listed
from ate.data.doctor.report import PASS, WARN, Finding

# A second of waiting at either end of an episode is trimmed by most recipes; a policy learns to wait from it.
LONGEST_END = 1.0
# Half of the steps without motion: most chunks would be of a robot that stands.
MOST_STILL = 0.5
# A few equal rows are pauses; more than half a per cent is a recorder that writes faster than it reads.
REPEATED = 0.005
REPEATED_EPISODE = 0.03


def check(case: Case) -> Iterator[Finding]:
    """Idle stretches, then repeated rows."""
    yield _idle(case)
    yield from _repeated(case)


def _idle(case: Case) -> Finding:
    looks = case.facts.looks
    rate = case.episodes.rate_hz
    limit = LONGEST_END * (rate or 20.0)
    waiting = [item for item in looks if max(item.idle[0], item.idle[2]) > limit]
    still = float(np.average([item.still for item in looks], weights=[item.steps for item in looks]))
    start, end = (float(np.median([item.idle[i] for item in looks])) for i in (0, 2))
    found = (
        f"{100 * still:.0f} % of steps without motion; idle at the start {case.seconds(start)}, "
        f"at the end {case.seconds(end)} (medians)"
    )
    if still > MOST_STILL or len(waiting) > 0.1 * len(looks):
        worst = sorted(waiting, key=lambda item: -max(item.idle[0], item.idle[2]))
        names = tuple(item.name for item in worst)
        said = (
            f"; {len(waiting)} of {len(looks)} episodes stand still for more than {case.seconds(limit)} at an end "
            f"({listed(names)})" if names else ""
        )  # fmt: skip
        return Finding(
            WARN, "stillness", "all joints", found + said,
            f"less than {100 * MOST_STILL:.0f} % still, ends shorter than {case.seconds(limit)}",
            "trim the ends of these episodes: a policy learns to wait from them", episodes=names,
        )  # fmt: skip
    return Finding(PASS, "stillness", "all joints", found)


def _repeated(case: Case) -> Iterator[Finding]:
    looks = case.facts.looks
    total, steps = sum(item.repeated for item in looks), sum(item.steps for item in looks)
    share = total / max(steps, 1)
    many = [item for item in looks if item.repeated > max(REPEATED_EPISODE * item.steps, 1)]
    chosen = sorted((item for item in looks if item.repeated), key=lambda item: -item.repeated / item.steps)
    found = f"{total} of {steps} rows ({100 * share:.2g} %) equal the row before them exactly"
    if share <= REPEATED and not many:
        yield Finding(PASS, "duplicate frames", "all joints", found)
        return
    first = chosen[0]
    details = listed([f"{item.name} ({100 * item.repeated / item.steps:.0f} %)" for item in chosen])
    yield Finding(
        WARN, "duplicate frames", listed([item.name for item in chosen[:2]]) + (" …" if len(chosen) > 2 else ""),
        f"{found}: {details}; in {first.name} from row {first.repeated_at}, at most {first.run} in a row",
        f"at most {100 * REPEATED:g} % of a set and {100 * REPEATED_EPISODE:g} % of an episode",
        "drop rows that equal the one before them in all series, or record at the rate of the sensor",
        episodes=tuple(item.name for item in chosen), exclude=bool(many) and len(many) <= 0.2 * len(looks),
    )  # fmt: skip
