"""RDT: the diffusion transformer of RDT-1B, its runner, and its published weights."""

from importlib import import_module
from typing import Any

_LAZY = {
    "RDT": "transformer",
    "Runner": "runner",
    "RunnerConfig": "runner",
    "download": "loading",
    "guidance_of": "guidance_block",
    "load": "loading",
    "memory_need": "memory",
    "with_lora": "lora",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.policies.rdt.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.policies.rdt' has no attribute {name!r}")
