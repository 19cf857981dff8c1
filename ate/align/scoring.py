"""Scorecard: do adaptation latents lie inside the pre-training distribution, and is the latent alive?

Containment is judged by two numbers, each beside what held-out pre-training episodes score themselves:

* precision (PRDC): share of points inside the k-nearest-neighbour balls of the pre-training latents;
* tail: share of points whose k-nearest-neighbour log density, log p = −d · log r_k + const, lies below the 1 %
  quantile of pre-training.

The null is drawn anew in several splits by episode, so that overlapping chunks of one episode never stand on both
sides. Mean latents are compared. Recall and two-sample tests would ask for equality, which a legitimate subset of
modes fails, so nothing is judged by them.

Sources: precision of Kynkäänniemi et al., arXiv 1904.06991, as in PRDC, arXiv 2002.09797; active units of Burda et
al., arXiv 1509.00519.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from ate.align.alignment import Alignment, Latents, Sets, as_sets
from ate.align.divergences import kl
from ate.align.stages import ACTIVE_VARIANCE
from ate.data.episodes import Episodes
from ate.errors import InputError

NEIGHBOURS = 5
TAIL = 0.01
SPLITS = 5
MOST_POINTS = 2000
# Adaptation means that spread less than this share of pre-training's variance say nothing about their chunks.
DEAD_SHARE = 0.01
# Slack beside the null band, for bands of a few splits are narrow.
PRECISION_SLACK, TAIL_SLACK = 0.05, 0.02
# Below this null precision the balls of too few episodes hold nothing, whatever is put to the test.
POWERLESS = 0.15


@dataclass(frozen=True)
class Containment:
    """Numbers over the splits: the mean for adaptation, and for held-out pre-training mean and band.

    Args:
        precision: of the adaptation latents.
        precision_null: mean, lowest and highest precision of held-out pre-training latents.
        tail: share of the adaptation latents in the 1 % tail of pre-training density.
        tail_null: mean, lowest and highest of the same share of held-out pre-training latents.
    """

    precision: float
    precision_null: tuple[float, float, float]
    tail: float
    tail_null: tuple[float, float, float]


@dataclass(frozen=True)
class Scorecard:
    """The numbers and what they say.

    Args:
        verdict: `inside`, `partly outside`, `outside (shifted)`, `dead` or `cannot tell`, and why, in a sentence.
        table: rows with `measure`, `value`, `null`, `null_low`, `null_high` (None where there is no null) and `unit`.
    """

    verdict: str
    table: tuple[Mapping[str, Any], ...]

    def value(self, measure: str) -> float:
        """The value of one row."""
        return float(next(row["value"] for row in self.table if row["measure"] == measure))


def scorecard(alignment: Alignment, pretrain: Sets, adapt: Episodes, seed: int = 0) -> Scorecard:
    """Judge an alignment on the episodes given; reconstruction on those that were held out from training, if any.

    Args:
        alignment: what to judge.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        seed: seed of the splits and subsamples.
    """
    sets = as_sets(pretrain)
    before, after = alignment.encode_pretrain(sets), alignment.encode(adapt)
    contained = containment(before.mean, before.group, after.mean, seed)
    rows = [
        _row("precision", contained.precision, contained.precision_null, "share"),
        _row("tail below 1 % density", contained.tail, contained.tail_null, "share"),
        _row("active units, pre-training", active_units(before.mean), None, f"of {before.mean.shape[1]}"),
        _row("active units, adaptation", active_units(after.mean), None, f"of {after.mean.shape[1]}"),
        _row("spread, adaptation / pre-training", spread_ratio(before.mean, after.mean), None, "ratio of variances"),
        _row("KL to prior, per dimension", float(np.mean(kl_per_dimension(alignment, after))), None, "nats"),
    ]
    held = [i for i, item in enumerate(adapt) if item.name in alignment.held_out["adapt"]]
    errors = reconstruction_error(alignment, adapt.select(held) if held else adapt)
    rows += [
        _row(f"reconstruction error, {joint}", error, None, "data units (rad for joints), mean absolute")
        for joint, error in errors.items()
    ]
    return Scorecard(verdict(before.mean, after.mean, contained), tuple(rows))


def containment(before: np.ndarray, group: np.ndarray, after: np.ndarray, seed: int = 0) -> Containment:
    """Precision and tail of `after` (M, d) in `before` (N, d), whose rows are of episodes `group (N,)`.

    Each split takes half of the episodes as the reference, a quarter to set the 1 % threshold and a quarter as the
    null, and at most 2,000 points of each.
    """
    episodes = np.unique(group)
    if len(episodes) < 4:
        raise InputError(
            f"{len(episodes)} pre-training episodes",
            where="scorecard",
            expected="at least 4",
            way_out="pass more pre-training episodes: the null is taken from held-out ones",
        )
    random = np.random.default_rng(seed)
    scores = []
    for _ in range(SPLITS):
        order = random.permutation(episodes)
        half, quarter = len(order) // 2, max(1, len(order) // 4)
        parts = (order[:half], order[half : half + quarter], order[half + quarter :])
        reference, calibrate, null = (_subsample(before[np.isin(group, part)], random) for part in parts)
        scores.append(_score(reference, calibrate, null, _subsample(after, random)))
    precision, precision_null, tail, tail_null = np.array(scores).T
    return Containment(float(precision.mean()), _band(precision_null), float(tail.mean()), _band(tail_null))


def verdict(before: np.ndarray, after: np.ndarray, contained: Containment) -> str:
    """The scorecard in words; `before` (N, d) and `after` (M, d) are mean latents."""
    if active_units(before) < 2:
        return f"dead: {active_units(before)} of {before.shape[1]} latent dimensions vary over pre-training chunks."
    if active_units(after) < 2 or spread_ratio(before, after) < DEAD_SHARE:
        return (
            f"dead: adaptation latents hardly vary ({active_units(after)} of {after.shape[1]} dimensions active,"
            f" {spread_ratio(before, after):.2g} of pre-training's variance), wherever they lie."
        )
    numbers = (
        f"precision {contained.precision:.2f} beside {_words(contained.precision_null)}, tail"
        f" {contained.tail:.2f} beside {_words(contained.tail_null)} for held-out pre-training episodes."
    )
    if contained.precision_null[0] < POWERLESS:
        return f"cannot tell: held-out pre-training episodes hardly lie inside themselves; {numbers}"
    if (
        contained.precision >= contained.precision_null[1] - PRECISION_SLACK
        and contained.tail <= contained.tail_null[2] + TAIL_SLACK
    ):
        return f"inside: {numbers}"
    if contained.precision < 0.5 * contained.precision_null[0] and contained.tail > 0.5:
        return f"outside (shifted): most adaptation latents lie where pre-training has none; {numbers}"
    return f"partly outside: {numbers}"


def active_units(means: np.ndarray) -> int:
    """Latent dimensions whose posterior mean (N, d) varies between chunks by a variance above 0.01."""
    return int((means.var(0) > ACTIVE_VARIANCE).sum())


def spread_ratio(before: np.ndarray, after: np.ndarray) -> float:
    """Total variance of adaptation means over that of pre-training means."""
    return float(after.var(0).sum() / max(before.var(0).sum(), np.finfo(np.float32).tiny))


def kl_per_dimension(alignment: Alignment, latents: Latents) -> np.ndarray:
    """KL(q_ψ(z|a) ‖ prior) of each dimension, mean over chunks, (d,), in nats."""
    prior = alignment.prior.to("cpu")
    return kl(torch.from_numpy(latents.mean), torch.from_numpy(latents.std), prior.mean, prior.std).mean(0).numpy()


def reconstruction_error(alignment: Alignment, adapt: Episodes) -> dict[str, float]:
    """Mean absolute error of D(μ(a)) per joint that moves, in the data's units (radians; gripper as recorded)."""
    chunks, space = alignment.chunks(adapt), alignment.space.compact
    errors = []
    with torch.no_grad():
        for index in torch.arange(len(chunks), device=alignment.device).split(1024):
            x = chunks.gather(index)
            decoded = alignment.vae.decode(alignment.vae.encode(x).mean, chunks.length)
            errors.append((space.decode(decoded) - space.decode(x)).abs().mean(1).cpu())
    mean = torch.cat(errors).mean(0)
    named = zip(alignment.joint_names, mean, space.normalizer.constant, strict=True)
    return {joint: float(value) for joint, value, constant in named if not constant}


