"""Judging variants: every alignment put to the same tests, once a robot and seed, and what that says over seeds.

One row a variant, robot and seed: the scorecard (is it inside?), the modes (which does it lie in?), correspondence (do
neighbours do the same thing?) and reconstruction beside a PCA (at what cost?). Modes are those of *one* mixture, fitted
to the posteriors of stage 1 and used as the ruler of every variant that shares it, whatever prior the variant was
aligned to.
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
from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.anchors import why_no_anchors
from ate.align.evaluate.comparing import summary
from ate.align.evaluate.correspondence import Correspondence, correspondence
from ate.align.evaluate.mode_occupancy import mode_report
from ate.align.evaluate.scorecard import scorecard
from ate.align.evaluate.variants import VariantConfig, train_variants
from ate.align.mixture import Mixture
from ate.align.mixture_em import fit_mixture
from ate.align.motion import PATH, TURN
from ate.align.training import chunks_of, split
from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.runs.files import content_key, read_json, write_json

# Columns that are numbers of a variant, and those that are its references: the same test, of something known.
NUMBERS = (
    "precision", "tail", "unseen_mode_p", "effective_modes", "outside_modes", "displacement", "rotation",
    "reconstruction", "active_units", "spread",
)  # fmt: skip
REFERENCES = (
    "precision_null", "tail_null", "effective_modes_null", "outside_modes_null", "displacement_same_time",
    "displacement_chance", "displacement_oracle", "displacement_seen", "rotation_same_time", "pca_reconstruction",
)  # fmt: skip
WORDS = ("verdict", "correspondence")


def judge(
    pretrain: Sequence[DataSet],
    adapt: Sequence[DataSet],
    variants: Sequence[VariantConfig],
    seeds: Sequence[int],
    directory: Path,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """Rows of every robot, seed and variant; what was judged before is read back.

    Where the tool of a robot is not known, variants with anchors are "not available", with the reason.

    Args:
        pretrain: where the pre-training robots' episodes are.
        adapt: where each adaptation robot's episodes are.
        variants: what to train and judge.
        seeds: of splits, training and tests, the same for all variants.
        directory: keeps alignments and rows.
        workers: processes, each on one thread, so that results do not depend on their number.

    Raises:
        InputError: from reading, training or judging.
    """
    tasks = [(robot, seed) for robot in adapt for seed in seeds]
    jobs = (
        joblib.delayed(_judge_seed)(tuple(pretrain), robot, tuple(variants), seed, directory) for robot, seed in tasks
    )
    with joblib.parallel_config("loky", n_jobs=min(workers, len(tasks)), inner_max_num_threads=1):
        return [row for rows in joblib.Parallel()(jobs) for row in rows]


def _judge_seed(
    pretrain: Sequence[DataSet], adapt: DataSet, variants: Sequence[VariantConfig], seed: int, directory: Path
) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    sets = tuple(one for data in pretrain for one in data.load_sets())
    robot = adapt.load()
    key = content_key([seed, [one.digest for one in sets], robot.digest])
    folder = directory / f"{robot.robot}-{seed}-{key[:12]}"
    rulers: dict[str, Mixture] = {}
    reason = why_no_anchors(sets, robot)
    left_out = [variant for variant in variants if variant.config.anchor_weight and reason]
    rows: list[dict[str, Any]] = [
        {
            "variant": variant.name,
            "seed": seed,
            "robot": robot.robot,
            **dict.fromkeys(WORDS, "not available"),
            "reasons": reason,
        }
        for variant in left_out
    ]
    for variant, alignment in train_variants(
        [variant for variant in variants if variant not in left_out], sets, robot, folder, seed
    ):
        file = folder / f"{content_key([variant.kind, variant.config])[:12]}.json"
        if not file.exists():
            stage_one = repr(variant.config.first_stage)
            if stage_one not in rulers:
                rulers[stage_one] = ruler(alignment, sets, seed)
            write_json(file, row_of(alignment, sets, robot, rulers[stage_one], seed))
        rows.append({"variant": variant.name, "seed": seed, **read_json(file)})
    order = [variant.name for variant in variants]
    return sorted(rows, key=lambda row: order.index(row["variant"]))


def ruler(alignment: Alignment, pretrain: Sets, seed: int) -> Mixture:
    """The mixture fitted to φ's posteriors of the episodes that stage 1 trained on; K by held-out likelihood."""
    sets = as_sets(pretrain)
    train = [split(one, alignment.config, seed)[0] for one in sets]
    chunks = chunks_of(train, alignment.spaces_of(sets), alignment.config).to(alignment.device)
    return fit_mixture(priors.posteriors(alignment.pretrain_vae, chunks), chunks.episode, 0, seed)


