"""The folder of an encoder: a configuration and weights in the form of transformers, read locally alone."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ate.errors import InputError

# Weights of gigabytes are known by their sizes and by so many samples of so many bytes.
SAMPLES, SAMPLED = 16, 2**16
_READ = (".json", ".model", ".safetensors", ".bin")


@contextmanager
def encoder_errors(folder: Path, kind: str) -> Iterator[None]:
    """Errors of transformers become one message that names the folder.

    Raises:
        InputError: transformers is not installed, or the folder holds no such encoder.
    """
    expected = f"a folder of a {kind} encoder: config.json and weights, as transformers saves them"
    if not (folder / "config.json").is_file():
        fix = "fetch it first (hf download NAME --local-dir FOLDER); nothing is fetched here"
        raise InputError("no config.json", where=str(folder), expected=expected, fix=fix)
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"no {error.name or error}", where=str(folder), expected="transformers, which computes embeddings",
            fix="pip install 'ate[rdt]'",
        ) from error  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, (InputError, torch.OutOfMemoryError)):
            raise
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"{type(error).__name__}: {reason}", where=str(folder), expected=expected, fix="fetch the folder again"
        ) from error


def folder_digest(folder: Path) -> str:
    """SHA-256 of an encoder: of its small files whole, and of weights by size and by samples spread over them."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _READ)
    return hashlib.sha256(repr([(file.name, sampled_digest(file)) for file in files]).encode()).hexdigest()


def sampled_digest(file: Path) -> str:
    """SHA-256 of a file's size and of samples spread over it; of a small one whole."""
    size = file.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with file.open("rb") as handle:
        if size <= SAMPLES * SAMPLED:
            sha.update(handle.read())
            return sha.hexdigest()
        for place in range(SAMPLES):
            handle.seek((size - SAMPLED) * place // (SAMPLES - 1))
            sha.update(handle.read(SAMPLED))
    return sha.hexdigest()
