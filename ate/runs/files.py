"""Files that are either whole or absent, and the keys by which files and settings are known."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ate.runs.refusal import number_of

if TYPE_CHECKING:
    import numpy as np


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file next to `path`, flush it to disk, then rename it to `path`.

    Raises:
        OSError: the file system refused; names `path`, whatever wrote.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name that no other process, thread or machine takes: several may write one path, and the last one stays.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")
    try:
        write(temporary)
        # For writing: Windows flushes no file that is open for reading only.
        with temporary.open("r+b") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except Exception as error:
        if (number := number_of(error)) is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        # A file system that refused to write may refuse this as well.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove temporary files of `name` that a killed writer left; only where no other process writes."""
    for temporary in folder.glob(f".{name}.*.tmp"):
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text atomically."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; numbers that JSON cannot hold (NaN, infinity) are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def content_key(value: Any) -> str:
    """SHA-256 of settings: of their JSON with sorted names, so that equal settings have one key.

    Args:
        value: None, booleans, numbers, text, and lists, tuples, mappings with text as keys and dataclasses of them.
            A float counts by its `repr`; 2 and 2.0 are different.

    Raises:
        TypeError: anything else is in it, NaN among it.
    """
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or (isinstance(value, (bool, int, float, str)) and value == value):
        return value
    raise TypeError(f"settings hold plain values, not {value!r}")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_digest(*arrays: "np.ndarray") -> str:
    """SHA-256 of the values of arrays, one after the other; shapes and types do not count."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()
