"""Benchmark: several variants of alignment, evaluated by the same tests for each robot and seed, and summarised.

One row a variant, robot and seed:

- scorecard: is it inside?
- mode occupancy: in which modes?
- correspondence: do neighbours do the same thing?
- translation: how far off is the new robot's tool?
- reconstruction, compared with a PCA: at what cost?

Modes are those of one reference mixture, fitted to the posteriors of stage 1. All variants that
share stage 1 are measured by it, whatever their prior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from scipy import stats

from ate.align import priors
from ate.align.alignment import Alignment, Sets, as_sets, chunks_of, split
from ate.align.anchors import why_no_anchors
from ate.align.evaluate.correspondence import correspondence
from ate.align.evaluate.mode_occupancy import mode_report
from ate.align.evaluate.scorecard import Scorecard, scorecard
from ate.align.evaluate.variants import VariantConfig, train_variants
from ate.align.inputs import why_no_tool_motion
from ate.align.mixture import Mixture
from ate.align.mixture_em import fit_mixture
from ate.align.motion import PATH, TURN
from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.runs.files import content_key, read_json, write_json

# Version of the rows; rows of another version are computed again.
FORMAT = 3
# Columns that are numbers of a variant, and their references: the same test on something known.
NUMBERS = (
    "precision", "tail", "unseen_mode_p", "effective_modes", "outside_modes", "displacement", "rotation",
    "reconstruction", "active_units", "spread", "translation", "translation_turn",
)  # fmt: skip
REFERENCES = (
    "precision_null", "tail_null", "effective_modes_null", "outside_modes_null", "displacement_same_time",
    "displacement_chance", "displacement_oracle", "displacement_pretrain", "rotation_same_time", "pca_reconstruction",
    "translation_null", "translation_turn_null",
)  # fmt: skip
VERDICTS = ("verdict", "correspondence")
NOT_AVAILABLE = "not available"
# Columns that the scorecard gives, and its measures.
SCORES = (
    ("precision", "precision"),
    ("tail", "tail below 1 % density"),
    ("unseen_mode_p", "unseen mode, p-value"),
    ("active_units", "active units, adaptation"),
    ("spread", "spread, adaptation / pre-training"),
    ("coverage", "coverage"),
    ("reconstruction", "reconstruction error, mean"),
    ("pca_reconstruction", "reconstruction error of PCA, mean"),
    ("translation", "translation error, position"),
    ("translation_turn", "translation error, rotation"),
)
WITH_NULL = ("precision", "tail", "translation", "translation_turn")


def run_benchmark(
    pretrain: Sequence[DataSet],
    adapt: Sequence[DataSet],
    variants: Sequence[VariantConfig],
    seeds: Sequence[int],
    directory: Path,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """Rows of all robots, seeds and variants; rows that the directory already holds are read back.

    If the tool of a robot is not known, variants with anchors or by tool motion are "not available", with the reason.

    Args:
        pretrain: where the pre-training robots' episodes are.
        adapt: where each adaptation robot's episodes are.
        variants: what to train and evaluate.
        seeds: of splits, training and tests, the same for all variants.
        directory: keeps alignments and rows.
        workers: processes, each on one thread, so that results do not depend on their number.

    Raises:
        InputError: from reading, training or evaluating.
    """
    tasks = [(robot, seed) for robot in adapt for seed in seeds]
    work = joblib.delayed(_rows_of_seed)
    jobs = (work(tuple(pretrain), robot, tuple(variants), seed, directory) for robot, seed in tasks)
    with joblib.parallel_config("loky", n_jobs=min(workers, len(tasks)), inner_max_num_threads=1):
        return [row for rows in joblib.Parallel()(jobs) for row in rows]


def _rows_of_seed(
    pretrain: Sequence[DataSet], adapt: DataSet, variants: Sequence[VariantConfig], seed: int, directory: Path
) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    sets = tuple(episodes for data in pretrain for episodes in data.load_sets())
    robot = adapt.load()
    key = content_key([seed, [episodes.digest for episodes in sets], robot.digest])
    folder = directory / f"{robot.robot}-{seed}-{key[:12]}"
    reason = why_no_anchors(sets, robot)
    still = why_no_tool_motion([*sets, robot])
    why = {v: still if v.config.columns == "tool" else reason if v.config.anchor_weight else "" for v in variants}
    left_out = [variant for variant in variants if why[variant]]
    absent = {"seed": seed, "robot": robot.robot, **dict.fromkeys(VERDICTS, NOT_AVAILABLE)}
    rows: list[dict[str, Any]] = [{"variant": v.name, **absent, "reasons": why[v]} for v in left_out]
    mixtures: dict[str, Mixture] = {}
    trained = [variant for variant in variants if variant not in left_out]
    for variant, alignment in train_variants(trained, sets, robot, folder, seed):
        file = folder / f"{content_key([FORMAT, variant.kind, variant.config])[:12]}.json"
        if not file.exists():
            stage_one = repr(variant.config.first_stage)
            if stage_one not in mixtures:
                mixtures[stage_one] = reference_mixture(alignment, sets, seed)
            write_json(file, row_of(alignment, sets, robot, mixtures[stage_one], seed))
        rows.append({"variant": variant.name, "seed": seed, **read_json(file)})
    order = [variant.name for variant in variants]
    return sorted(rows, key=lambda row: order.index(row["variant"]))


def reference_mixture(alignment: Alignment, pretrain: Sets, seed: int) -> Mixture:
    """The mixture fitted to φ's posteriors of the episodes that stage 1 trained on; K by held-out likelihood."""
    sets = as_sets(pretrain)
    train = [split(episodes, alignment.config, seed)[0] for episodes in sets]
    chunks = chunks_of(train, alignment.spaces_of(sets), alignment.config).to(alignment.device)
    return fit_mixture(priors.posteriors(alignment.pretrain_vae, chunks), chunks.episode, 0, seed)


