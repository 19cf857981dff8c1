"""Outliers: each episode compared with the others, in robust standard deviations; the list to look through first."""

from collections.abc import Iterator

import numpy as np

from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import PASS, WARN, Finding
from ate.data.doctor.report import Triage

# 1.4826 median absolute deviations are a standard deviation of normal data.
MAD = 1.4826
# Beyond 8 robust deviations an episode is worth a look; heavy tails of ordinary sets stay below it.
ODD = 8.0
# Measures, and what deviation of each is at least one "deviation": sets of near-identical episodes would otherwise
# make an outlier of every other one. Steps and jerk are compared as logarithms.
FLOORS = {"length": 0.07, "jerk": 0.15, "stillness": 0.03, "largest step": 0.2, "repeated rows": 0.01}
# With fewer episodes there is no telling what is usual.
FEWEST = 8
POSES = ("start pose", "end pose")
# A joint's ends are compared by this share of its deviation at least.
END = 0.15


def triage(data: ExaminedSet) -> tuple[Triage, ...]:
    """Every episode that could be read, the oddest first."""
    summaries = data.facts.summaries
    raw = _measures(data)
    scores = {name: values if name in POSES else _robust(values, FLOORS[name]) for name, values in raw.items()}
    rows = []
    for i, item in enumerate(summaries):
        measures = {name: float(values[i]) for name, values in scores.items()}
        reasons = tuple(
            f"{name} {value:+.1f} deviations from the median episode"
            for name, value in sorted(measures.items(), key=lambda pair: -abs(pair[1]))
            if abs(value) > ODD
        )
        rows.append(Triage(item.name, item.file, item.steps, max(abs(v) for v in measures.values()), measures, reasons))
    return tuple(sorted(rows, key=lambda row: -row.oddness))


def check(data: ExaminedSet, rows: tuple[Triage, ...]) -> Iterator[Finding]:
    """One finding a measure in which episodes stand out."""
    odd_by: dict[str, list[Triage]] = {name: [] for name in (*FLOORS, *POSES)}
    for row in rows:
        for name, value in row.measures.items():
            if abs(value) > ODD:
                odd_by[name].append(row)
    for name, odd in odd_by.items():
        # What a fifth of the episodes do is a habit of the set, not an outlier.
        if odd and len(odd) <= max(0.2 * len(rows), 1) and len(rows) >= FEWEST:
            worst = sorted(odd, key=lambda row: -abs(row.measures[name]))
            yield Finding(
                WARN, f"outliers.{name.replace(' ', '_')}", listed([row.episode for row in worst]),
                f"{name}: " + listed([f"{row.episode} {row.measures[name]:+.1f}" for row in worst])
                + " robust deviations from the median episode",
                f"within ± {ODD:g}", "look at these episodes; exclude those that are not the task",
                episodes=tuple(row.episode for row in worst), exclude=name in ("length", "repeated rows"),
            )  # fmt: skip
        else:
            yield Finding(PASS, "outliers", name, f"all {len(rows)} episodes alike" if not odd else
                          f"{len(odd)} of {len(rows)} episodes far from the median: a habit of this set")  # fmt: skip


def _measures(data: ExaminedSet) -> dict[str, np.ndarray]:
    summaries, usual = data.facts.summaries, np.where(data.facts.usual > 0, data.facts.usual, np.inf)
    deviation = np.maximum(data.facts.rows.std(0, dtype=np.float64), 1e-9)
    deviation = np.where(data.moves, deviation, np.inf)
    ends = np.array([[item.course[0], item.course[-1]] for item in summaries])
    apart = np.abs(ends - np.median(ends, axis=0))
    # Joint by joint, the worst counts: the mean over joints would hide a single turned sign.
    away = (apart / np.maximum(MAD * np.median(apart, axis=0), END * deviation)).max(axis=2)
    largest = np.array([(item.largest / usual).max() for item in summaries])
    return {
        "length": np.log([item.steps for item in summaries]),
        "jerk": np.log(np.array([item.jerk for item in summaries]) + 0.05),
        "stillness": np.array([item.still for item in summaries]),
        "start pose": away[:, 0],
        "end pose": away[:, 1],
        "largest step": np.log(largest + 1),
        "repeated rows": np.array([item.repeated / item.steps for item in summaries]),
    }


def _robust(values: np.ndarray, floor: float) -> np.ndarray:
    middle = np.median(values)
    return (values - middle) / max(MAD * float(np.median(np.abs(values - middle))), floor)
