"""Published RDT weights, read by their key names from a local file or folder, or downloaded on request.

Sizes are read off the weights themselves. Noise levels are those of a `config.json` in the same folder; the sizes that
it gives have to agree with the weights.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ate.errors import InputError, library
from ate.policies.rdt.release import Release
from ate.policies.rdt.runner import Runner, RunnerConfig
from ate.policies.rdt.transformer import RDT

CONFIG = "config.json"
# Compiled and data-parallel training put these in front of every key.
PREFIXES = ("_orig_mod.", "module.")
# The released ATE runner keeps its encoder among its weights, under this misspelt name.
GUIDANCE = "guidence."
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
LARGEST_CONFIG = 1 << 20
# Names in a config that the weights determine, and names that only the config has.
_SIZES = ("action_dim", "pred_horizon", "hidden_size", "depth", "num_heads", "lang_token_dim", "img_token_dim",
          "max_lang_cond_len", "img_cond_len")  # fmt: skip
_NOISE = ("num_train_timesteps", "num_inference_timesteps", "beta_schedule", "prediction_type")


def load(
    path: str | Path,
    *,
    device: torch.device | str = "cpu",
    checkpointing: bool = False,
    release: Release | None = None,
) -> Runner | RDT:
    """RDT with the weights of a file, or of the only weight file in a folder.

    Args:
        path: `.safetensors`, or a pickle (`.bin`, `.pt`, `.pth`), which is read with `weights_only`; or their folder.
        device: where the policy is put.
        checkpointing: as `RDT`.
        release: a `configs/base.yaml`; its noise levels go before those of `config.json`.

    Returns:
        The whole policy in the weights' own precision; the bare transformer where the file holds no projections. An
        ATE runner's encoder among the weights is left out: `guidance_of` reads it.

    Raises:
        InputError: no such file, several, not RDT's key names, or sizes that contradict `config.json` or the release.
    """
    file = weight_file(Path(path))
    pattern = re.compile(f"^({'|'.join(map(re.escape, PREFIXES))})+")
    weights = {pattern.sub("", key): value for key, value in read_weights(file).items()}
    weights = {key: value for key, value in weights.items() if not key.startswith(GUIDANCE)}
    whole = any(key.startswith("model.") for key in weights)
    named = weights if whole else {f"model.{key}": value for key, value in weights.items()}
    config = _runner_config(named, file, release)
    with torch.device("meta"):
        network = (Runner if whole else RunnerConfig.transformer)(config, checkpointing=checkpointing)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise InputError(
            f"other keys or shapes: {str(error).splitlines()[1].strip()[:200]}",
            where=str(file),
            expected="RDT's weights, all of them",
            fix="give the whole state dict",
        ) from error
    return network.to(device)


def download(repository: str = "robotics-diffusion-transformer/rdt-1b", folder: str | Path | None = None) -> Path:
    """Download published weights from the hub; returns their folder for `load`. Nothing else here uses the network.

    Raises:
        InputError: huggingface_hub is not installed.
    """
    hub = library("huggingface_hub", "rdt", where="RDT download", use="fetches weights")
    patterns = ["*.json", "*.safetensors", "*.bin"]
    return Path(hub.snapshot_download(repository, local_dir=folder, allow_patterns=patterns))


def weight_file(path: Path) -> Path:
    """The weights at a path: the file itself, or the only one in a folder.

    Raises:
        InputError: none there, or several.
    """
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix in SUFFIXES)
    if len(files) == 1:
        return files[0]
    raise InputError(
        ", ".join(p.name for p in files) or "no weights",
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
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise InputError(
            f"a file that cannot be read ({type(error).__name__})",
            where=str(file),
            expected="a state dict of tensors",
            fix="save it again with torch.save(model.state_dict(), …) or as safetensors",
        ) from error
    content = content.get("module", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(
            f"a {type(content).__name__} that is not one of tensors",
            where=str(file),
            expected="a state dict",
            fix="save model.state_dict()",
        )
    return dict(content)


def _runner_config(weights: Mapping[str, Tensor], file: Path, release: Release | None) -> RunnerConfig:
    """Sizes of the weights, noise levels of the release, else of the `config.json` in their folder."""
    try:
        hidden = weights["model.x_pos_embed"].shape[2]
        blocks = {int(key.split(".")[2]) for key in weights if key.startswith("model.blocks.")}
        config = RunnerConfig(
            action_dim=weights["model.final_layer.ffn_final.fc2.bias"].shape[0],
            pred_horizon=weights["model.x_pos_embed"].shape[1] - 3,
            hidden_size=hidden,
            depth=max(blocks) + 1,
            num_heads=hidden // weights["model.blocks.0.attn.q_norm.weight"].shape[0],
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
            sizes: dict[str, Any] = {f"{part}_layers": len(layers)}
            if part != "state":
                sizes[f"{part}_token_dim"] = weights[layers[0]].shape[1]
            config = replace(config, **sizes)
    places = {str(file.with_name(CONFIG)): _read_config(file.with_name(CONFIG))}
    places |= {} if release is None else {release.where: dict(release.sizes)}
    for where, written in places.items():
        for name in _SIZES:
            if written.get(name, getattr(config, name)) != getattr(config, name):
                raise InputError(
                    f"{name} {written[name]}", where=where, expected=f"{getattr(config, name)}, as in the weights",
                    fix="give the weights the config that they belong to",
                )  # fmt: skip
        config = replace(config, **{name: written[name] for name in _NOISE if name in written})
    return config


def _read_config(file: Path) -> dict[str, Any]:
    """All names of a `config.json` at any depth, innermost last; empty where there is none."""
    if not file.exists():
        return {}
    if file.stat().st_size > LARGEST_CONFIG:
        raise InputError(
            f"{file.stat().st_size} bytes", where=str(file), expected="a small JSON file", fix="check the folder"
        )

    def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for key, value in tree.items():
            names |= flat(value) if isinstance(value, Mapping) else {key: value}
        return names

    return flat(json.loads(file.read_text()))
