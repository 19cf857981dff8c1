"""Correspondence: do neighbouring chunks in the latent do the same thing?

Containment alone does not show it: a map that shuffles chunks within the pre-training distribution is perfectly
contained. Each adaptation chunk is therefore compared with its nearest pre-training chunks in the latent. What both
robots do is compared in terms that both share: phase, path and turn of the tool in the base frame, gripper.

Each number has these references:

* chance: latents exchanged between episodes and rotated within them by random amounts, so that overlapping chunks stay
  together; p below 0.05 means that latent and motion are related at all;
* same time: latents exchanged between episodes at equal time in the episode; a better value means more than "beginnings
  are near beginnings";
* same episode: latents rotated within each episode; a better value means more than "this episode is near that one";
* oracle: the pre-training chunks nearest by motion itself, of all measures together but phase;
* pretrain: the value of a pre-training robot whose held-out chunks have their neighbours among the other robots.

Neighbours are found between posterior means. Each dimension is divided by the standard deviation of the aggregated
pre-training posterior, √(Var[μ] + E[σ²]), so that a dimension without information counts for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.evaluate import permutations as nulls
from ate.align.motion import GRIP, PATH, PHASE, TURN, UNITS, Motion, differences, features, why_missing
from ate.align.priors import posteriors
from ate.align.vae import InfoVAE
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError

MOST_CHUNKS = 2000
SIGNIFICANT = 0.05
NULLS = ("chance", "same_time", "same_episode")


class Agreement(StrEnum):
    """Whether latent neighbours do the same thing."""

    CORRESPONDS = "corresponds"
    IN_TIME_ONLY = "in time only"
    NONE = "no correspondence"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Correspondence:
    """The numbers and their interpretation.

    Args:
        code: the verdict.
        reasons: why, in a sentence.
        table: one row a measure with `measure`, `value`, `unit`; the mean of each null (`chance`, `same_time`,
            `same_episode`) and its one-sided p-value (`p_chance`, …); `oracle`; `pretrain`, `pretrain_low`,
            `pretrain_high` (mean, lowest and highest pre-training robot); `share` of the way from chance to oracle.
            None where there is no number.
        missing: why a measure is not available, or leaves robots out, by measure.
    """

    code: Agreement
    reasons: str
    table: tuple[Mapping[str, Any], ...]
    missing: Mapping[str, str]

    @property
    def verdict(self) -> str:
        """The verdict with its reasons."""
        return f"{self.code}: {self.reasons}"

    def row(self, measure: str) -> Mapping[str, Any]:
        """The row of one measure."""
        return next(row for row in self.table if row["measure"] == measure)

    def value(self, measure: str) -> float:
        """The value of one measure; NaN where it is not available."""
        value = self.row(measure)["value"]
        return float("nan") if value is None else float(value)


@dataclass(frozen=True, eq=False)
class _Side(Motion):
    """Motion of chunks of one or more robots: latent means and deviations (N, d), set and episode (N,)."""

    mean: np.ndarray
    std: np.ndarray
    set: np.ndarray
    group: np.ndarray


def correspondence(
    alignment: Alignment, pretrain: Sets, adapt: Episodes, seed: int = 0, neighbours: int = 5, permutations: int = 499
) -> Correspondence:
    """Compare what adaptation chunks do with what their nearest pre-training chunks in the latent do.

    At most 2,000 chunks a side are sampled. A robot whose tool, gripper or phase is not known is left out of that
    measure, with the reason in `missing`.

    Args:
        alignment: what to evaluate.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        seed: seed of the subsamples and permutations.
        neighbours: nearest pre-training chunks of each adaptation chunk; measures are means over them.
        permutations: of each null; the smallest p-value is 1 / (permutations + 1).

    Raises:
        InputError: `neighbours` or `permutations` below 1, or episodes that are not the alignment's.
    """
    for name, value in (("neighbours", neighbours), ("permutations", permutations)):
        if value < 1:
            raise InputError(str(value), where=f"correspondence, {name}", expected="1 or more", fix=f"raise {name}")
    sets, random = as_sets(pretrain), np.random.default_rng(seed)
    reference, held_out = _pretrain_sides(alignment, sets, random)
    queries = _side(alignment, alignment.vae, adapt, alignment.seen[-1].compact, None, MOST_CHUNKS, random)
    scale = np.sqrt(reference.mean.var(0) + (reference.std**2).mean(0))
    pairs = differences(queries, reference)
    near = _nearest(queries.mean / scale, reference.mean / scale, neighbours)
    oracle = _oracle(queries, reference, neighbours)
    of_pretrain = _pretrain_values(held_out, reference, scale, neighbours)
    why = [why_missing(episodes) for episodes in (adapt, *sets)]
    reasons = {name: "; ".join(dict.fromkeys(w[name] for w in why if w[name])) for name in UNITS}
    missing = {name: text for name, text in reasons.items() if text}
    permute = nulls.permutations(queries.group, queries.time)
    rows = []
    for measure, unit in UNITS.items():
        table = pairs[measure]
        if not np.isfinite(np.take_along_axis(table, near, 1)).any():
            missing.setdefault(measure, "no pair of neighbours has it")
            rows.append(_row(measure, unit))
            continue
        null = {name: np.array([_mean(table, near[permutation(random)]) for _ in range(permutations)])
                for name, permutation in permute.items()}  # fmt: skip
        best = None if oracle is None else _mean(table, oracle)
        rows.append(_row(measure, unit, _mean(table, near), null, best, of_pretrain.get(measure)))
    return Correspondence(*verdict({row["measure"]: row for row in rows}), tuple(rows), missing)


def verdict(rows: Mapping[str, Mapping[str, Any]]) -> tuple[Agreement, str]:
    """The verdict and its reasons, by the tool's displacement, or by phase if no tool is known; rows by measure."""
    row = next((rows[name] for name in (PATH, PHASE) if rows[name]["value"] is not None), None)
    if row is None:
        return Agreement.CANNOT_TELL, "neither motion of the tool nor phase is known on both sides."
    numbers = f"{row['measure']} {row['value']:.3g} ({row['unit']})"
    numbers += "".join(
        f", {words} {row[key]:.3g}"
        for key, words in (
            ("chance", "by chance"),
            ("same_time", "at the same time in other episodes"),
            ("oracle", "of the nearest by motion"),
            ("pretrain", "of a pre-training robot"),
        )
        if row[key] is not None
    )
    if row["p_same_time"] is None:
        return Agreement.CANNOT_TELL, f"one adaptation episode cannot tell time from motion; {numbers}."
    if row["p_chance"] >= SIGNIFICANT:
        return Agreement.NONE, f"neighbours are no more alike than by chance (p {row['p_chance']:.3g}); {numbers}."
    p = f"(p {row['p_same_time']:.3g})"
    if row["p_same_time"] >= SIGNIFICANT:
        return Agreement.IN_TIME_ONLY, f"neighbours share the time in the episode, no more {p}; {numbers}."
    return Agreement.CORRESPONDS, f"neighbours do the same thing, beyond time in the episode {p}; {numbers}."


