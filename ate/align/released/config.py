"""YAML files of the released ATE code, read without changes.

The release has two spellings of some fields, such as `pretraining_dataset_dir` and `stage1_dataset_dir`; both are read.
A field without effect in this package becomes a note, an unknown field an error.

Source: documentation and configuration files of the released code of Align-Then-stEer, arXiv 2509.02055.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ate.align.config import AlignConfig
from ate.errors import InputError, unknown
from ate.runs.options import convert
from ate.runs.yaml import read_mapping

# Field of the release -> our name and its type.
FIELDS: Mapping[str, tuple[str, type]] = MappingProxyType(
    {
        "pretraining_dataset_dir": ("pretrain", str),
        "stage1_dataset_dir": ("pretrain", str),
        "adaptation_dataset_dir": ("adapt", str),
        "stage2_dataset_dir": ("adapt", str),
        "s_length": ("chunk", int),
        "stage1_s_length": ("chunk", int),
        "stage2_s_length": ("chunk", int),
        "in_channels": ("in_channels", int),
        "latent_dim": ("latent", int),
        "isAuto": ("auto", bool),
        "auto_stage2": ("auto", bool),
        "start_stage": ("start_stage", str),
        "resume": ("resume", bool),
        "enable_resume": ("resume", bool),
        "pretrained_model_dir": ("directory", str),
        "batch_size": ("batch", int),
        "learning_rate": ("learning_rate", float),
        "weight_decay": ("weight_decay", float),
        "stage1_num_epoch": ("pretrain_steps", int),
        "stage2_num_epoch": ("adapt_steps", int),
        "SA_step": ("SA_step", int),
        "min_lr": ("min_lr", float),
        "wandb_flag": ("wandb_flag", bool),
        "save_every_x_epoch": ("save_every_x_epoch", int),
        "max_save": ("max_save", int),
        "eval_per_x_epoch": ("eval_per_x_epoch", int),
    }
)
WITHOUT_EFFECT: Mapping[str, str] = MappingProxyType(
    {
        "min_lr": "the learning rate follows the option schedule",
        "save_every_x_epoch": "checkpoints are written about three times a stage",
        "max_save": "one resumable checkpoint is kept a stage, with the Best weights in it",
        "eval_per_x_epoch": "held-out episodes are scored twelve times a stage",
    }
)
STAGES = ("Stage1", "Stage2")


@dataclass(frozen=True)
class SeedConfig:
    """The contents of a YAML file of the release.

    Attributes:
        pretrain: folder of the pre-training episodes, or of one folder a robot.
        adapt: folder of the adaptation robot's episodes.
        options: options of `AlignConfig`.
        in_channels: columns that the data must have, None if the file has no such field.
        auto: train both stages; otherwise only `start_stage`.
        start_stage: `Stage1` or `Stage2`; the latter continues a folder in which stage 1 is finished.
        resume: continue what `directory` holds.
        directory: the release's `pretrained_model_dir`; None if the file has no such field.
        notes: sentences on fields without effect.
    """

    pretrain: Path
    adapt: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    in_channels: int | None = None
    auto: bool = True
    start_stage: str = "Stage1"
    resume: bool = False
    directory: Path | None = None
    notes: tuple[str, ...] = ()

    def config(self, base: AlignConfig) -> AlignConfig:
        """The base with the file's options; in epochs if the file has numbers of epochs.

        Raises:
            InputError: a value that `AlignConfig` refuses.
        """
        unit = {"unit": "epochs"} if {"pretrain_steps", "adapt_steps"} & self.options.keys() else {}
        return base.with_options(**unit, **self.options)


def read_seed_config(paths: Sequence[str | Path]) -> SeedConfig:
    """Read one file, or several, of which later ones win (the release has a base file and a stage file).

    Raises:
        InputError: no such file, no YAML, too large or deep, an alias, a field that is unknown, twice there, of the
            wrong type or contradicted by its other spelling, or no data set named.
    """
    values: dict[str, Any] = {}
    names = ", ".join(map(str, paths))
    for path in paths:
        values.update(_read(read_mapping(Path(path)), str(path)))
    for key, field_name in (("pretrain", "pretraining_dataset_dir"), ("adapt", "adaptation_dataset_dir")):
        if not values.get(key):
            raise InputError(f"no {field_name}", where=names, expected="the folder of a data set", fix="add it")
    if values.get("SA_step", 1) != 1:
        raise InputError(
            str(values["SA_step"]), where=f"SA_step in {names}", expected="1", fix="set it to 1: each step is one batch"
        )
    if values.get("start_stage", "Stage1") not in STAGES:
        raise unknown(str(values["start_stage"]), STAGES, where=f"start_stage in {names}")
    resume, directory = values.get("resume", False), values.get("directory")
    second = values.get("start_stage") == "Stage2"
    if (resume or second) and not directory:
        got = f"{'start_stage: Stage2' if second else 'resume'} without pretrained_model_dir"
        raise InputError(
            got, where=names, expected="the folder of the run to go on from", fix="add pretrained_model_dir"
        )
    notes = [f"{name} has no effect: {why}" for name, why in WITHOUT_EFFECT.items() if name in values]
    if values.get("wandb_flag"):
        notes.append("wandb_flag has no effect: metrics stay in metrics.jsonl, nothing is sent anywhere")
    options = ("chunk", "latent", "batch", "learning_rate", "weight_decay", "pretrain_steps", "adapt_steps")
    return SeedConfig(
        pretrain=Path(values["pretrain"]),
        adapt=Path(values["adapt"]),
        options={name: values[name] for name in options if name in values},
        in_channels=values.get("in_channels"),
        auto=values.get("auto", True),
        start_stage=values.get("start_stage", "Stage1"),
        resume=resume or second,
        directory=Path(directory) if directory else None,
        notes=tuple(notes),
    )


def _read(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values under our names, each of its type; two spellings of one field must agree."""
    values: dict[str, Any] = {}
    spelling: dict[str, str] = {}
    for field_name, text in content.items():
        if field_name not in FIELDS:
            raise unknown(str(field_name), FIELDS, where=where)
        name, kind = FIELDS[field_name]
        value = convert(text, kind, f"{field_name} in {where}")
        if name in values and values[name] != value:
            raise InputError(
                f"{spelling[name]}: {values[name]} and {field_name}: {value}",
                where=where,
                expected="one value: both stages share a chunk length" if name == "chunk" else "one value",
                fix="make them equal, or remove one",
            )
        values[name], spelling[name] = value, field_name
    return values
