"""Facts: one pass over the episodes, one of them in memory at a time, and an evenly strided sample of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ate.data.doctor.episode_summary import EpisodeSummary, summarize
from ate.data.doctor.finding import FAIL, Finding
from ate.data.doctor.lags import Lags
from ate.data.doctor.quaternions import Quaternions
from ate.data.doctor.turns import Turns, Wrapped, middle, unwrapped
from ate.data.doctor.zeros import ZeroRows, Zeros
from ate.data.episodes import Episode, Episodes
from ate.errors import InputError

# Quantiles of 200,000 rows are good to a thousandth of the distribution; wide rows are sampled more sparsely.
MOST_ROWS = 200_000
MOST_CELLS = 4_000_000
# Episodes, evenly spread, from which the usual step of each joint is taken beforehand.
USUAL_EPISODES = 16
# More columns than this in one episode are reported together.
MOST_NAMED = 8


@dataclass(eq=False)
class Facts:
    """The measurements of one pass over a set.

    Attributes:
        summaries: the episodes that could be read.
        usual: root mean square step of each column, `(dof,)`.
        rows: sampled rows of the chosen series, float32 `(m, dof)`.
        steps: the step that follows each sampled row, `(m, dof)`.
        other: the companion series (`action` of `qpos`) at those rows, `(m, k)`; None where it was not recorded.
        phase: the phase code of each sampled row, `(m,)`; None where it was not recorded.
        episode: which of `summaries` each sampled row is from, `(m,)`.
        stride: sampling stride: one row in every `stride` is kept.
        lags: commanded against measured, None where widths differ or one is missing.
        quaternions: columns that are unit quaternions, by series.
        damaged: findings about values that cannot be read.
        wrapped: columns with whole turns in them, which are taken out of all that is measured.
        wrapped_other: columns that wrap in the other series of the two alone, taken out likewise.
        zeros: rows of zeros that nobody measured, which are left out likewise.
    """

    summaries: list[EpisodeSummary] = field(default_factory=list)
    usual: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rows: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    steps: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    other: np.ndarray | None = None
    phase: np.ndarray | None = None
    episode: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    stride: int = 1
    lags: Lags | None = None
    quaternions: dict[str, Quaternions] = field(default_factory=dict)
    damaged: list[Finding] = field(default_factory=list)
    wrapped: dict[int, Wrapped] = field(default_factory=dict)
    wrapped_other: dict[int, Wrapped] = field(default_factory=dict)
    zeros: list[ZeroRows] = field(default_factory=list)

    @property
    def low(self) -> np.ndarray:
        """Smallest value of each column over all rows, `(dof,)`."""
        return np.min([item.low for item in self.summaries], axis=0)

    @property
    def high(self) -> np.ndarray:
        """Largest value of each column over all rows, `(dof,)`."""
        return np.max([item.high for item in self.summaries], axis=0)

    def quantile(self, share: float) -> np.ndarray:
        """A quantile of each column of the sample, `(dof,)`."""
        return np.quantile(self.rows, share, axis=0)


def gather(episodes: Episodes) -> Facts:
    """Read every episode once.

    Args:
        episodes: one robot's episodes; values that cannot be read end up in `damaged`, the rest goes on.
    """
    facts = _pass(episodes, {}, {}, np.zeros(0))
    wrapped, others = facts.wrapped, facts.wrapped_other
    if not wrapped and not others:
        return facts
    # Once more as if the angles went on counting: steps, ranges and lags would be the wrap's.
    first = next(item for item in episodes if item.name == facts.summaries[0].name)
    start = middle([first.read(episodes.source)], wrapped)
    facts = _pass(episodes, wrapped, others, start)
    facts.wrapped, facts.wrapped_other = wrapped, others
    return facts


def _pass(
    episodes: Episodes, wrapped: dict[int, Wrapped], others: dict[int, Wrapped], start: np.ndarray
) -> Facts:  # fmt: skip
    """One pass over the episodes, `wrapped` columns unwrapped about `start`, `(dof,)`; `others` in the other series."""
    other = "action" if episodes.source == "qpos" else "qpos"
    lost, turns, commanded = Zeros(episodes), Turns(episodes.dof), Turns(episodes.dof)
    facts = Facts(usual=_usual(episodes, wrapped, start, lost))
    widths = {item.series[other].shape[1:] for item in episodes if item.has(other)}
    paired = len(widths) == 1 and all(item.has(other) for item in episodes) and len(next(iter(widths))) == 1
    if paired and widths == {(episodes.dof,)}:
        facts.lags = Lags(episodes.dof, episodes.rate_hz)
    cells = episodes.dof + (next(iter(widths))[0] if paired else 0)
    facts.stride = -(-int(episodes.lengths.sum()) // min(MOST_ROWS, max(MOST_CELLS // (2 * cells), 1)))
    sample = _Sample(facts.stride)
    for item in episodes:
        series, head = lost.cut(item, _readable(item, episodes, facts))
        if episodes.source not in series:
            continue
        turns.add(item.name, series[episodes.source])
        alike = other in series and series[other].shape[1:] == (episodes.dof,)
        if alike:
            commanded.add(item.name, series[other])
        if wrapped:
            series[episodes.source] = unwrapped(series[episodes.source], wrapped, start)
        if alike and (wrapped or others):
            # Within half a turn of what is compared with it, or both would differ by the turn that was taken out.
            near = np.median(series[episodes.source].astype(np.float64), axis=0)
            series[other] = unwrapped(series[other], {**others, **wrapped}, near)
        rows = series[episodes.source]
        witness = series.get("qpos") if episodes.source == "action" else None
        summary = summarize(item.name, str(item.path), rows, facts.usual, witness)
        facts.summaries.append(summary.within(len(item), head))
        sample.add(rows, series.get(other) if paired else None, series.get("phase"), len(facts.summaries) - 1)
        if facts.lags is not None and other in series:
            facts.lags.add(series["qpos"], series["action"])
        for name, values in series.items():
            if values.ndim == 2 and values.shape[1] >= 4:
                facts.quaternions.setdefault(name, Quaternions(values.shape[1])).add(item.name, values)
    sample.fill(facts, episodes.dof)
    facts.zeros, facts.wrapped = lost.rows, turns.columns()
    within = {column: wraps for column, wraps in commanded.columns().items() if wraps.rows}
    facts.wrapped_other = {column: wraps for column, wraps in within.items() if column not in facts.wrapped}
    return facts


def _readable(item: Episode, episodes: Episodes, facts: Facts) -> dict[str, np.ndarray]:
    """The series of an episode that can be read; what cannot becomes a finding."""
    readable = {}
    for name, series in item.series.items():
        try:
            readable[name] = series.read()
        except InputError as error:
            names = () if name == episodes.source else item.column_names(name)
            if not names and series.shape[1:] == (episodes.dof,):
                names = episodes.joint_names
            facts.damaged += _damage(item, name, names, error)
    return readable


def _usual(episodes: Episodes, wrapped: dict[int, Wrapped], start: np.ndarray, lost: Zeros) -> np.ndarray:
    """Root mean square step of each column, from a few episodes."""
    total, count = np.zeros(episodes.dof), 0
    for index in np.unique(np.linspace(0, len(episodes) - 1, USUAL_EPISODES).round().astype(int)):
        try:
            read = {episodes.source: episodes.series(int(index))}
        except InputError:
            # The pass itself reports it.
            continue
        rows = lost.cut(episodes[int(index)], read, noted=False)[0][episodes.source]
        rows = unwrapped(rows, wrapped, start) if wrapped else rows
        total += (np.diff(rows.astype(np.float64), axis=0) ** 2).sum(0)
        count += max(len(rows) - 1, 0)
    return np.sqrt(total / max(count, 1))


class _Sample:
    """Every `stride`-th row, counted on from episode to episode."""

    def __init__(self, stride: int) -> None:
        self._stride, self._next = stride, 0
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in ("rows", "steps", "other", "phase", "episode")}

    def add(self, rows: np.ndarray, other: np.ndarray | None, phase: np.ndarray | None, number: int) -> None:
        places = np.arange(self._next, len(rows), self._stride)
        self._next = self._next + self._stride * len(places) - len(rows)
        following = np.minimum(places + 1, len(rows) - 1)
        parts = {"rows": rows[places], "steps": rows[following] - rows[places], "episode": np.full(len(places), number)}
        if other is not None:
            parts["other"] = other[places]
        elif self._parts["other"]:
            parts["other"] = np.full((len(places), self._parts["other"][0].shape[1]), np.nan, np.float32)
        if phase is not None and phase.ndim == 1:
            parts["phase"] = phase[places]
        for name, values in parts.items():
            self._parts[name].append(values)

    def fill(self, facts: Facts, dof: int) -> None:
        wide = np.zeros((0, dof), np.float32)
        empty: dict[str, list[np.ndarray]] = {"rows": [wide], "steps": [wide], "episode": [np.zeros(0, int)]}
        for name, parts in self._parts.items():
            # A companion or phases count only where all episodes have them.
            if name in empty or len(parts) == len(self._parts["rows"]) > 0:
                setattr(facts, name, np.concatenate([*empty.get(name, []), *parts]))


def _damage(item: Episode, series: str, names: Sequence[str], error: InputError) -> list[Finding]:
    """What is wrong with a series that could not be read: one finding a joint where the values tell."""
    held = item.series[series]
    whole = Finding(
        FAIL, "values.unreadable", item.name, f"{series!r}: {error.got} ({error.where})", error.expected, error.fix,
        episodes=(item.name,), exclude=True,
    )  # fmt: skip
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(held.fetch(0, len(held)))
            rows = values.astype(np.float32)
    except (InputError, ValueError, TypeError):
        return [whole]
    bad = ~np.isfinite(rows)
    if rows.ndim != 2 or not bad.any():
        return [whole]
    columns = np.flatnonzero(bad.any(axis=0)).tolist()
    findings = []
    for column in columns[:MOST_NAMED]:
        name = names[column] if len(names) == rows.shape[1] else f"column {column}"
        findings.append(_column(item, series, name, values[:, column], np.flatnonzero(bad[:, column])))
    return [*findings, whole] if len(columns) > MOST_NAMED else findings


def _column(item: Episode, series: str, name: str, values: np.ndarray, at: np.ndarray) -> Finding:
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    huge = len(at) - nan - infinite
    kinds = [f"{count} {kind}" for count, kind in ((nan, "NaN"), (infinite, "infinite")) if count]
    if huge:
        kinds.append(f"{huge} beyond what float32 holds (up to {np.abs(values[at]).max():.3g})")
    return Finding(
        FAIL,
        "values.nan" if nan else "values.infinite" if infinite else "values.huge",
        f"{name} in {item.path.name}",
        f"{' and '.join(kinds)} in {series!r} of {item.name}, {item.path}: the first at row {at[0]} of {len(values)}",
        "finite numbers",
        f"exclude {item.name}, or repair {name} there (interpolate over short gaps, never fill with zeros)",
        joint=name,
        episodes=(item.name,),
        exclude=True,
    )
