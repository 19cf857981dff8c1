"""Scorecard: do adaptation latents lie inside the pre-training distribution, and is the latent alive?

The verdict depends on three tests, each compared with held-out pre-training episodes: containment (`containment`), a
mode that pre-training lacks (`unseen_modes`), and whether the latent is alive (`activity`). Reported only: two-sample
measures (`two_sample`), which ask for equality and fail a legitimate subset of modes; the gap between aggregated
posterior and prior; reconstruction, compared with a PCA (`reconstruction`); and how far off a translated chunk is
(`translation`). Mean latents are compared. Adaptation chunks of training and of held-out episodes count alike.

Being inside does not mean *doing the same thing* as the neighbouring chunks: see `correspondence`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.evaluate.activity import active_units, gap, kl_per_dimension, latent_moments, spread_ratio
from ate.align.evaluate.containment import Band, Containment, band, containment, splits
from ate.align.evaluate.reconstruction import column_units, pca_error, reconstruction_error
from ate.align.evaluate.translation import translation
from ate.align.evaluate.two_sample import differences
from ate.align.evaluate.unseen_modes import LEVEL, Outliers, UnseenMode, outliers, unseen_mode
from ate.align.latents import Latents
from ate.data.episodes import Episodes

# Adaptation means with less than this share of pre-training's variance carry no information about their chunks.
DEAD_SHARE = 0.01
# Slack around the null band, because bands of a few splits are narrow.
PRECISION_SLACK, TAIL_SLACK = 0.05, 0.02
# Below this null precision the balls of too few episodes contain nothing, whatever is tested.
POWERLESS = 0.15
# Episodes and joints that are named as outside.
NAMED = 3


class Verdict(StrEnum):
    """Where the adaptation latents lie."""

    INSIDE = "inside"
    PARTLY_OUTSIDE = "partly outside"
    OUTSIDE = "outside (shifted)"
    DEAD = "dead"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Scorecard:
    """The numbers and their interpretation.

    Args:
        code: the verdict.
        reasons: why, in a sentence.
        table: rows with `measure`, `value`, `null`, `null_low`, `null_high` (None where there is no null), `unit`, and
            `in_verdict`, whether the verdict depends on it.
        outside: the episodes and joints that are outside.
    """

    code: Verdict
    reasons: str
    table: tuple[Mapping[str, Any], ...]
    outside: Outliers

    @property
    def verdict(self) -> str:
        """The verdict with its reasons."""
        return f"{self.code}: {self.reasons}"

    def row(self, measure: str) -> Mapping[str, Any]:
        """One row."""
        return next(row for row in self.table if row["measure"] == measure)

    def value(self, measure: str) -> float:
        """The value of one row."""
        return float(self.row(measure)["value"])


def scorecard(alignment: Alignment, pretrain: Sets, adapt: Episodes, seed: int = 0) -> Scorecard:
    """Evaluate an alignment on these episodes; reconstruction on those that were held out from training, if any.

    Args:
        alignment: what to evaluate.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        seed: seed of the splits, subsamples and permutations.

    Raises:
        InputError: fewer than four pre-training episodes, or episodes of other robots than the alignment's.
    """
    pretrain_latents, adapt_latents = alignment.encode_pretrain(as_sets(pretrain)), alignment.encode(adapt)
    contained = containment(pretrain_latents.mean, pretrain_latents.group, adapt_latents.mean, seed)
    unseen = unseen_mode(pretrain_latents.mean, pretrain_latents.group, adapt_latents.mean, adapt_latents.group, seed)
    outside = outliers(alignment, pretrain_latents, adapt_latents, adapt, seed)
    rows = [
        _row("precision", contained.precision, contained.precision_null, "share", True),
        _row("tail below 1 % density", contained.tail, contained.tail_null, "share", True),
        _row("unseen mode, p-value", unseen.p, None, f"smallest possible {unseen.attainable:.2g}", True),
        _row("unseen mode, far chunks", unseen.share, unseen.null, "share of chunks", False),
        *_alive(alignment, pretrain_latents, adapt_latents, seed),
        *_two_sample(pretrain_latents, adapt_latents, seed),
        *_outside(outside),
        *_reconstruction(alignment, adapt, pretrain_latents.mean.shape[1], seed),
        *_translation(alignment, pretrain, adapt, seed),
    ]
    code, reasons = verdict(pretrain_latents.mean, adapt_latents.mean, contained, unseen, outside)
    return Scorecard(code, reasons, tuple(rows), outside)


def verdict(
    pretrain: np.ndarray,
    adapt: np.ndarray,
    contained: Containment,
    unseen: UnseenMode | None = None,
    outside: Outliers | None = None,
) -> tuple[Verdict, str]:
    """The verdict and its reasons; `pretrain` (N, d) and `adapt` (M, d) are mean latents."""
    width = pretrain.shape[1]
    if active_units(pretrain) < 2:
        return Verdict.DEAD, f"{active_units(pretrain)} of {width} latent dimensions vary over pre-training chunks."
    if active_units(adapt) < 2 or spread_ratio(pretrain, adapt) < DEAD_SHARE:
        return Verdict.DEAD, (
            f"adaptation latents hardly vary ({active_units(adapt)} of {width} dimensions active,"
            f" {spread_ratio(pretrain, adapt):.2g} of pre-training's variance), wherever they lie."
        )
    numbers = (
        f"precision {contained.precision:.2f} (held-out pre-training {_interval(contained.precision_null)}), tail"
        f" {contained.tail:.2f} (held-out pre-training {_interval(contained.tail_null)}){_unseen_text(unseen)}."
    )
    if contained.precision_null[0] < POWERLESS:
        return Verdict.CANNOT_TELL, f"held-out pre-training episodes hardly lie inside themselves; {numbers}"
    if contained.precision >= contained.precision_null[1] - PRECISION_SLACK and _no_tail(contained, unseen):
        return Verdict.INSIDE, numbers
    if contained.precision < 0.5 * contained.precision_null[0] and contained.tail > 0.5:
        return Verdict.OUTSIDE, f"most adaptation latents lie where pre-training has none; {numbers}"
    return Verdict.PARTLY_OUTSIDE, f"{numbers}{_outside_text(outside)}"


def _no_tail(contained: Containment, unseen: UnseenMode | None) -> bool:
    """Whether no more chunks than of held-out pre-training are where pre-training has hardly any.

    The tail has one density threshold for all modes, which a robot that only visits a sparse mode exceeds. Far chunks,
    measured in the local spacing, then decide.
    """
    none = contained.tail <= contained.tail_null[2] + TAIL_SLACK
    if unseen is None:
        return none
    local = unseen.attainable <= LEVEL and unseen.share <= unseen.null[2] + TAIL_SLACK
    return unseen.p >= LEVEL and (none or local)


def _alive(alignment: Alignment, pretrain: Latents, adapt: Latents, seed: int) -> Iterator[dict[str, Any]]:
    """Rows on activity, and on the aggregated posterior against the prior."""
    held = [rest for _, _, rest in splits(pretrain.group, np.random.default_rng(seed))]
    size, width = f"of {pretrain.mean.shape[1]}", "ratio of variances"
    null = band(np.array([active_units(pretrain.mean[rest]) for rest in held]))
    yield _row("active units, pre-training", active_units(pretrain.mean), None, size, True)
    yield _row("active units, adaptation", active_units(adapt.mean), null, size, True)
    null = band(np.array([spread_ratio(pretrain.mean[~rest], pretrain.mean[rest]) for rest in held]))
    yield _row("spread, adaptation / pre-training", spread_ratio(pretrain.mean, adapt.mean), null, width, True)
    null = band(np.array([kl_per_dimension(alignment, pretrain.take(rest)).mean() for rest in held]))
    yield _row("KL to prior, per dimension", float(kl_per_dimension(alignment, adapt).mean()), null, "nats", False)
    prior = alignment.prior.moments.to("cpu")
    gaps = _gaps(gap(latent_moments(adapt), prior))
    nulls = [_gaps(gap(latent_moments(pretrain.take(rest)), prior)) for rest in held]
    units = {"mean gap": "prior std, root mean square", "variance": "of the prior's, geometric mean", "KL": "nats, sum"}
    for name, unit in units.items():
        null = band(np.array([values[name] for values in nulls]))
        yield _row(f"aggregated posterior, {name}", gaps[name], null, unit, False)


def _gaps(gaps: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The gaps of all dimensions as one number each."""
    return {
        "mean gap": float(np.sqrt((gaps["mean"] ** 2).mean())),
        "variance": float(np.exp(np.log(gaps["variance"]).mean())),
        "KL": float(gaps["kl"].sum()),
    }


