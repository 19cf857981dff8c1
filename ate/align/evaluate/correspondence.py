"""Correspondence: do chunks that lie together do the same thing?

Lying inside the pre-training distribution is not yet meaning something: a map that shuffles chunks within it is
perfectly contained. So every adaptation chunk is put beside its nearest pre-training chunks in the latent, and what
both robots do is compared in terms that both share: phase, path and turn of the tool in the base frame, gripper.

Each number stands between references:

* chance: latents exchanged between episodes and rotated within them by random amounts, so that overlapping chunks
  stay together; p below 0.05 says that latent and motion are related at all;
* same time: latents exchanged between episodes at equal time in the episode; what beats this is more than "beginnings
  lie by beginnings";
* same episode: latents rotated within each episode; what beats this is more than "this episode lies by that one";
* oracle: the pre-training chunks nearest by motion itself, of all measures together, phase left out;
* seen: what a pre-training robot scores when its chunks of held-out episodes look among the other robots.

Neighbours are found between posterior means, each dimension divided by the standard deviation of the aggregated
pre-training posterior, √(Var[μ] + E[σ²]), so that a dimension that says nothing counts for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.evaluate import permutations as nulls
from ate.align.evaluate.permutations import Deal
from ate.align.motion import GRIP, PATH, PHASE, TURN, UNITS, Motion, differences, features
from ate.align.motion import why_no_gripper as _no_gripper
from ate.align.motion import why_no_phase as _no_phase
from ate.align.motion import why_no_tool as _no_tool
from ate.align.priors import posteriors
from ate.align.vae import InfoVAE
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError

MOST_CHUNKS = 2000
SIGNIFICANT = 0.05
NULLS = ("chance", "same_time", "same_episode")


@dataclass(frozen=True)
class Correspondence:
    """The numbers and what they say.

    Args:
        verdict: `corresponds`, `in time only`, `no correspondence` or `cannot tell`, and why, in a sentence.
        table: one row a measure with `measure`, `value`, `unit`; for each null its mean under `chance`, `same_time`,
            `same_episode` and the one-sided p-value under `p_chance`, …; `oracle`; `seen`, `seen_low`, `seen_high`
            (mean, lowest and highest pre-training robot); `share`, of the way from chance to oracle. None where
            there is no number.
        missing: why a measure is not available, or leaves robots out, by measure.
    """

    verdict: str
    table: tuple[Mapping[str, Any], ...]
    missing: Mapping[str, str]

    def row(self, measure: str) -> Mapping[str, Any]:
        """The row of one measure."""
        return next(row for row in self.table if row["measure"] == measure)

    def value(self, measure: str) -> float:
        """The value of one measure; NaN where it is not available."""
        value = self.row(measure)["value"]
        return float("nan") if value is None else float(value)


@dataclass(frozen=True, eq=False)
class _Side:
    """Chunks of one or more robots: latent means and standard deviations (N, d), set and episode (N,), motion."""

    mean: np.ndarray
    std: np.ndarray
    set: np.ndarray
    group: np.ndarray
    motion: Motion

    def take(self, index: np.ndarray) -> "_Side":
        return _Side(self.mean[index], self.std[index], self.set[index], self.group[index], self.motion.take(index))


def correspondence(
    alignment: Alignment,
    pretrain: Sets,
    adapt: Episodes,
    seed: int = 0,
    neighbours: int = 5,
    permutations: int = 499,
) -> Correspondence:
    """Compare what adaptation chunks do with what their nearest pre-training chunks in the latent do.

    At most 2,000 chunks a side are drawn. A robot whose tool, gripper or phase is not known is left out of that
    measure, with the reason in `missing`.

    Args:
        alignment: what to judge.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        seed: seed of the subsamples and permutations.
        neighbours: nearest pre-training chunks of each adaptation chunk; measures are means over them.
        permutations: draws of each null; the smallest p-value is 1 / (permutations + 1).

    Raises:
        InputError: `neighbours` or `permutations` below 1, or episodes that are not the alignment's.
    """
    for name, value in (("neighbours", neighbours), ("permutations", permutations)):
        if value < 1:
            raise InputError(str(value), where=f"correspondence, {name}", expected="1 or more", fix=f"raise {name}")
    sets, random = as_sets(pretrain), np.random.default_rng(seed)
    before, seen = _pretrain_sides(alignment, sets, random)
    after = _side(alignment, alignment.vae, adapt, alignment.space.compact, None, MOST_CHUNKS, random)
    scale = np.sqrt(before.mean.var(0) + (before.std**2).mean(0))
    pairs = differences(after.motion, before.motion)
    near = _nearest(after.mean / scale, before.mean / scale, neighbours)
    oracle = _oracle(after.motion, before.motion, neighbours)
    others = _seen(seen, before, scale, neighbours)
    missing = _missing(sets, adapt)
    deals = _deals(after)
    rows = []
    for measure, unit in UNITS.items():
        table = pairs[measure]
        if not np.isfinite(table[np.arange(len(near))[:, None], near]).any():
            missing.setdefault(measure, "no pair of neighbours has it")
            rows.append(_row(measure, unit))
            continue
        drawn = {name: np.array([_mean(table, near[deal(random)]) for _ in range(permutations)])
                 for name, deal in deals.items()}  # fmt: skip
        reference = None if oracle is None else _mean(table, oracle)
        rows.append(_row(measure, unit, _mean(table, near), drawn, reference, others.get(measure)))
    return Correspondence(verdict({row["measure"]: row for row in rows}), tuple(rows), missing)


def verdict(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Correspondence in words, by the tool's displacement, or by phase where no tool is known; rows by measure."""
    row = next((rows[name] for name in (PATH, PHASE) if rows[name]["value"] is not None), None)
    if row is None:
        return "cannot tell: neither motion of the tool nor phase is known on both sides."
    numbers = f"{row['measure']} {row['value']:.3g} ({row['unit']}), {row['chance']:.3g} by chance"
    if row["same_time"] is not None:
        numbers += f", {row['same_time']:.3g} at the same time in other episodes"
    numbers += "".join(
        f", {row[key]:.3g} {words}"
        for key, words in (("oracle", "for the nearest by motion"), ("seen", "for a seen robot"))
        if row[key] is not None
    )
    if row["p_same_time"] is None:
        return f"cannot tell: one adaptation episode cannot tell time from motion; {numbers}."
    if row["p_chance"] >= SIGNIFICANT:
        return f"no correspondence: neighbours do no more alike than by chance (p {row['p_chance']:.3g}); {numbers}."
    if row["p_same_time"] >= SIGNIFICANT:
        return f"in time only: neighbours are as far in their task, no more (p {row['p_same_time']:.3g}); {numbers}."
    return f"corresponds: neighbours do alike, beyond time in the episode (p {row['p_same_time']:.3g}); {numbers}."


