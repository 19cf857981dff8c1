"""Reading and writing Info-VAE weights of the released ATE code: its key names on the left, ours on the right.

The release keeps query and key weights for its cross-attention to the single latent token. They affect no output. The
network keeps them as buffers, so that a file that was read is written back bit by bit.

A file holds only weights, which expect chunks in the units of their training. Networks trained here expect values
normalised by the statistics in their `alignment.safetensors`.

Source: released code of Align-Then-stEer, arXiv 2509.02055.
"""

import io
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError
from ate.runs.files import write_atomic

COMPILED_PREFIX = "_orig_mod."
RELEASED_HEADS = 4
OUTER = {
    "global_motion_token": "tokens",
    "query_pos_encoder.pe": "encoder_positions",
    "query_pos_decoder.pe": "decoder_positions",
    "skel_embedding": "embed",
    "final_layer": "read_out",
}
INNER = {
    "self_attn.in_proj_": "attention.qkv.",
    "self_attn.out_proj": "attention.out",
    "multihead_attn.in_proj_": "latent_attention.value.",
    "multihead_attn.out_proj": "latent_attention.out",
    "linear1": "up",
    "linear2": "down",
    "norm1": "attention_norm",
}
ENCODER_NORMS = {"norm2": "feedforward_norm"}
DECODER_NORMS = {"norm2": "latent_norm", "norm3": "feedforward_norm"}
CROSS_ATTENTION = "multihead_attn.in_proj_"
# What turns the name of a value weight into that of the query and key rows above it in the released weight.
QUERY_KEY = (".value.", ".query_key_")
NUMBERED = re.compile(r"(?:encoder|decoder)\.(?:input_blocks|output_blocks|linear_blocks)\.(\d+)\..+")
SIZES = ("skel_embedding.weight", "encoder.middle_block.linear1.weight", "query_pos_encoder.pe")
MOST_NAMED = 5
AGAIN = "save it again as model.state_dict()"
BLOCK = re.compile(r"(encoder|decoder)\.(input_blocks\.(\d+)|middle_block|output_blocks\.(\d+))\.(.+)")


def load_released(path: str | Path, heads: int = RELEASED_HEADS, dropout: float = 0.1) -> InfoVAE:
    """An `InfoVAE` with the weights of a released `.pth` file, in evaluation mode, on the CPU.

    Args:
        path: a state dict saved by `torch.save`, with or without the prefix `_orig_mod.`.
        heads: attention heads; the file does not say. The release trains with 4.
        dropout: dropout should the network be trained further.

    Raises:
        InputError: no such file, no state dict of tensors, or as `from_released`.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            "no such file", where=str(file), expected="a released Info-VAE state dict (.pth)", fix="check the path"
        )
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        got = "a file torch cannot read as plain weights"
        raise InputError(got, where=str(file), expected="a state dict of tensors", fix=AGAIN) from error
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        got = "something other than a dict of tensors"
        raise InputError(got, where=str(file), expected="a state dict", fix=AGAIN)
    return from_released(content, heads=heads, dropout=dropout, where=str(file))


def export_released(vae: InfoVAE, path: str | Path) -> Path:
    """Write a network as the release's `.pth`: `torch.save` of a plain dict of CPU tensors, atomically.

    Weights that `load_released` read are written back bit by bit, under the names without a compiler's prefix.

    Returns:
        The file.
    """
    # Through memory: torch writes the file's name into the archive, but equal weights must give equal bytes.
    content = io.BytesIO()
    torch.save(to_released(vae), content)
    write_atomic(Path(path), lambda temporary: temporary.write_bytes(content.getbuffer()))
    return Path(path)


def to_released(vae: InfoVAE) -> dict[str, Tensor]:
    """Copies of the network's weights on the CPU, under the released key names."""
    own, halves = vae.state_dict(), vae.config.layers // 2
    return {key: _released_value(key, halves, own).detach().to("cpu", copy=True) for key in _keys(halves)}