def _pretrain_sides(
    alignment: Alignment, sets: Sequence[Episodes], random: np.random.Generator
) -> tuple[_Side, tuple[_Side, ...]]:
    """At most 2,000 chunks of all sets together; and chunks of each robot's held-out episodes, to be tested."""
    spaces = alignment.spaces_of(sets)
    counts = [int(np.maximum(s.lengths - alignment.config.chunk + 1, 0).sum()) for s in sets]
    quota = random.multivariate_hypergeometric(counts, min(sum(counts), MOST_CHUNKS), method="marginals")
    parts, tested = [], []
    for number, (episodes, space) in enumerate(zip(sets, spaces, strict=True)):
        key = f"pretrain/{next(i for i, s in enumerate(alignment.seen) if s is space)}"
        names = alignment.held_out.get(key, ())
        held = np.array([item.name in names for item in episodes])
        vae, most = alignment.pretrain_vae, max(1, MOST_CHUNKS // (2 * len(sets)))
        parts.append(_side(alignment, vae, episodes, space, None, max(1, int(quota[number])), random, number))
        tested.append(_side(alignment, vae, episodes, space, held if held.any() else None, most, random, number))
    return _Side.concat(parts), tuple(tested)


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
    motion = vars(Motion.of(episodes, episode[index], start[index], chunks.length))
    return _Side(**motion, mean=mean, std=std, set=np.full(len(index), number), group=episode[index])


def _nearest(points: np.ndarray, reference: np.ndarray, neighbours: int) -> np.ndarray:
    """Rows of the reference nearest to each point, (N, k)."""
    count = min(neighbours, len(reference))
    return NearestNeighbors(n_neighbors=count).fit(reference).kneighbors(points, return_distance=False)


def _oracle(adapt: Motion, pretrain: Motion, neighbours: int) -> np.ndarray | None:
    """Nearest pre-training chunks by motion, (N, k); None if it is not known of all adaptation chunks."""
    known = pretrain.known
    parts = [part for part in (PATH, TURN, GRIP) if adapt.known[part].all() and known[part].any()]
    rows = np.flatnonzero(np.all([known[part] for part in parts], axis=0)) if parts else np.array([], int)
    if not len(rows):
        return None
    reference = pretrain.take(rows)
    nearest = _nearest(features(adapt, reference, parts), features(reference, reference, parts), neighbours)
    return rows[nearest]


def _pretrain_values(
    held_out: Sequence[_Side], reference: _Side, scale: np.ndarray, neighbours: int
) -> dict[str, tuple[float, ...]]:
    """By measure, the value of pre-training robots among the others: mean, lowest and highest robot."""
    by_measure: dict[str, list[float]] = {measure: [] for measure in UNITS}
    for side in held_out:
        others = reference.take(reference.set != side.set[0])
        if not len(others):
            continue
        near = _nearest(side.mean / scale, others.mean / scale, neighbours)
        for measure, table in differences(side, others).items():
            if np.isfinite(np.take_along_axis(table, near, 1)).any():
                by_measure[measure].append(_mean(table, near))
    return {name: (float(np.mean(v)), min(v), max(v)) for name, v in by_measure.items() if v}


def _mean(table: np.ndarray, near: np.ndarray) -> float:
    """Mean over chunks and their neighbours, of the pairs that have a number."""
    return float(np.nanmean(np.take_along_axis(table, near, 1)))


def _row(
    measure: str,
    unit: str,
    value: float | None = None,
    null: Mapping[str, np.ndarray] | None = None,
    oracle: float | None = None,
    pretrain: tuple[float, ...] | None = None,
) -> dict[str, Any]:
    """One row of the table."""
    row: dict[str, Any] = {"measure": measure, "value": value, "unit": unit}
    for name in NULLS:
        values = (null or {}).get(name)
        if value is None or values is None:
            row[name] = row[f"p_{name}"] = None
            continue
        # Rounding must not make a permutation that changes nothing differ from the measured value.
        slack = 1e-9 * max(abs(value), 1.0)
        better = values >= value - slack if measure == PHASE else values <= value + slack
        row[name], row[f"p_{name}"] = float(values.mean()), (1 + int(better.sum())) / (1 + len(values))
    row["oracle"] = oracle
    row["pretrain"], row["pretrain_low"], row["pretrain_high"] = pretrain or (None, None, None)
    way = None if oracle is None or row["chance"] is None else row["chance"] - oracle
    row["share"] = (row["chance"] - value) / way if value is not None and way else None
    return row