def _pretrain_sides(
    alignment: Alignment, sets: Sequence[Episodes], random: np.random.Generator
) -> tuple[_Side, tuple[_Side, ...]]:
    """At most 2,000 chunks of all sets together; and of each robot's held-out episodes, to be put to the test."""
    spaces = alignment.spaces_of(sets)
    counts = [int(np.maximum(s.lengths - alignment.config.chunk + 1, 0).sum()) for s in sets]
    quota = random.multivariate_hypergeometric(counts, min(sum(counts), MOST_CHUNKS), method="marginals")
    parts, seen = [], []
    for number, (episodes, space) in enumerate(zip(sets, spaces, strict=True)):
        key = f"pretrain/{next(i for i, s in enumerate(alignment.pretrain_spaces) if s is space)}"
        names = alignment.held_out.get(key, ())
        held = np.array([item.name in names for item in episodes])
        vae, most = alignment.pretrain_vae, max(1, MOST_CHUNKS // (2 * len(sets)))
        parts.append(_side(alignment, vae, episodes, space, None, max(1, int(quota[number])), random, number))
        seen.append(_side(alignment, vae, episodes, space, held if held.any() else None, most, random, number))
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("mean", "std", "set", "group")}
    return _Side(**columns, motion=Motion.concat([p.motion for p in parts])), tuple(seen)


def _side(
    alignment: Alignment,
    vae: InfoVAE,
    episodes: Episodes,
    space: ActionSpace,
    chosen: np.ndarray | None,
    most: int,
    random: np.random.Generator,
    number: int = 0,
) -> _Side:
    """At most `most` chunks of the episodes `chosen` (a mask; None for all), in order of episode and time."""
    chunks = alignment.chunks(episodes, space)
    episode, start = chunks.episode.cpu().numpy(), chunks.offset.cpu().numpy()
    index = np.arange(len(chunks)) if chosen is None else np.flatnonzero(chosen[episode])
    if len(index) > most:
        index = np.sort(random.choice(index, most, replace=False))
    stream = list(posteriors(vae, chunks.take(torch.from_numpy(index).to(chunks.rows.device))))
    mean, std = (
        torch.cat([getattr(p, name) for p in stream]).cpu().numpy().astype(np.float64) for name in ("mean", "std")
    )
    motion = Motion.of(episodes, episode[index], start[index], chunks.length)
    return _Side(mean, std, np.full(len(index), number), episode[index], motion)


