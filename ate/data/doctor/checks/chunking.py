"""Chunk arithmetic: the horizon in seconds and in episodes, the number of windows, and what is dropped."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

# Chunks longer than half an episode are nearly the whole episode, and all alike.
MOST_SHARE = 0.5
# Below this a chunk sees too little of the task to belong to a phase of it.
LEAST_SHARE = 0.015


def check(data: ExaminedSet) -> Iterator[Finding]:
    """Episodes too short for one chunk by name, then the sum."""
    lengths = np.array([item.steps for item in data.facts.summaries])
    s = data.horizon
    windows = int(np.maximum(lengths - s + 1, 0).sum())
    short = sorted((item for item in data.facts.summaries if item.steps < s), key=lambda item: item.steps)
    median = float(np.median(lengths))
    got = (
        f"horizon {data.seconds(s)}, {100 * s / median:.0f} % of the median episode ({data.seconds(median)}): "
        f"{windows:,} windows of {int(lengths.sum()):,} rows"
    )
    if not windows:
        yield Finding(
            FAIL, "chunks.none", "all episodes", got, f"at least one episode of {s} steps",
            f"choose a horizon of at most {lengths.max()}", episodes=tuple(item.name for item in short),
        )  # fmt: skip
        return
    if short:
        names = [f"{item.name} ({item.steps})" for item in short]
        yield Finding(
            WARN, "chunks.short_episodes", listed([item.name for item in short]),
            f"{len(short)} of {len(lengths)} episodes ({100 * len(short) / len(lengths):.2g} %) are shorter than a "
            f"chunk and are dropped silently: {listed(names)}",
            f"at least {s} steps", f"exclude them, or choose a horizon of at most {int(lengths.min())}",
            episodes=tuple(item.name for item in short), exclude=True,
        )  # fmt: skip
    if s > MOST_SHARE * median:
        yield Finding(
            WARN, "chunks.horizon_long", "all episodes", got,
            f"at most {100 * MOST_SHARE:.0f} % of the median episode",
            f"choose a horizon of at most {int(MOST_SHARE * median)}",
        )  # fmt: skip
    elif s < LEAST_SHARE * median:
        longest = max(data.facts.summaries, key=lambda item: item.steps)
        yield Finding(
            WARN, "chunks.horizon_short", "all episodes",
            f"{got}; very long episodes, the longest {longest.name} with {data.seconds(longest.steps)}",
            f"at least {100 * LEAST_SHARE:.2g} % of the median episode",
            "resample to a lower rate (10 to 20 Hz), cut the episodes into tasks, or choose a longer horizon",
        )  # fmt: skip
    else:
        yield Finding(PASS, "chunks", "all episodes", got + ("" if short else ", no episode dropped"))
