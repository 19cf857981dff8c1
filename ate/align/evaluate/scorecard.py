"""Scorecard: do adaptation latents lie inside the pre-training distribution, and is the latent alive?

Judged, each beside what held-out pre-training episodes score themselves: containment (`containing`), a mode never seen
(`unseen`), and whether the latent is alive (`activity`). Reported and not judged: two-sample measures (`twosample`),
which ask for equality and fail a legitimate subset of modes, the gap between aggregated posterior and prior, and
reconstruction beside a PCA (`reconstructing`). Mean latents are compared. Adaptation chunks of training and of held-out
episodes count alike.

Lying inside says nothing about *doing the same thing* as the chunks around.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ate.align.alignment import Alignment, Latents, Sets, as_sets
from ate.align.evaluate.activity import active_units, aggregated, gap, kl_per_dimension, prior_moments, spread_ratio
from ate.align.evaluate.containment import Band, Containment, band, containment, splits
from ate.align.evaluate.outliers import NAMED, Outside, locate
from ate.align.evaluate.reconstruction import joint_units, pca_error, reconstruction_error
from ate.align.evaluate.two_sample import differences
from ate.align.evaluate.unseen_modes import LEVEL, UnseenMode, unseen_mode
from ate.data.episodes import Episodes

__all__ = [
    "Containment",
    "Scorecard",
    "active_units",
    "containment",
    "kl_per_dimension",
    "reconstruction_error",
    "scorecard",
    "spread_ratio",
    "verdict",
]

# Adaptation means that spread less than this share of pre-training's variance say nothing about their chunks.
DEAD_SHARE = 0.01
# Slack beside the null band, for bands of a few splits are narrow.
PRECISION_SLACK, TAIL_SLACK = 0.05, 0.02
# Below this null precision the balls of too few episodes hold nothing, whatever is put to the test.
POWERLESS = 0.15
VERDICTS = ("inside", "partly outside", "outside (shifted)", "dead", "cannot tell")


@dataclass(frozen=True)
class Scorecard:
    """The numbers and what they say.

    Args:
        verdict: one of `VERDICTS`, a colon, and why, in a sentence.
        table: rows with `measure`, `value`, `null`, `null_low`, `null_high` (None where there is no null), `unit`, and
            `judged`, whether the verdict depends on it.
        outside: the episodes and joints that are outside.
    """

    verdict: str
    table: tuple[Mapping[str, Any], ...]
    outside: Outside

    @property
    def word(self) -> str:
        """The verdict without its reasons."""
        return self.verdict.split(":")[0]

    def row(self, measure: str) -> Mapping[str, Any]:
        """One row."""
        return next(row for row in self.table if row["measure"] == measure)

    def value(self, measure: str) -> float:
        """The value of one row."""
        return float(self.row(measure)["value"])


def scorecard(alignment: Alignment, pretrain: Sets, adapt: Episodes, seed: int = 0) -> Scorecard:
    """Judge an alignment on the episodes given; reconstruction on those that were held out from training, if any.

    Args:
        alignment: what to judge.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        seed: seed of the splits, subsamples and permutations.

    Raises:
        InputError: fewer than four pre-training episodes, or episodes of other robots than the alignment's.
    """
    before, after = alignment.encode_pretrain(as_sets(pretrain)), alignment.encode(adapt)
    contained = containment(before.mean, before.group, after.mean, seed)
    unseen = unseen_mode(before.mean, before.group, after.mean, after.group, seed)
    outside = locate(alignment, before, after, adapt, seed)
    rows = [
        _row("precision", contained.precision, contained.precision_null, "share", True),
        _row("tail below 1 % density", contained.tail, contained.tail_null, "share", True),
        _row("unseen mode, p-value", unseen.p, None, f"smallest possible {unseen.attainable:.2g}", True),
        _row("unseen mode, far chunks", unseen.share, unseen.null, "share of chunks", False),
        *_alive(alignment, before, after, seed),
        *_reported(before, after, seed),
        *_located(outside),
        *_reconstructed(alignment, adapt, before.mean.shape[1], seed),
    ]
    return Scorecard(verdict(before.mean, after.mean, contained, unseen, outside), tuple(rows), outside)


def verdict(
    before: np.ndarray,
    after: np.ndarray,
    contained: Containment,
    unseen: UnseenMode | None = None,
    outside: Outside | None = None,
) -> str:
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
        f" {contained.tail:.2f} beside {_words(contained.tail_null)} for held-out pre-training episodes"
        f"{_unseen_words(unseen)}."
    )
    if contained.precision_null[0] < POWERLESS:
        return f"cannot tell: held-out pre-training episodes hardly lie inside themselves; {numbers}"
    if contained.precision >= contained.precision_null[1] - PRECISION_SLACK and _no_tail(contained, unseen):
        return f"inside: {numbers}"
    if contained.precision < 0.5 * contained.precision_null[0] and contained.tail > 0.5:
        return f"outside (shifted): most adaptation latents lie where pre-training has none; {numbers}"
    return f"partly outside: {numbers}{_outside_words(outside)}"


def _no_tail(contained: Containment, unseen: UnseenMode | None) -> bool:
    """Whether no more chunks than of held-out pre-training are where pre-training has hardly any.

    The tail is of one density for all modes, which a robot that only visits a sparse mode exceeds; far chunks, in the
    local spacing, then decide.
    """
    if unseen is not None and unseen.p < LEVEL:
        return False
    return contained.tail <= contained.tail_null[2] + TAIL_SLACK or (
        unseen is not None and unseen.attainable <= LEVEL and unseen.share <= unseen.null[2] + TAIL_SLACK
    )


def _alive(alignment: Alignment, before: Latents, after: Latents, seed: int) -> Iterator[dict[str, Any]]:
    """Rows on activity, and on the aggregated posterior against the prior."""
    held = [rest for _, _, rest in splits(before.group, np.random.default_rng(seed))]
    size, width = f"of {before.mean.shape[1]}", "ratio of variances"
    null = band(np.array([active_units(before.mean[rest]) for rest in held]))
    yield _row("active units, pre-training", active_units(before.mean), None, size, True)
    yield _row("active units, adaptation", active_units(after.mean), null, size, True)
    null = band(np.array([spread_ratio(before.mean[~rest], before.mean[rest]) for rest in held]))
    yield _row("spread, adaptation / pre-training", spread_ratio(before.mean, after.mean), null, width, True)
    null = band(np.array([kl_per_dimension(alignment, before.take(rest)).mean() for rest in held]))
    yield _row("KL to prior, per dimension", float(kl_per_dimension(alignment, after).mean()), null, "nats", False)
    prior = prior_moments(alignment.prior)
    found = _gaps(gap(aggregated(after), prior))
    nulls = [_gaps(gap(aggregated(before.take(rest)), prior)) for rest in held]
    units = {"mean gap": "prior std, root mean square", "variance": "of the prior's, geometric mean", "KL": "nats, sum"}
    for name, unit in units.items():
        null = band(np.array([values[name] for values in nulls]))
        yield _row(f"aggregated posterior, {name}", found[name], null, unit, False)


def _gaps(gaps: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The gaps of all dimensions as one number each."""
    return {
        "mean gap": float(np.sqrt((gaps["mean"] ** 2).mean())),
        "variance": float(np.exp(np.log(gaps["variance"]).mean())),
        "KL": float(gaps["kl"].sum()),
    }


