"""Do the statistics of a checkpoint fit the recordings it shall be fine-tuned on? By joint, and which to keep.

A checkpoint that normalises by its own statistics puts x at 2·(x − low) / (high − low) − 1 (quantiles, minimum and
maximum), or at (x − mean) / std. What lands outside ± 1, or beyond three deviations, its weights have hardly seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ate.data.doctor.finding import FAIL, LEVELS, PASS, WARN, Finding
from ate.data.episodes import Episodes
from ate.data.normalize import CONSTANT_RANGE, Normalizer
from ate.data.statistics import Statistics, ranges_of, summary
from ate.diagnose.normalization import BEYOND, NARROW, OUTSIDE, cause_of
from ate.errors import InputError
from ate.policies.policy import CLIP

# One and ninety-nine per cent leave this much outside by themselves.
TAILS = 0.02
KEEP, OWN, MEND = "keep", "own", "mend"
ADVICE = {
    KEEP: "keep the checkpoint's statistics when fine-tuning: its weights know them, most recordings lie in them",
    OWN: "fine-tune with statistics of your own recordings: much of them lies outside what the checkpoint knows",
    MEND: "mend the recordings first (units, order or sign of the joints that are named), then keep the checkpoint's",
}


@dataclass(frozen=True)
class Fit:
    """How the recordings lie in a checkpoint's statistics.

    Attributes:
        findings: one a joint and series; codes `statistics.<what is wrong>`.
        method: the way to normalise under which most of the recordings stay inside: `"quantiles"`,
            `"mean and deviation"` or `"minimum and maximum"`.
        keep: `KEEP`, `OWN` or `MEND`, a key of `ADVICE`.
        outside: share of values outside, by series and joint, under `method`.
    """

    findings: tuple[Finding, ...]
    method: str
    keep: str
    outside: dict[str, dict[str, float]]

    @property
    def level(self) -> str:
        """The worst level of all findings."""
        return max((finding.level for finding in self.findings), key=LEVELS.index, default=PASS)

    @property
    def advice(self) -> str:
        """What to do, in a sentence."""
        return f"{ADVICE[self.keep]}; normalise by {self.method}"


def check_statistics(statistics: Statistics, episodes: Episodes, horizon: int = 16) -> Fit:
    """Hold a checkpoint's statistics against recordings, joint by joint.

    Args:
        statistics: of the checkpoint; their columns are taken in the order of the recordings' unless they have names.
        episodes: one robot's recordings.
        horizon: rows of a chunk, for actions that are relative to the observed joints.

    Raises:
        InputError: another number of columns, or series that were not recorded.
    """
    shared = [name for name in statistics.series if episodes.has(name)]
    if not shared:
        got, fix = f"statistics of {', '.join(statistics.series)}", "record the series that the policy is trained on"
        raise InputError(got, where=str(statistics.file), expected=", ".join(episodes[0].series), fix=fix)
    values = {name: np.concatenate([item.read(name) for item in episodes]) for name in shared}
    judged: dict[str, list[tuple[Finding, float]]] = {}
    methods = list(statistics.ranges(shared[0]))
    for method in methods:
        rows: list[tuple[Finding, float]] = []
        for name in shared:
            low, high = _ours(statistics, name, method, episodes)
            seen, what = _seen(name, values, episodes, low, high, horizon)
            rows += [_judged(j, Normalizer(low, high), seen, (what, method), episodes) for j in range(len(low))]
        judged[method] = rows
    # What the checkpoint uses is judged; where it does not say, the way that leaves least outside.
    declared = next((statistics.methods[name] for name in shared if statistics.methods.get(name) in judged), "")
    best = min(methods, key=lambda method: float(np.mean([outside for _, outside in judged[method]])))
    rows = judged[declared or best]
    names, outside = iter(rows), {}
    for name in shared:
        outside[name] = {joint: next(names)[1] for joint in _columns(name, episodes)}
    findings = tuple(finding for finding, _ in rows)
    return Fit(findings, declared or best, _kept(findings, [share for _, share in rows]), outside)


def _kept(findings: Sequence[Finding], outside: Sequence[float]) -> str:
    if any(finding.level == FAIL and finding.code != "statistics.range" for finding in findings):
        return MEND
    return OWN if any(finding.level == FAIL for finding in findings) or np.mean(outside) > 2 * OUTSIDE else KEEP


def _columns(series: str, episodes: Episodes) -> tuple[str, ...]:
    names = episodes[0].column_names(series)
    count = episodes[0].series[series].shape[1]
    return (
        episodes.joint_names
        if count == len(episodes.joint_names)
        else names or tuple(f"{series} {i}" for i in range(count))
    )


def _ours(statistics: Statistics, series: str, method: str, episodes: Episodes) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of the recordings' columns; constant columns after them are padding and left out."""
    low, high = statistics.ranges(series)[method]
    columns, named = _columns(series, episodes), statistics.names.get(series, ())
    if len(named) == len(low) and set(columns) <= set(named):
        order = [named.index(name) for name in columns]
        return low[order].astype(np.float32), high[order].astype(np.float32)
    padded = high[len(columns) :] - low[len(columns) :]
    if len(low) < len(columns) or (padded > CONSTANT_RANGE).any():
        fix = "give the statistics of this robot, or name the columns that they are of: --joints"
        got, expected = f"{len(low)} columns of {series}", f"{len(columns)}: {', '.join(columns)}"
        raise InputError(got, where=str(statistics.file), expected=expected, fix=fix)
    return low[: len(columns)].astype(np.float32), high[: len(columns)].astype(np.float32)


