"""SigLIP: the tokens of a picture, one a patch, as RDT's image projection takes them.

    picture → square on the background colour → size × size, bicubic → (x/255 − mean)/std → last hidden state

Source: RDT-1B, arXiv 2410.07864 (google/siglip-so400m-patch14-384: 27² patches of 1152 numbers).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ate.data.clip import imaging
from ate.errors import InputError
from ate.policies.rdt.encoder_folder import encoder_errors, folder_digest

PREPROCESSOR = "preprocessor_config.json"
# Mean and deviation of a channel where the folder does not say them: SigLIP's.
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class VisionEncoder:
    """An encoder; its weights are loaded when the first picture is encoded.

    Attributes:
        folder: of transformers' SigLIP model.
        width: numbers a token.
        size: pixels of a side of its square input.
        patches: tokens a picture.
        mean: of the channels, in [0, 1].
        std: likewise.
        square: whether pictures are padded to squares, rather than stretched.
        device: where it computes.
    """

    folder: Path
    width: int
    size: int
    patches: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    square: bool
    device: torch.device

    @classmethod
    def of(cls, folder: str | Path, *, square: bool = True, device: torch.device | str = "cpu") -> "VisionEncoder":
        """Of a folder, by its configuration.

        Raises:
            InputError: no SigLIP encoder is there, or transformers is not installed.
        """
        folder = Path(folder)
        with encoder_errors(folder, "SigLIP"):
            kind = str(json.loads((folder / "config.json").read_text()).get("model_type"))
            if not kind.startswith("siglip"):
                raise InputError(
                    f"an encoder of type {kind!r}", where=str(folder),
                    expected="SigLIP, whose tokens RDT was trained on",
                    fix="give the folder of google/siglip-so400m-patch14-384, or of the encoder of your policy",
                )  # fmt: skip
            from transformers import SiglipVisionConfig

            config: Any = SiglipVisionConfig.from_pretrained(folder, local_files_only=True)
            file = folder / PREPROCESSOR
            given = json.loads(file.read_text()) if file.is_file() else {}
            mean, std = (tuple(map(float, given.get(name) or HALF)) for name in ("image_mean", "image_std"))
        patches = (config.image_size // config.patch_size) ** 2
        return cls(folder, config.hidden_size, config.image_size, patches, mean, std, square, torch.device(device))

    @cached_property
    def digest(self) -> str:
        """What embeddings depend on."""
        return f"{folder_digest(self.folder)}-{'square' if self.square else 'stretched'}"

    @property
    def colour(self) -> tuple[int, ...]:
        """Of the background: the mean of the channels, 0 to 255."""
        return tuple(int(255 * value) for value in self.mean)

    @property
    def background(self) -> NDArray[np.uint8]:
        """The picture in place of one that is not there, `(size, size, 3)`."""
        return np.full((self.size, self.size, 3), self.colour, np.uint8)

    def inputs(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Pictures `(n, height, width, 3)` as the network sees them, float32 `(n, 3, size, size)`.

        Raises:
            InputError: Pillow is not installed.
        """
        image = imaging("pictures for SigLIP")
        side = max(pictures.shape[1:3])
        rows = []
        for picture in pictures:
            canvas = image.fromarray(picture)
            if self.square and picture.shape[0] != picture.shape[1]:
                canvas = image.new("RGB", (side, side), self.colour)
                canvas.paste(image.fromarray(picture), tuple((side - n) // 2 for n in picture.shape[1::-1]))
            rows.append(np.asarray(canvas.resize((self.size, self.size), image.Resampling.BICUBIC)))
        mean, std = (np.asarray(part, np.float32) for part in (self.mean, self.std))
        values = (np.stack(rows).astype(np.float32) / 255 - mean) / std
        return torch.from_numpy(values).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def __call__(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Tokens `(n, patches, width)` of pictures `(n, height, width, 3)`, float32 on the host.

        Raises:
            InputError: the weights cannot be read.
        """
        model = self._model
        values = self.inputs(pictures).to(self.device, next(model.parameters()).dtype)
        tokens: Tensor = model(pixel_values=values).last_hidden_state
        return tokens.float().cpu()

    @cached_property
    def _model(self) -> Any:
        with encoder_errors(self.folder, "SigLIP"):
            from transformers import SiglipVisionModel

            return SiglipVisionModel.from_pretrained(self.folder, local_files_only=True).eval().to(self.device)
