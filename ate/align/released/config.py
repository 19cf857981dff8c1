"""YAML files of the released ATE code, read as they stand: its field names on the left, ours on the right.

Two spellings of the release are in use, `pretraining_dataset_dir` beside `stage1_dataset_dir` and so on; both are
taken. What a field says and this package does otherwise becomes a note, never a silence; an unknown field is refused.

Source: documentation and configuration files of the released code of Align-Then-stEer, arXiv 2509.02055.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ate.align.config import AlignConfig
from ate.errors import InputError, unknown
from ate.runs.yaml import read_mapping

# Field of the release -> our name of what it says, and its type.
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
    """What a YAML file of the release asks for.

    Attributes:
        pretrain: folder of the pre-training episodes, or of one folder a robot.
        adapt: folder of the adaptation robot's episodes.
        options: options of `AlignConfig`.
        in_channels: columns that the data must have, None where the file does not say.
        auto: train both stages; otherwise only `start_stage`.
        start_stage: `Stage1` or `Stage2`; the latter continues a folder in which stage 1 is finished.
        resume: continue what `directory` holds.
        directory: the release's `pretrained_model_dir`; None where the file does not say.
        notes: fields that have no effect here, in sentences.
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
        """The base with the file's options; epochs where the file counts them.

        Raises:
            InputError: a value that `AlignConfig` refuses.
        """
        counted = {"unit": "epochs"} if {"pretrain_steps", "adapt_steps"} & self.options.keys() else {}
        return base.with_options(**counted, **self.options)


def read_seed_config(paths: Sequence[str | Path]) -> SeedConfig:
    """Read one file, or several of which later ones win (the release splits its own into a base and a stage).

    Raises:
        InputError: no such file, no YAML, too large or deep, an alias, a field that is unknown, twice there, of the
            wrong type or contradicted by its other spelling, or no data set named.
    """
    said: dict[str, Any] = {}
    names = ", ".join(map(str, paths))
    for path in paths:
        said.update(_ours(read_mapping(Path(path)), str(path)))
    for key, field_name in (("pretrain", "pretraining_dataset_dir"), ("adapt", "adaptation_dataset_dir")):
        if not said.get(key):
            raise InputError(f"no {field_name}", where=names, expected="the folder of a data set", fix="add it")
    if said.get("SA_step", 1) != 1:
        raise InputError(
            str(said["SA_step"]),
            where=f"SA_step in {names}",
            expected="1",
            fix="set it to 1: each step is one batch",
        )
    if said.get("start_stage", "Stage1") not in STAGES:
        raise unknown(str(said["start_stage"]), STAGES, where=f"start_stage in {names}")
    resume, directory = said.get("resume", False), said.get("directory")
    second = said.get("start_stage") == "Stage2"
    if (resume or second) and not directory:
        raise InputError(
            "start_stage: Stage2 without pretrained_model_dir" if second else "resume without pretrained_model_dir",
            where=names,
            expected="the folder of the run to go on from",
            fix="add pretrained_model_dir",
        )
    notes = [f"{name} has no effect: {why}" for name, why in WITHOUT_EFFECT.items() if name in said]
    if said.get("wandb_flag"):
        notes.append("wandb_flag has no effect: metrics stay in metrics.jsonl, nothing is sent anywhere")
    options = ("chunk", "latent", "batch", "learning_rate", "weight_decay", "pretrain_steps", "adapt_steps")
    return SeedConfig(
        pretrain=Path(said["pretrain"]),
        adapt=Path(said["adapt"]),
        options={name: said[name] for name in options if name in said},
        in_channels=said.get("in_channels"),
        auto=said.get("auto", True),
        start_stage=said.get("start_stage", "Stage1"),
        resume=resume or second,
        directory=Path(directory) if directory else None,
        notes=tuple(notes),
    )


def _ours(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Fields under our names, with checked types; two spellings of one field must agree."""
    said: dict[str, Any] = {}
    by: dict[str, str] = {}
    for name, value in content.items():
        if not isinstance(name, str) or name not in FIELDS:
            raise unknown(str(name), FIELDS, where=where)
        ours, kind = FIELDS[name]
        value = _typed(name, value, kind, where)
        if ours in said and said[ours] != value:
            raise InputError(
                f"{by[ours]}: {said[ours]} beside {name}: {value}",
                where=where,
                expected="one value: both stages share a chunk length" if ours == "chunk" else "one value",
                fix="make them equal, or remove one",
            )
        said[ours], by[ours] = value, name
    return said


def _typed(name: str, value: Any, kind: type, where: str) -> Any:
    if kind is float:
        # YAML 1.1 takes 1e-4, without a point, for a string.
        try:
            if isinstance(value, (int, float, str)) and not isinstance(value, bool):
                return float(value)
        except ValueError:
            pass
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    words = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}
    raise InputError(repr(value), where=f"{name} in {where}", expected=words[kind], fix=f"correct {name}")