def _two_sample(pretrain: Latents, adapt: Latents, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the two-sample measures; without those that need more episodes."""
    d = differences(pretrain.mean, pretrain.group, adapt.mean, adapt.group, seed)
    names = {
        "mmd": ("MMD²", "in pre-training std"),
        "frechet": ("Fréchet distance²", "in pre-training std"),
        "classifier": ("classifier two-sample test", "area under the curve"),
        "coverage": ("coverage", "share of pre-training"),
    }
    for key, (name, unit) in names.items():
        if not np.isnan(d.value[key]):
            yield _row(name, d.value[key], d.null[key], unit, False)
        if key == "mmd":
            yield _row("MMD², p-value", d.mmd_p, None, "permutations by episode", False)


def _outside(outside: Outliers) -> Iterator[dict[str, Any]]:
    """Rows of the episodes and joints that are outside."""
    yield _row("outside chunks", outside.share, None, "share of chunks, about 5 % expected", False)
    for name, share in [*outside.episodes.items()][:NAMED]:
        yield _row(f"outside chunks, {name}", share, None, "share of its chunks", False)
    for name, distance in [*outside.joints.items()][:NAMED]:
        yield _row(f"outside from inside chunks, {name}", distance, None, "standard deviations", False)


def _reconstruction(alignment: Alignment, adapt: Episodes, dimension: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the reconstruction error and of the PCA's, for each joint and over the joints of the commonest unit."""
    long_enough = adapt.lengths >= alignment.config.chunk
    held = np.array([item.name in alignment.held_out["adapt"] for item in adapt])
    test, train = np.flatnonzero(held & long_enough), np.flatnonzero(~held & long_enough)
    tested = adapt.select(test) if len(test) else adapt
    errors = {"reconstruction error": reconstruction_error(alignment, tested)}
    if len(train):
        errors["reconstruction error of PCA"] = pca_error(alignment, adapt.select(train), tested, dimension, seed)
    units = column_units(alignment, adapt)
    for measure, by_joint in errors.items():
        # Joints that stand still in training have no error; of tool motion the position is what a person can judge.
        common = "m" if alignment.tool_spaces else Counter(units[joint] for joint in by_joint).most_common(1)[0][0]
        mean = float(np.mean([error for joint, error in by_joint.items() if units[joint] == common]))
        yield _row(f"{measure}, mean", mean, None, f"{common}, mean absolute", False)
        for joint, error in by_joint.items():
            yield _row(f"{measure}, {joint}", error, None, f"{units[joint]}, mean absolute", False)


def _translation(alignment: Alignment, pretrain: Sets, adapt: Episodes, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the translation error, with another chunk in its place as null; none where a tool is not known."""
    errors = translation(alignment, pretrain, adapt, seed)
    for name, unit, error in (("position", "mm", errors.position), ("rotation", "degrees", errors.rotation)):
        if error is not None:
            between = f"{unit}, {error.low:.3g} to {error.high:.3g} over episodes"
            yield _row(f"translation error, {name}", error.value, error.null, between, False)
            yield _row(f"translation error, {name}, without a latent", error.floor, None, unit, False)


def _interval(numbers: Band) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*numbers)


def _unseen_text(unseen: UnseenMode | None) -> str:
    if unseen is None:
        return ""
    text = f"; an unseen mode has p = {unseen.p:.2g}"
    if unseen.attainable > LEVEL:
        text += f", with too few episodes for less than {unseen.attainable:.2g}"
    return text


def _outside_text(outside: Outliers | None) -> str:
    if outside is None or not outside.share:
        return ""
    episodes = ", ".join(f"{name} ({share:.0%})" for name, share in [*outside.episodes.items()][:NAMED])
    text = f" {outside.share:.0%} of the chunks are outside, mostly those of {episodes}"
    if outside.joints:
        text += "; the joints that differ most from inside chunks are " + ", ".join([*outside.joints][:NAMED])
    return text + "."


def _row(measure: str, value: float, null: Band | None, unit: str, in_verdict: bool) -> dict[str, Any]:
    band_of_null = zip(("null", "null_low", "null_high"), null or (None, None, None), strict=True)
    return {"measure": measure, "value": value, **dict(band_of_null), "unit": unit, "in_verdict": in_verdict}
