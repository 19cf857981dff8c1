"""Published RDT weights, read by their key names from a local file or folder, or fetched when asked.

Sizes are read off the weights themselves; what a `config.json` beside them says of noise levels is taken, and whatever
it says otherwise is held against the weights.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ate.errors import InputError
from ate.policies.rdt.runner import Runner, RunnerConfig
from ate.policies.rdt.transformer import RDT

CONFIG = "config.json"
# Compiled and data-parallel training put these in front of every key.
PREFIXES = ("_orig_mod.", "module.")
# The released ATE runner keeps its encoder among its weights, under this misspelt name.
GUIDANCE = "guidence."
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
LARGEST_CONFIG = 1 << 20
# What a config says that the weights know, and what it alone knows.
_SIZES = ("action_dim", "pred_horizon", "hidden_size", "depth", "num_heads", "lang_token_dim", "img_token_dim",
          "max_lang_cond_len", "img_cond_len")  # fmt: skip
_NOISE = ("num_train_timesteps", "num_inference_timesteps", "beta_schedule", "prediction_type")


def load(path: str | Path, *, checkpointing: bool = False) -> Runner | RDT:
    """RDT with the weights of a file, or of the one weight file in a folder.

    Args:
        path: `.safetensors`, or a pickle (`.bin`, `.pt`, `.pth`), which is read with `weights_only`; or their folder.
        checkpointing: as `RDT`.

    Returns:
        The whole policy, on the CPU in the weights' own precision; the bare transformer where the file holds no
        projections. An ATE runner's encoder among the weights is left out: `guidance_of` reads it.

    Raises:
        InputError: no such file, several, not RDT's key names, or sizes that contradict `config.json`.
    """
    file = weight_file(Path(path))
    weights = {key: value for key, value in _cleaned(read_weights(file)).items() if not key.startswith(GUIDANCE)}
    said = _said(file.with_name(CONFIG))
    if any(key.startswith("model.") for key in weights):
        config = _runner_config(weights, said, file)
        with torch.device("meta"):
            runner = Runner(config, checkpointing=checkpointing)
        _fill(runner, weights, file)
        return runner
    config = _runner_config({f"model.{key}": value for key, value in weights.items()}, said, file)
    with torch.device("meta"):
        transformer = RDT(
            config.action_dim, config.pred_horizon, config.hidden_size, config.depth, config.num_heads,
            config.max_lang_cond_len, config.img_cond_len, checkpointing=checkpointing,
        )  # fmt: skip
    _fill(transformer, weights, file)
    return transformer


def download(repository: str = "robotics-diffusion-transformer/rdt-1b", folder: str | Path | None = None) -> Path:
    """Fetch published weights from the hub, which nothing else here does by itself; returns their folder for `load`.

    Raises:
        InputError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(
            "no huggingface_hub", where="RDT download", expected="the hub's client", fix="pip install 'ate[rdt]'"
        ) from error
    patterns = ["*.json", "*.safetensors", "*.bin"]
    return Path(snapshot_download(repository, local_dir=folder, allow_patterns=patterns))


def weight_file(path: Path) -> Path:
    """The weights at a path: the file itself, or the only one in a folder.

    Raises:
        InputError: none there, or several.
    """
    found = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix in SUFFIXES)
    if len(found) == 1:
        return found[0]
    raise InputError(
        ", ".join(p.name for p in found) or "no weights",
        where=str(path),
        expected=f"one file ending in {', '.join(SUFFIXES)}",
        fix="give the file itself",
    )


def read_weights(file: Path) -> dict[str, Tensor]:
    """The state dict of a file; nothing but tensors is unpickled.

    Raises:
        InputError: not a file of tensors.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise InputError(
            f"a file that cannot be read ({type(error).__name__})",
            where=str(file),
            expected="a state dict of tensors",
            fix="save it again with torch.save(model.state_dict(), …) or as safetensors",
        ) from error
    found = found.get("module", found) if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError(
            f"a {type(found).__name__} that is not one of tensors",
            where=str(file),
            expected="a state dict",
            fix="save model.state_dict()",
        )
    return dict(found)


def _cleaned(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pattern = re.compile(f"^({'|'.join(map(re.escape, PREFIXES))})+")
    return {pattern.sub("", key): value for key, value in weights.items()}


def _runner_config(weights: Mapping[str, Tensor], said: Mapping[str, Any], file: Path) -> RunnerConfig:
    """Sizes as the weights have them, noise levels as the config says."""
    try:
        width = weights["model.x_pos_embed"].shape[2]
        blocks = {int(key.split(".")[2]) for key in weights if key.startswith("model.blocks.")}
        found = RunnerConfig(
            action_dim=weights["model.final_layer.ffn_final.fc2.bias"].shape[0],
            pred_horizon=weights["model.x_pos_embed"].shape[1] - 3,
            hidden_size=width,
            depth=max(blocks) + 1,
            num_heads=width // weights["model.blocks.0.attn.q_norm.weight"].shape[0],
            max_lang_cond_len=weights["model.lang_cond_pos_embed"].shape[1],
            img_cond_len=weights["model.img_cond_pos_embed"].shape[1],
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"no key {error}", where=str(file), expected="RDT's key names", fix="give RDT's weights"
        ) from error
    for part in ("lang", "img", "state"):
        layers = sorted(key for key in weights if re.fullmatch(rf"{part}_adaptor\.\d+\.weight", key))
        if layers:
            read: dict[str, Any] = {f"{part}_layers": len(layers)}
            if part != "state":
                read[f"{part}_token_dim"] = weights[layers[0]].shape[1]
            found = replace(found, **read)
    for name, value in said.items():
        stands = getattr(found, name, value)
        if name in _SIZES and stands != value:
            raise InputError(
                f"{name} {value}", where=str(file.with_name(CONFIG)), expected=f"{stands}, as in the weights",
                fix="put the config beside the weights it belongs to",
            )  # fmt: skip
    return replace(found, **{name: said[name] for name in _NOISE if name in said})


def _said(file: Path) -> dict[str, Any]:
    """Every name that a `config.json` gives at any depth, innermost last; empty where there is none."""
    if not file.exists():
        return {}
    if file.stat().st_size > LARGEST_CONFIG:
        raise InputError(
            f"{file.stat().st_size} bytes", where=str(file), expected="a small JSON file", fix="check the folder"
        )
    flat: dict[str, Any] = {}

    def take(tree: Mapping[str, Any]) -> None:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                take(value)
            else:
                flat[key] = value

    take(json.loads(file.read_text()))
    return flat


def _fill(module: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    try:
        module.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise InputError(
            f"other keys or shapes: {str(error).splitlines()[1].strip()[:200]}",
            where=str(file),
            expected="RDT's weights, all of them",
            fix="give the whole state dict",
        ) from error