def _nearest(points: np.ndarray, reference: np.ndarray, neighbours: int) -> np.ndarray:
    """Rows of the reference nearest to each point, (N, k)."""
    count = min(neighbours, len(reference))
    found: np.ndarray = NearestNeighbors(n_neighbors=count).fit(reference).kneighbors(points, return_distance=False)
    return found


def _oracle(after: Motion, before: Motion, neighbours: int) -> np.ndarray | None:
    """Nearest pre-training chunks by motion, (N, k); None where it is not known of all adaptation chunks."""
    known = before.known
    parts = [part for part in (PATH, TURN, GRIP) if after.known[part].all() and known[part].any()]
    rows = np.flatnonzero(np.all([known[part] for part in parts], axis=0)) if parts else np.array([], int)
    if not len(rows):
        return None
    reference = before.take(rows)
    nearest = _nearest(features(after, reference, parts), features(reference, reference, parts), neighbours)
    return rows[nearest]


def _seen(seen: Sequence[_Side], before: _Side, scale: np.ndarray, neighbours: int) -> dict[str, tuple[float, ...]]:
    """By measure, what pre-training robots score among the others: mean, lowest and highest robot."""
    found: dict[str, list[float]] = {measure: [] for measure in UNITS}
    for side in seen:
        pool = before.take(before.set != side.set[0])
        if not len(pool.mean):
            continue
        near = _nearest(side.mean / scale, pool.mean / scale, neighbours)
        for measure, table in differences(side.motion, pool.motion).items():
            if np.isfinite(table[np.arange(len(near))[:, None], near]).any():
                found[measure].append(_mean(table, near))
    return {name: (float(np.mean(v)), min(v), max(v)) for name, v in found.items() if v}


def _deals(after: _Side) -> dict[str, Deal]:
    """The nulls that the adaptation chunks allow."""
    group, time = after.group, after.motion.time
    deals = {"chance": nulls.chance(group, time), "same_episode": nulls.same_episode(group)}
    if len(np.unique(group)) > 1:
        deals["same_time"] = nulls.same_time(group, time)
    return deals


def _missing(sets: Sequence[Episodes], adapt: Episodes) -> dict[str, str]:
    """Why a measure leaves robots out, by measure."""
    reasons = {PHASE: _no_phase, PATH: _no_tool, TURN: _no_tool, GRIP: _no_gripper}
    said = {measure: [r for r in dict.fromkeys(map(why, (adapt, *sets))) if r] for measure, why in reasons.items()}
    return {measure: "; ".join(texts) for measure, texts in said.items() if texts}


def _mean(table: np.ndarray, near: np.ndarray) -> float:
    """Mean over chunks and their neighbours, of the pairs that have a number."""
    return float(np.nanmean(table[np.arange(len(near))[:, None], near]))


def _row(
    measure: str,
    unit: str,
    value: float | None = None,
    drawn: Mapping[str, np.ndarray] | None = None,
    oracle: float | None = None,
    seen: tuple[float, ...] | None = None,
) -> dict[str, Any]:
    """One row of the table."""
    row: dict[str, Any] = {"measure": measure, "value": value, "unit": unit}
    for name in NULLS:
        values = (drawn or {}).get(name)
        if value is None or values is None:
            row[name] = row[f"p_{name}"] = None
            continue
        # Rounding must not make a draw that leaves everything in place differ from the measured value.
        slack = 1e-9 * max(abs(value), 1.0)
        better = values >= value - slack if measure == PHASE else values <= value + slack
        row[name], row[f"p_{name}"] = float(values.mean()), (1 + int(better.sum())) / (1 + len(values))
    row["oracle"] = oracle
    row["seen"], row["seen_low"], row["seen_high"] = seen or (None, None, None)
    way = None if oracle is None or row["chance"] is None else row["chance"] - oracle
    row["share"] = (row["chance"] - value) / way if value is not None and way else None
    return row