def row_of(alignment: Alignment, pretrain: Sets, adapt: Episodes, modes: Mixture, seed: int) -> dict[str, Any]:
    """All numbers of one alignment; None where a number is not available."""
    agreement = correspondence(alignment, pretrain, adapt, seed)
    report = mode_report(replace(alignment, prior=modes), pretrain, adapt, seed=seed)
    occupancy = {row["measure"]: row for row in report.table}
    row = {
        "robot": adapt.robot,
        **_scores(scorecard(alignment, pretrain, adapt, seed)),
        "modes": len(report.modes),
        "correspondence": str(agreement.code),
        "correspondence_reasons": agreement.verdict,
    }
    for name, measure in (("effective_modes", "effective modes"), ("outside_modes", "share outside all modes")):
        row |= {name: occupancy[measure]["value"], f"{name}_null": occupancy[measure]["null"]}
    for name, measure in (("displacement", PATH), ("rotation", TURN)):
        numbers = agreement.row(measure)
        row |= {name: numbers["value"], f"{name}_p": numbers["p_same_time"]}
        row |= {f"{name}_{key}": numbers[key] for key in ("same_time", "chance", "oracle", "pretrain")}
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}


def _scores(card: Scorecard) -> dict[str, Any]:
    rows = {row["measure"]: row for row in card.table}
    values: dict[str, Any] = {"verdict": str(card.code)}
    for column, measure in SCORES:
        values[column] = rows[measure]["value"] if measure in rows else None
        if column in WITH_NULL:
            values[f"{column}_null"] = rows[measure]["null"] if measure in rows else None
    return {**values, "unit": rows["reconstruction error, mean"]["unit"], "reasons": card.verdict}


def over_seeds(rows: Sequence[Mapping[str, Any]], baseline: str = "paper") -> list[dict[str, Any]]:
    """One row a robot and variant, summarised over its seeds.

    Args:
        rows: of `run_benchmark`.
        baseline: the variant that the others are compared with.

    Returns:
        Of each number its mean, with the half width of the 95 % t interval under `…_±`, and the paired difference to
        the baseline under `…_to_paper` and `…_to_paper_±`; of each reference its mean; of each verdict its counts. None
        if a number is missing in a seed, and no width for fewer than two seeds.
    """
    summary = []
    for robot, variant in dict.fromkeys((row["robot"], row["variant"]) for row in rows):
        own = {row["seed"]: row for row in rows if (row["robot"], row["variant"]) == (robot, variant)}
        base = {row["seed"]: row for row in rows if (row["robot"], row["variant"]) == (robot, baseline)}
        means: dict[str, Any] = {"robot": robot, "variant": variant, "seeds": len(own)}
        for name in VERDICTS:
            verdicts = [row[name] for row in own.values()]
            means[name] = ", ".join(f"{word} {verdicts.count(word)}" for word in dict.fromkeys(verdicts))
        for name in NUMBERS:
            means[name], means[f"{name}_±"] = interval([row.get(name) for row in own.values()])
            paired = [
                None if row.get(name) is None or base[seed].get(name) is None else row[name] - base[seed][name]
                for seed, row in own.items()
                if seed in base
            ]
            means[f"{name}_to_{baseline}"], means[f"{name}_to_{baseline}_±"] = interval(paired)
        for name in REFERENCES:
            means[name] = interval([row.get(name) for row in own.values()])[0]
        summary.append(means)
    return summary


def interval(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and half width of the 95 % t interval; None where a value is missing, no width for fewer than two."""
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return None, None
    if len(known) < 2:
        return float(known[0]), None
    width = stats.t.ppf(0.975, len(known) - 1) * np.std(known, ddof=1) / np.sqrt(len(known))
    return float(np.mean(known)), float(width)