def _reported(before: Latents, after: Latents, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the two-sample measures; those that too few episodes leave without a number are left out."""
    d = differences(before.mean, before.group, after.mean, after.group, seed)
    rows = [
        _row("MMD²", d.mmd, d.mmd_null, "in pre-training std", False),
        _row("MMD², p-value", d.mmd_p, None, "permutations by episode", False),
        _row("Fréchet distance²", d.frechet, d.frechet_null, "in pre-training std", False),
        _row("classifier two-sample test", d.classifier, d.classifier_null, "area under the curve", False),
        _row("coverage", d.coverage, d.coverage_null, "share of pre-training", False),
    ]
    yield from (row for row in rows if not np.isnan(row["value"]))


def _located(outside: Outside) -> Iterator[dict[str, Any]]:
    """Rows of the episodes and joints that stand out."""
    yield _row("outside chunks", outside.share, None, "share of chunks, about 5 % expected", False)
    for name, share in [*outside.episodes.items()][:NAMED]:
        yield _row(f"outside chunks, {name}", share, None, "share of its chunks", False)
    for name, distance in [*outside.joints.items()][:NAMED]:
        yield _row(f"outside from inside chunks, {name}", distance, None, "standard deviations", False)


def _reconstructed(alignment: Alignment, adapt: Episodes, dimension: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the reconstruction error and of the PCA's, joint by joint and over the joints of the commonest unit."""
    long_enough = adapt.lengths >= alignment.config.chunk
    held = np.array([item.name in alignment.held_out["adapt"] for item in adapt])
    test, train = np.flatnonzero(held & long_enough), np.flatnonzero(~held & long_enough)
    tested = adapt.select(test) if len(test) else adapt
    errors = {"reconstruction error": reconstruction_error(alignment, tested)}
    if len(train):
        errors["reconstruction error of PCA"] = pca_error(alignment, adapt.select(train), tested, dimension, seed)
    units = joint_units(adapt)
    for measure, by_joint in errors.items():
        # Joints that stand still in training have no error.
        common = Counter(units[joint] for joint in by_joint).most_common(1)[0][0]
        mean = float(np.mean([error for joint, error in by_joint.items() if units[joint] == common]))
        yield _row(f"{measure}, mean", mean, None, f"{common}, mean absolute", False)
        for joint, error in by_joint.items():
            yield _row(f"{measure}, {joint}", error, None, f"{units[joint]}, mean absolute", False)


def _words(numbers: Band) -> str:
    return f"{numbers[0]:.2f} ({numbers[1]:.2f} to {numbers[2]:.2f})"


def _unseen_words(unseen: UnseenMode | None) -> str:
    if unseen is None:
        return ""
    said = f"; an unseen mode has p = {unseen.p:.2g}"
    if unseen.attainable > LEVEL:
        said += f", with too few episodes for less than {unseen.attainable:.2g}"
    return said


def _outside_words(outside: Outside | None) -> str:
    if outside is None or not outside.share:
        return ""
    episodes = ", ".join(f"{name} ({share:.0%})" for name, share in [*outside.episodes.items()][:NAMED])
    said = f" {outside.share:.0%} of the chunks are outside, most of all of {episodes}"
    if outside.joints:
        said += "; their joints differ most from other chunks' in " + ", ".join([*outside.joints][:NAMED])
    return said + "."


def _row(measure: str, value: float, null: Band | None, unit: str, judged: bool) -> dict[str, Any]:
    mean, low, high = null or (None, None, None)
    return {
        "measure": measure,
        "value": value,
        "null": mean,
        "null_low": low,
        "null_high": high,
        "unit": unit,
        "judged": judged,
    }