def row_of(alignment: Alignment, pretrain: Sets, adapt: Episodes, modes: Mixture, seed: int) -> dict[str, Any]:
    """Every number of one alignment; None where it could not be had."""
    same = correspondence(alignment, pretrain, adapt, seed)
    report = mode_report(replace(alignment, prior=modes), pretrain, adapt, seed=seed)
    occupied = {row["measure"]: row for row in report.table}
    row = summary("", adapt.robot, scorecard(alignment, pretrain, adapt, seed))
    row |= {
        "effective_modes": occupied["effective modes"]["value"],
        "effective_modes_null": occupied["effective modes"]["null"],
        "modes": len(report.modes),
        "outside_modes": occupied["share outside all modes"]["value"],
        "outside_modes_null": occupied["share outside all modes"]["null"],
        "correspondence": same.verdict.split(":")[0],
        "correspondence_reasons": same.verdict,
    }
    for name, measure in (("displacement", PATH), ("rotation", TURN)):
        row |= _corresponding(name, same, measure)
    del row["variant"]
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}


def _corresponding(name: str, same: Correspondence, measure: str) -> dict[str, Any]:
    found = same.row(measure)
    keys = {"": "value", "_same_time": "same_time", "_chance": "chance", "_oracle": "oracle", "_seen": "seen"}
    return {f"{name}{suffix}": found[key] for suffix, key in keys.items()} | {f"{name}_p": found["p_same_time"]}


def over_seeds(rows: Sequence[Mapping[str, Any]], baseline: str = "paper") -> list[dict[str, Any]]:
    """One row a robot and variant: of each number its mean over seeds, with the half width of its 95 % t interval under
    `…_±`, and the paired difference to the baseline variant under `…_to_paper` and `…_to_paper_±`; of each reference
    its mean; of each verdict how often it was given. None where a number is missing in a seed, or seeds are fewer than
    two.
    """
    found = []
    for robot, variant in dict.fromkeys((row["robot"], row["variant"]) for row in rows):
        mine = {row["seed"]: row for row in rows if (row["robot"], row["variant"]) == (robot, variant)}
        base = {row["seed"]: row for row in rows if (row["robot"], row["variant"]) == (robot, baseline)}
        one: dict[str, Any] = {"robot": robot, "variant": variant, "seeds": len(mine)}
        for name in WORDS:
            said = [row[name] for row in mine.values()]
            one[name] = ", ".join(f"{word} {said.count(word)}" for word in dict.fromkeys(said))
        for name in NUMBERS:
            values = [row.get(name) for row in mine.values()]
            one[name], one[f"{name}_±"] = interval(values)
            paired = [
                None if row.get(name) is None or base[seed].get(name) is None else row[name] - base[seed][name]
                for seed, row in mine.items()
                if seed in base
            ]
            one[f"{name}_to_{baseline}"], one[f"{name}_to_{baseline}_±"] = interval(paired)
        for name in REFERENCES:
            one[name] = interval([row.get(name) for row in mine.values()])[0]
        found.append(one)
    return found


def interval(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and half width of the 95 % t interval; None where a value is missing, no width for fewer than two."""
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return None, None
    if len(known) < 2:
        return float(known[0]), None
    width = stats.t.ppf(0.975, len(known) - 1) * np.std(known, ddof=1) / np.sqrt(len(known))
    return float(np.mean(known)), float(width)
