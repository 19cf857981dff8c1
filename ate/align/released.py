"""Reading Info-VAE weights of the released ATE code: its key names on the left, ours on the right.

The release keeps query and key weights for its cross-attention to the single latent token. They do not
enter any output, so only the value third of each `multihead_attn.in_proj` is read.

Source: released code of Align-Then-stEer, arXiv 2509.02055.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ate.align.vae import InfoVAE, VAEConfig
from ate.errors import InputError

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
BLOCK = re.compile(r"(encoder|decoder)\.(input_blocks\.(\d+)|middle_block|output_blocks\.(\d+))\.(.+)")


def load_released(path: str | Path, heads: int = RELEASED_HEADS, dropout: float = 0.1) -> InfoVAE:
    """An `InfoVAE` with the weights of a released `.pth` file, in evaluation mode, on the CPU.

    Args:
        path: a state dict saved by `torch.save`, with or without the prefix `_orig_mod.`.
        heads: attention heads; the file does not say. The release trains with 4.
        dropout: dropout should the network be trained further.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            "no such file", where=str(file), expected="a released Info-VAE state dict (.pth)", way_out="check the path"
        )
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(
            "a file torch cannot read as plain weights",
            where=str(file),
            expected="a state dict of tensors",
            way_out="save it again as model.state_dict()",
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise InputError(
            "something other than a dict of tensors",
            where=str(file),
            expected="a state dict",
            way_out="save it again as model.state_dict()",
        )
    return from_released(content, heads=heads, dropout=dropout, where=str(file))


def from_released(
    released: Mapping[str, Tensor], heads: int = RELEASED_HEADS, dropout: float = 0.1, where: str = "state dict"
) -> InfoVAE:
    """An `InfoVAE` from a state dict under the released key names; the sizes are read off the shapes."""
    weights = {key.removeprefix(COMPILED_PREFIX): value for key, value in released.items()}
    needed = ("skel_embedding.weight", "encoder.middle_block.linear1.weight", "query_pos_encoder.pe")
    missing = [key for key in needed if key not in weights]
    if missing:
        raise InputError(
            f"no key {missing[0]!r}",
            where=where,
            expected="the released Info-VAE's key names",
            way_out="pass the state dict of the VAE itself, not of a policy or an optimiser",
        )
    latent, features = weights["skel_embedding.weight"].shape
    halves = sum(key.startswith("encoder.linear_blocks.") and key.endswith("weight") for key in weights)
    config = VAEConfig(
        features=features,
        latent=latent,
        layers=2 * halves + 1,
        heads=heads,
        feedforward=weights["encoder.middle_block.linear1.weight"].shape[0],
        dropout=dropout,
        positions=weights["query_pos_encoder.pe"].shape[0],
    )
    vae = InfoVAE(config)
    own = {our_name(key, halves): _reshape(key, value) for key, value in weights.items()}
    expected = vae.state_dict()
    wrong = sorted(expected.keys() ^ own.keys())
    wrong += [key for key in expected if key in own and expected[key].shape != own[key].shape]
    if wrong:
        raise InputError(
            f"keys that do not fit, first {wrong[0]!r}",
            where=where,
            expected=f"the weights of {config}",
            way_out="check that the file is complete",
        )
    vae.load_state_dict(own)
    return vae.eval()


def our_name(key: str, halves: int) -> str:
    """The name in `InfoVAE.state_dict()` of a released key; `halves` blocks stand before the middle one."""
    match = BLOCK.fullmatch(key)
    if match:
        stack, place, before, after, rest = match.groups()
        index = halves if place == "middle_block" else int(before) if before else halves + 1 + int(after)
        for theirs, ours in (INNER | (ENCODER_NORMS if stack == "encoder" else DECODER_NORMS)).items():
            if rest.startswith(theirs):
                return f"{stack}.blocks.{index}.{ours}{rest.removeprefix(theirs)}"
    for theirs, ours in OUTER.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key.replace("linear_blocks", "merges")


def _reshape(key: str, value: Tensor) -> Tensor:
    """Positions (P, 1, d) -> (P, d); cross-attention in_proj (3d, …) -> its value part (d, …)."""
    if key.endswith(".pe"):
        return value.squeeze(1)
    if "multihead_attn.in_proj_" in key:
        return value.chunk(3, dim=0)[2].clone()
    return value
