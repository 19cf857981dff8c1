"""Checkpoints: a tree of tensors and plain values as one safetensors file, never a pickle.

Tensors have flat names. Everything else, and the shape of the tree, is JSON in the metadata. A checkpoint is thus
a single file, which is whole or absent.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ate.errors import InputError
from ate.runs.files import write_atomic

_TENSOR = "__tensor__"
_PAIRS = "__pairs__"


def save(path: str | Path, tree: Any) -> None:
    """Write a tree of dicts, lists, tensors, numbers, strings, booleans and None.

    Tensors keep their exact bits, and keys of dicts their types.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = json.dumps(_flatten(tree, tensors), allow_nan=False)
    payload = tensors or {"__empty__": torch.zeros(1)}
    write_atomic(Path(path), lambda temporary: save_file(payload, temporary, metadata={"tree": skeleton}))


def load(path: str | Path, device: torch.device | str = "cpu") -> Any:
    """Read what `save` wrote.

    Raises:
        InputError: the file is missing, truncated, or not written by `save`.
    """
    file = Path(path)
    try:
        with safe_open(file, framework="pt", device=str(device)) as handle:
            metadata = handle.metadata() or {}
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise _refused(str(error), file) from error
    if "tree" not in metadata:
        raise _refused("a safetensors file without metadata of this package", file)
    return _build(json.loads(metadata["tree"]), tensors)


def _refused(got: str, file: Path) -> InputError:
    return InputError(
        got, where=str(file), expected="a checkpoint of this package", fix="give another file, or train again"
    )


def _flatten(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        name = f"t{len(tensors)}"
        # A clone: safetensors refuses tensors that share memory (tied weights, views of one buffer).
        tensors[name] = node.detach().contiguous().clone()
        return {_TENSOR: name}
    if isinstance(node, dict):
        if all(isinstance(key, str) for key in node):
            return {key: _flatten(value, tensors) for key, value in node.items()}
        return {_PAIRS: [[_flatten(key, tensors), _flatten(value, tensors)] for key, value in node.items()]}
    if isinstance(node, (list, tuple)):
        return [_flatten(value, tensors) for value in node]
    if node is None or isinstance(node, (bool, int, float, str)):
        return node
    raise TypeError(f"a checkpoint holds tensors and plain values, not {type(node).__name__}")


def _build(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, dict):
        if set(node) == {_TENSOR}:
            return tensors[node[_TENSOR]]
        if set(node) == {_PAIRS}:
            return {_build(key, tensors): _build(value, tensors) for key, value in node[_PAIRS]}
        return {key: _build(value, tensors) for key, value in node.items()}
    if isinstance(node, list):
        return [_build(value, tensors) for value in node]
    return node