def _seen(
    series: str, values: dict[str, np.ndarray], episodes: Episodes, low: np.ndarray, high: np.ndarray, horizon: int
) -> tuple[np.ndarray, str]:
    """The values that the statistics are of `(n, columns)`, and their name.

    Actions may be chunks minus the observed joints, as openpi has them: those that lie better in the range.
    """
    absolute = values[series]
    if series != "action" or "qpos" not in values or values["qpos"].shape != absolute.shape:
        return absolute, series
    relative = []
    for item in episodes:
        action, qpos = item.read("action"), item.read("qpos")
        steps = np.minimum(np.arange(len(qpos))[:, None] + np.arange(horizon), len(qpos) - 1)
        relative.append((action[steps] - qpos[:, None]).reshape(-1, qpos.shape[1]))
    chunks = np.concatenate(relative)

    def inside(rows: np.ndarray) -> np.ndarray:
        """By joint: how alike the ranges are, the shared part of both together."""
        least, most = np.quantile(rows, [0.01, 0.99], axis=0)
        shared = np.minimum(most, high) - np.maximum(least, low)
        together = np.maximum(most, high) - np.minimum(least, low)
        return np.asarray(np.maximum(shared, 0) / np.maximum(together, 1e-12))

    # Grippers stay absolute, so that most joints decide, each column for itself afterwards.
    better = inside(chunks) > inside(absolute)
    if np.mean(better) <= 0.5:
        return absolute, series
    relative_values = np.where(better, chunks, np.resize(absolute, chunks.shape))
    return relative_values, "action minus qpos"


def _judged(
    j: int, trained: Normalizer, rows: np.ndarray, words: tuple[str, str], episodes: Episodes
) -> tuple[Finding, float]:
    """One column, and the share of its values outside what training filled."""
    series, method = words
    names = _columns("qpos" if series == "qpos" else "action", episodes)
    # Like with like: the same statistics of the recordings.
    lowest, highest = ranges_of(summary(rows))[method]
    seen = Normalizer(lowest.astype(np.float32), highest.astype(np.float32))
    least, most = (float(value) for value in (trained.low[j], trained.high[j]))
    low, high = (float(value) for value in np.quantile(rows[:, j], [0.01, 0.99]))
    text = f"{low:.3g} to {high:.3g} (1 to 99 %), in the checkpoint {least:.3g} to {most:.3g} by {method}"
    subject = f"{names[j]}, {series}"
    if trained.constant[j]:
        moves = high - low > CONSTANT_RANGE
        fix = "it was constant in training: normalising blows it up; use your own statistics, or hold it still"
        level, code = (FAIL, "statistics.constant") if moves else (PASS, "statistics")
        share = float(np.mean(np.abs(rows[:, j] - least) > CONSTANT_RANGE))
        return Finding(level, code, subject, text, "a joint that moves", fix if moves else "", names[j]), share
    values = np.abs(2 * (rows[:, j].astype(np.float64) - least) / (most - least) - 1)
    outside, beyond, filled = float(np.mean(values > 1)), float(np.mean(values > CLIP)), (high - low) / (most - least)
    text += f"; {100 * outside:.0f} % clipped, {100 * filled:.0f} % of the range filled"
    expected = f"at most {100 * (OUTSIDE + TAILS):.0f} % outside the range"
    cause, guess = cause_of(j, trained, seen, names) if beyond >= BEYOND or filled < NARROW else ("", "")
    if cause:
        code, fix = f"statistics.{cause.replace(' ', '_')}", "mend the recordings of this joint, or declare its unit"
        return Finding(FAIL, code, subject, text + guess, expected, fix, names[j]), outside
    if beyond > 0.5:
        fix = "another robot or another place: use your own statistics"
        return Finding(FAIL, "statistics.range", subject, text, expected, fix, names[j]), outside
    if outside > OUTSIDE + TAILS or filled < NARROW:
        fix = "look at this joint; with your own statistics it fills the range"
        return Finding(WARN, "statistics.outside", subject, text, expected, fix, names[j]), outside
    return Finding(PASS, "statistics", subject, text, joint=names[j]), outside
