"""Trunk: what makes maps of a picture, our own convolutions or a frozen encoder of yours.

A frozen one is a vision model of transformers in a local folder: SigLIP, CLIP, DINO, or any whose last hidden state is
a square of patches, after tokens of its own. Its patches are the maps, after one linear layer that is trained. It is
never trained, and not written into checkpoints: these name its folder.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ate.errors import InputError
from ate.policies.vision.frozen import frozen


class Convolutions(nn.Sequential):
    """Three convolutions, `(B, 3, H, W)` → `(B, maps, ⌈H/4⌉, ⌈W/4⌉)`; in the memory order that CPUs are fast in."""

    def __init__(self, maps: int) -> None:
        super().__init__(
            nn.Conv2d(3, 16, 5, 2, 2), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.SiLU(), nn.Conv2d(32, maps, 3, 1, 1)
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Frozen(nn.Module):
    """Patches of a frozen vision model, as maps.

    Args:
        folder: of the model.
        maps: K.

    Raises:
        InputError: no such folder, transformers is not installed, or a model without patches in a square.
    """

    def __init__(self, folder: str, maps: int) -> None:
        super().__init__()
        model, self._mean, self._std = _model(folder)
        # No part of this module: neither trained nor saved with it.
        self._model = (model,)
        self.pixels = int(model.config.image_size)
        self.side = math.isqrt(self._patches(torch.zeros(1, 3, self.pixels, self.pixels)).shape[1])
        self.project = nn.Conv2d(int(model.config.hidden_size), maps, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps `(B, K, side, side)` of pictures `(B, 3, H, W)` in [−1, 1]."""
        return self.project(self.patches(pictures))

    def patches(self, pictures: Tensor) -> Tensor:
        """Patches `(B, hidden, side, side)` of pictures `(B, 3, H, W)` in [−1, 1]."""
        sized = nn.functional.interpolate(pictures, (self.pixels, self.pixels), mode="bilinear", align_corners=False)
        tokens = self._patches(((sized + 1) / 2 - self._mean) / self._std)
        return tokens.transpose(1, 2).unflatten(2, (self.side, self.side))

    @property
    def weights(self) -> list[Tensor]:
        """Of the frozen model, which are no parameters of this module."""
        return list(self._model[0].state_dict().values())

    @torch.no_grad()
    def _patches(self, pixels: Tensor) -> Tensor:
        """`(B, side², hidden)`: tokens that are no patches come first."""
        tokens = self._model[0](pixel_values=pixels).last_hidden_state
        return tokens[:, tokens.shape[1] - math.isqrt(tokens.shape[1]) ** 2 :]


def trunk(folder: str, maps: int, size: int) -> tuple[nn.Module, int]:
    """A trunk, and the side of its maps.

    Args:
        folder: of a frozen model; empty for convolutions.
        maps: K.
        size: pixels of a picture's side.
    """
    if not folder:
        return Convolutions(maps), math.ceil(size / 4)
    frozen = Frozen(folder, maps)
    return frozen, frozen.side


@cache
def _model(folder: str) -> tuple[Any, Tensor, Tensor]:
    """The model in a folder, with mean and deviation of its pixels in [0, 1]; one of it for all cameras."""
    whole = frozen(Path(folder), "frozen encoder")
    model = getattr(whole, "vision_model", whole)
    if not hasattr(model.config, "image_size"):
        raise InputError(f"a model {type(model).__name__}", where=f"frozen encoder {folder}",
                         expected="one of pictures, with image_size",
                         fix="name the folder of a SigLIP, CLIP or DINO")  # fmt: skip
    listed = Path(folder, "preprocessor_config.json")
    known = json.loads(listed.read_text()) if listed.is_file() else {}
    mean, std = (torch.tensor(known.get(name, [0.5] * 3)).view(3, 1, 1) for name in ("image_mean", "image_std"))
    return model, mean, std
