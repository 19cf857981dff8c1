"""Frozen models: networks of transformers in local folders, read once and never trained; nothing is downloaded."""

from functools import cache
from pathlib import Path
from typing import Any

from ate.errors import InputError, library


@cache
def frozen(folder: Path, where: str) -> Any:
    """The network in a folder.

    Args:
        folder: as `save_pretrained` writes it.
        where: what messages call it.

    Raises:
        InputError: no such folder, or transformers is not installed.
    """
    place = f"{where} {folder}"
    if not (folder / "config.json").is_file():
        raise InputError("no config.json", where=place, expected="the folder of a model of transformers",
                         fix="save it there with save_pretrained, or name another folder")  # fmt: skip
    transformers = library("transformers", "words", where=place, use="runs the model")
    return transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
