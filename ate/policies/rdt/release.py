"""The released `configs/base.yaml`: sizes of the policy, and how pictures and words come to it.

Source: field names of the released code of RDT-1B, arXiv 2410.07864.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ate.errors import InputError
from ate.runs.yaml import read_mapping

# Field of the file → name in `RunnerConfig`.
SIZES: Mapping[str, str] = MappingProxyType(
    {
        "common.state_dim": "action_dim",
        "common.action_chunk_size": "pred_horizon",
        "dataset.tokenizer_max_length": "max_lang_cond_len",
        "model.lang_token_dim": "lang_token_dim",
        "model.img_token_dim": "img_token_dim",
        "model.rdt.hidden_size": "hidden_size",
        "model.rdt.depth": "depth",
        "model.rdt.num_heads": "num_heads",
        "model.noise_scheduler.num_train_timesteps": "num_train_timesteps",
        "model.noise_scheduler.num_inference_timesteps": "num_inference_timesteps",
        "model.noise_scheduler.beta_schedule": "beta_schedule",
        "model.noise_scheduler.prediction_type": "prediction_type",
    }
)
HISTORY, CAMERAS, ASPECT = "common.img_history_size", "common.num_cameras", "dataset.image_aspect_ratio"
# Projections: `mlp2x_gelu` is two linear maps, `linear` one.
ADAPTORS: Mapping[str, str] = MappingProxyType(
    {"model.lang_adaptor": "lang_layers", "model.img_adaptor": "img_layers", "model.state_adaptor": "state_layers"}
)
_ADAPTOR = re.compile(r"mlp(\d)x_gelu")
_TEXTS = ("beta_schedule", "prediction_type")


@dataclass(frozen=True)
class Release:
    """What a configuration file says; the defaults are RDT-1B's.

    Attributes:
        history: pictures a camera, the last of them of the present row.
        cameras: places for cameras.
        square: whether pictures are padded to squares by the background colour, rather than stretched.
        sizes: fields of `RunnerConfig` by name; those that the file does not give are absent.
        where: the file, for messages.
    """

    history: int = 2
    cameras: int = 3
    square: bool = True
    sizes: Mapping[str, Any] = field(default_factory=dict)
    where: str = "RDT-1B's configuration"

    @property
    def places(self) -> int:
        """Pictures that a sample has."""
        return self.history * self.cameras

    @classmethod
    def read(cls, file: str | Path) -> "Release":
        """Of a file; fields that are about training alone are not looked at.

        Raises:
            InputError: no such file, or a field that is missing or of another type.
        """
        tree, where = read_mapping(Path(file)), str(file)
        sizes: dict[str, Any] = {}
        for path, name in SIZES.items():
            sizes[name] = _text(tree, path, where) if name in _TEXTS else _whole(tree, path, where)
        for path, name in ADAPTORS.items():
            kind = _text(tree, path, where)
            layers = 1 if kind == "linear" else int(match[1]) if (match := _ADAPTOR.fullmatch(kind)) else 0
            if not layers:
                raise _odd(path, kind, where, "'linear' or 'mlp2x_gelu', with the number of its linear maps")
            sizes[name] = layers
        aspect = _text(tree, ASPECT, where)
        return cls(_whole(tree, HISTORY, where), _whole(tree, CAMERAS, where), aspect == "pad", sizes, where)


def _value(tree: Mapping[str, Any], path: str, where: str) -> Any:
    value: Any = tree
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            expected = "the fields of the released configs/base.yaml"
            raise InputError(f"no {path}", where=where, expected=expected, fix=f"add {path} as the release has it")
        value = value[name]
    return value


def _whole(tree: Mapping[str, Any], path: str, where: str) -> int:
    value = _value(tree, path, where)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _odd(path, value, where, "a whole number of at least 1")
    return value


def _text(tree: Mapping[str, Any], path: str, where: str) -> str:
    value = _value(tree, path, where)
    if not isinstance(value, str):
        raise _odd(path, value, where, "text")
    return value


def _odd(path: str, value: Any, where: str, expected: str) -> InputError:
    return InputError(f"{path}: {value!r}", where=where, expected=expected, fix=f"correct {path}")