def _score(
    reference: np.ndarray, calibrate: np.ndarray, null: np.ndarray, after: np.ndarray
) -> tuple[float, float, float, float]:
    """Precision of `after` and of `null`, then their tails, all against `reference`."""
    index = NearestNeighbors().fit(reference)
    k = min(NEIGHBOURS, len(reference) - 1)
    radii = index.kneighbors(reference, k + 1)[0][:, -1]
    # Density falls with the distance to the k-th neighbour, so its 1 % quantile is the distances' 99 % one.
    threshold = np.quantile(index.kneighbors(calibrate, k)[0][:, -1], 1.0 - TAIL)

    def precision(points: np.ndarray) -> float:
        distances = np.sqrt(np.maximum(_squared_distances(points, reference), 0.0))
        return float((distances <= radii[None, :]).any(1).mean())

    def tail(points: np.ndarray) -> float:
        return float((index.kneighbors(points, k)[0][:, -1] > threshold).mean())

    return precision(after), precision(null), tail(after), tail(null)


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2.0 * x @ y.T


def _subsample(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if len(points) <= MOST_POINTS:
        return points.astype(np.float64)
    return points[random.choice(len(points), MOST_POINTS, replace=False)].astype(np.float64)


def _band(values: np.ndarray) -> tuple[float, float, float]:
    return float(values.mean()), float(values.min()), float(values.max())


def _words(band: tuple[float, float, float]) -> str:
    return f"{band[0]:.2f} ({band[1]:.2f} to {band[2]:.2f})"


def _row(measure: str, value: float, null: tuple[float, float, float] | None, unit: str) -> dict[str, Any]:
    mean, low, high = null or (None, None, None)
    return {"measure": measure, "value": value, "null": mean, "null_low": low, "null_high": high, "unit": unit}
