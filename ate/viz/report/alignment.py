"""The pictures of an alignment, with titles and captions: latent maps, chunks, walks, activity, reconstruction."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ate.align.alignment import Alignment
from ate.align.config import AlignConfig
from ate.align.divergences import kl
from ate.align.evaluate.activity import kl_per_dimension
from ate.align.evaluate.correspondence import Correspondence
from ate.align.evaluate.latent_map import LatentMap
from ate.align.evaluate.reconstruction import reconstruction_error
from ate.align.evaluate.scorecard import Scorecard
from ate.align.motion import PATH
from ate.data.episodes import Episodes
from ate.viz.figures.alignment import joint_errors, latent_activity
from ate.viz.figures.chunk import chunk_title, chunk_view, walk_view
from ate.viz.figures.latent_map import latent_maps, projected, representatives
from ate.viz.report.captions import Picture

# Steps along a latent direction, in standard deviations.
WALK = (-2.0, -1.0, 0.0, 1.0, 2.0)
STAGES = ("stage 1, pre-training", "stage 2, adaptation")
TRAINING, HELD_OUT = "training episodes", "held-out episodes"


def precision_note(score: Scorecard) -> str:
    """The number that belongs to every latent map."""
    row = score.row("precision")
    return f"precision {row['value']:.2f} (held-out pre-training {row['null']:.2f})"


def latent_map_pictures(
    latent_map: LatentMap,
    score: Scorecard,
    seed: int = 0,
    cache: Path | None = None,
    umap: bool = True,
    label: str = "",
) -> list[Picture]:
    """The latent map in the plane: as a PCA, and as a UMAP.

    Args:
        latent_map: the points.
        score: of the same alignment; its precision is part of each map's title.
        seed: of UMAP.
        cache: folder that keeps UMAPs.
        umap: draw one; the first in a process takes half a minute to compile.
        label: added to the titles, where there are maps of several alignments.
    """
    pretrain, adapt = latent_map.count, len(latent_map.adapt_after)
    caption = (
        f"Posterior means of {pretrain:,} of {latent_map.totals[0]:,} pre-training chunks and {adapt:,} of "
        f"{latent_map.totals[1]:,} adaptation chunks, sampled at random. Diamonds on the dots: aligned. Islands of "
        "diamonds: not aligned."
    )
    methods = {"PCA": "pca", "UMAP": "umap"} if umap else {"PCA": "pca"}
    return [
        Picture(
            f"map_{method}",
            latent_maps(latent_map, projected(latent_map, method, seed, cache), name, precision_note(score)),
            f"Latents before and after alignment{label}, {name}",
            caption,
        )
        for name, method in methods.items()
    ]


def alignment_name(config: AlignConfig) -> str:
    """What an alignment compares, where several stand next to each other: `"by joints"`, `"by tool motion"`."""
    return "by tool motion" if config.columns == "tool" else "by joints"


def alignment_judgements(judged: Mapping[str, tuple[Scorecard, Correspondence]]) -> list[dict[str, object]]:
    """One row an alignment: is it inside, do neighbours do the same, and how far off is a translated tool?

    Args:
        judged: scorecard and correspondence by the name of the alignment, all of one pair of robots.
    """
    rows: list[dict[str, object]] = []
    for name, (score, same) in judged.items():
        precision, tools = score.row("precision"), same.row(PATH)
        row: dict[str, object] = {
            "alignment": name,
            "latents": str(score.code),
            "precision / held-out": f"{precision['value']:.2f} / {precision['null']:.2f}",
            "neighbours": str(same.code),
            "their tools apart / nearest by motion (mm)": _millimetres(tools["value"], tools["oracle"]),
        }
        for measure in ("position", "rotation"):
            errors = [r for r in score.table if r["measure"] == f"translation error, {measure}"]
            text = f"{errors[0]['value']:.3g} / {errors[0]['null']:.3g}" if errors else "–"
            row[f"translated tool off, {measure} / another chunk ({'mm' if measure == 'position' else '°'})"] = text
        rows.append(row)
    return rows


def _millimetres(*metres: float | None) -> str:
    return " / ".join("–" if value is None else f"{1000 * value:.0f}" for value in metres)


def chunk_pictures(latent_map: LatentMap) -> list[Picture]:
    """Three adaptation chunks up close: the deepest inside pre-training, the median, the outermost."""
    return [
        Picture(
            f"chunk_{number}",
            chunk_view(latent_map, point),
            f"The chunk {which}: {chunk_title(latent_map, point)}",
            "Top: joints, recorded and decoded. Bottom: the path of the tool in the base frame, from the first row of "
            "the chunk. It is compared with the five nearest pre-training chunks in latent space. The bars show which "
            "part of their episodes those are.",
        )
        for number, (which, point) in enumerate(representatives(latent_map).items(), 1)
    ]


def walk_picture(latent_map: LatentMap, amounts: Sequence[float] = WALK) -> Picture:
    """Decoded chunks along the first principal direction of the adaptation latents, in standard deviations."""
    return Picture(
        "walk",
        walk_view(latent_map, latent_map.walk(0, amounts), amounts, "σ along the<br>first direction"),
        "What the first latent direction means: decoded chunks along it",
        "From the mean of the aligned latents along their first principal direction, decoded as this robot. If the "
        "curves do not differ, the direction carries no information.",
    )


def activity_picture(alignment: Alignment, pretrain: Sequence[Episodes], adapt: Episodes) -> Picture:
    """How much each latent dimension carries about its chunk, in both stages."""
    latents = dict(zip(STAGES, (alignment.encode_pretrain(pretrain), alignment.encode(adapt)), strict=True))
    first, second = latents.values()
    mean, std = torch.from_numpy(first.mean), torch.from_numpy(first.std)
    to_normal = kl(mean, std, torch.zeros(1), torch.ones(1)).mean(0).numpy()
    divergence = dict(zip(STAGES, (to_normal, kl_per_dimension(alignment, second)), strict=True))
    return Picture(
        "activity",
        latent_activity(divergence, {stage: values.mean.var(0) for stage, values in latents.items()}),
        "Information and spread of each latent dimension",
        "Left: KL divergence to the prior of the stage: N(0, I) in stage 1, the aggregated posterior of stage 1 in "
        "stage 2. Right: variance of the posterior mean over chunks. Dimensions below the dashed line carry no "
        "information about the chunk.",
    )


def reconstruction_by_split(alignment: Alignment, adapt: Episodes) -> dict[str, dict[str, float]]:
    """Mean absolute error of each joint, in the data's units, on training and on held-out adaptation episodes.

    Episodes shorter than a chunk are left out.
    """
    held_out = np.array([episode.name in alignment.held_out["adapt"] for episode in adapt])
    usable = adapt.lengths >= alignment.config.chunk
    return {
        split: reconstruction_error(alignment, adapt.select(np.flatnonzero(members & usable)))
        for split, members in {TRAINING: ~held_out, HELD_OUT: held_out}.items()
    }


def reconstruction_picture(errors: Mapping[str, Mapping[str, float]], robot: str) -> Picture:
    """The errors of `reconstruction_by_split` as bars; `robot` is the adaptation robot's name."""
    return Picture(
        "reconstruction",
        joint_errors(errors),
        f"Reconstruction of {robot}'s chunks",
        "Mean absolute error of decoded posterior means. If the held-out bars are far above the training bars, stage 2 "
        "has too few demonstrations or too many steps.",
    )


def alignment_numbers(
    alignment: Alignment, score: Scorecard, errors: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Headline numbers: precision, tail, active units, and the mean of `reconstruction_by_split` on held-out episodes.

    The error is in the data's units (radians for joints).
    """
    return {
        "precision": score.value("precision"),
        "tail_below_1_percent_density": score.value("tail below 1 % density"),
        "active_units_pretrain": int(score.value("active units, pre-training")),
        "active_units_adapt": int(score.value("active units, adaptation")),
        "latent_dimensions": alignment.config.latent,
        "mean_reconstruction_error_held_out": float(np.mean(list(errors[HELD_OUT].values()))),
    }
