"""T5: the tokens of an instruction, as RDT's language projection takes them.

Source: RDT-1B, arXiv 2410.07864 (google/t5-v1_1-xxl: 4096 numbers a token).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ate.errors import InputError
from ate.policies.rdt.encoder_folder import encoder_errors, folder_digest


@dataclass(frozen=True, eq=False)
class LanguageEncoder:
    """An encoder; its weights are loaded when the first instruction is encoded.

    Attributes:
        folder: of transformers' T5 model and its tokenizer.
        width: numbers a token.
        most: tokens of the longest instruction that the policy takes.
        device: where it computes; in bfloat16 on a GPU, as RDT's were.
    """

    folder: Path
    width: int
    most: int
    device: torch.device

    @classmethod
    def of(cls, folder: str | Path, *, most: int = 1024, device: torch.device | str = "cpu") -> "LanguageEncoder":
        """Of a folder, by its configuration.

        Raises:
            InputError: no T5 encoder is there, or transformers is not installed.
        """
        folder = Path(folder)
        with encoder_errors(folder, "T5"):
            from transformers import AutoConfig

            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            if config.model_type != "t5":
                raise InputError(
                    f"an encoder of type {config.model_type!r}", where=str(folder),
                    expected="T5, whose tokens RDT was trained on",
                    fix="give the folder of google/t5-v1_1-xxl, or of the encoder of your policy",
                )  # fmt: skip
        return cls(folder, config.d_model, most, torch.device(device))

    @cached_property
    def weights_digest(self) -> str:
        """What the encoder is known by, on any device."""
        return folder_digest(self.folder)

    @property
    def digest(self) -> str:
        """What embeddings depend on: a GPU computes them in bfloat16."""
        return f"{self.weights_digest}-{self.device.type}"

    @torch.inference_mode()
    def __call__(self, text: str) -> Tensor:
        """Tokens `(L, width)` of an instruction, float32 on the host; the empty one has its end alone.

        Raises:
            InputError: more tokens than the policy takes, or weights or tokenizer cannot be read.
        """
        with encoder_errors(self.folder, "T5"):
            numbers = self._tokenizer(text, return_tensors="pt").input_ids
        if numbers.shape[1] > self.most:
            raise InputError(
                f"an instruction of {numbers.shape[1]} tokens, {text[:80]!r}…", where=str(self.folder),
                expected=f"at most {self.most}, what the policy takes", fix="say it in fewer words: --instruction",
            )  # fmt: skip
        tokens: Tensor = self._model(input_ids=numbers.to(self.device)).last_hidden_state[0]
        return tokens.float().cpu()

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def _model(self) -> Any:
        with encoder_errors(self.folder, "T5"):
            from transformers import T5EncoderModel

            kind = torch.bfloat16 if self.device.type == "cuda" else torch.float32
            return T5EncoderModel.from_pretrained(self.folder, local_files_only=True, dtype=kind).eval().to(self.device)