def from_released(
    released: Mapping[str, Tensor], heads: int = RELEASED_HEADS, dropout: float = 0.1, where: str = "state dict"
) -> InfoVAE:
    """An `InfoVAE` from a state dict under the released key names; all sizes are read from the shapes.

    Raises:
        InputError: keys that are missing or not the release's, weights of shapes that do not fit together, or of
            several types. Each is named as the release names it.
    """
    weights = {key.removeprefix(COMPILED_PREFIX): value for key, value in released.items()}
    halves = max((1 + int(match[1]) for match in map(NUMBERED.fullmatch, weights) if match), default=0)
    expected = tuple(_keys(halves))
    missing = [key for key in expected if key not in weights]
    extra = sorted(weights.keys() - set(expected))
    if missing or extra:
        wrong_keys = (("no key", missing), ("the unknown key", extra))
        raise InputError(
            " and ".join(f"{words} {_listed([repr(key) for key in keys])}" for words, keys in wrong_keys if keys),
            where=where,
            expected=f"the released Info-VAE's key names, for {2 * halves + 1} layers",
            fix="pass the whole state dict of the VAE itself, not of a policy or an optimiser",
        )
    vae = InfoVAE(_config(weights, halves, heads, dropout, where))
    template = vae.state_dict()
    shapes = {key: tuple(_released_value(key, halves, template).shape) for key in expected}
    wrong = [f"{key!r} {tuple(weights[key].shape)}, not {shape}" for key, shape in shapes.items()
             if weights[key].shape != shape]  # fmt: skip
    types = {str(value.dtype) for value in weights.values()}
    if wrong or len(types) > 1 or not weights[SIZES[0]].is_floating_point():
        raise InputError(
            f"shapes {_listed(wrong)}" if wrong else f"weights of type {', '.join(sorted(types))}",
            where=where,
            expected=f"the weights of {vae.config}, all of one floating type",
            fix="check that all weights are of one network",
        )
    own: dict[str, Tensor] = {}
    for key in expected:
        own |= _own_values(key, halves, weights[key])
    vae.to(weights[SIZES[0]].dtype).load_state_dict(own)
    return vae.eval()


def our_name(key: str, halves: int) -> str:
    """The name in `InfoVAE.state_dict()` of a released key; there are `halves` blocks before the middle one."""
    match = BLOCK.fullmatch(key)
    if match:
        stack, place, first, last, rest = match.groups()
        index = halves if place == "middle_block" else int(first) if first else halves + 1 + int(last)
        for released, ours in (INNER | (ENCODER_NORMS if stack == "encoder" else DECODER_NORMS)).items():
            if rest.startswith(released):
                return f"{stack}.blocks.{index}.{ours}{rest.removeprefix(released)}"
    for released, ours in OUTER.items():
        if key.startswith(released):
            return ours + key.removeprefix(released)
    return key.replace("linear_blocks", "merges")


def _keys(halves: int) -> Iterator[str]:
    """All released keys of a network with `halves` blocks before the middle one, in the release's order."""
    yield from ("global_motion_token", "query_pos_encoder.pe", "query_pos_decoder.pe")
    both = ("weight", "bias")
    for stack in ("encoder", "decoder"):
        attentions = ("self_attn",) if stack == "encoder" else ("self_attn", "multihead_attn")
        norms = ("norm1", "norm2") if stack == "encoder" else ("norm1", "norm2", "norm3")
        inside = [f"{a}.{part}{kind}" for a in attentions for part in ("in_proj_", "out_proj.") for kind in both]
        inside += [f"{part}.{kind}" for part in ("linear1", "linear2", *norms) for kind in both]
        places = [f"input_blocks.{i}" for i in range(halves)] + ["middle_block"]
        places += [f"output_blocks.{i}" for i in range(halves)]
        yield from (f"{stack}.norm.{kind}" for kind in both)
        yield from (f"{stack}.{place}.{part}" for place in places for part in inside)
        yield from (f"{stack}.linear_blocks.{i}.{kind}" for i in range(halves) for kind in both)
    yield from (f"{part}.{kind}" for part in ("skel_embedding", "final_layer") for kind in both)


def _own_values(key: str, halves: int, value: Tensor) -> dict[str, Tensor]:
    """Positions (P, 1, d) -> (P, d); cross-attention in_proj (3d, …) -> query and key (2d, …), and value (d, …)."""
    name = our_name(key, halves)
    if key.endswith(".pe"):
        return {name: value.squeeze(1)}
    if CROSS_ATTENTION in key:
        query_key, used = value.split([2 * len(value) // 3, len(value) // 3])
        return {name.replace(*QUERY_KEY): query_key, name: used}
    return {name: value}


def _released_value(key: str, halves: int, own: Mapping[str, Tensor]) -> Tensor:
    """The inverse of `_own_values`."""
    name = our_name(key, halves)
    if key.endswith(".pe"):
        return own[name].unsqueeze(1)
    return torch.cat([own[name.replace(*QUERY_KEY)], own[name]]) if CROSS_ATTENTION in key else own[name]


def _config(weights: Mapping[str, Tensor], halves: int, heads: int, dropout: float, where: str) -> VAEConfig:
    """The sizes, from the shapes of three weights."""
    shapes = [tuple(weights[key].shape) for key in SIZES]
    if [len(shape) for shape in shapes] != [2, 2, 3]:
        raise InputError(
            f"shapes {_listed([f'{key!r} {shape}' for key, shape in zip(SIZES, shapes, strict=True)])}",
            where=where,
            expected="(latent, features), (feed-forward, latent) and (positions, 1, latent)",
            fix="check that the weights are an Info-VAE's",
        )
    (latent, features), (feedforward, _), (positions, *_) = shapes
    return VAEConfig(features, latent, 2 * halves + 1, heads, feedforward, dropout, positions)


def _listed(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
