"""Policies: what is steered."""

from importlib import import_module
from typing import Any

_LAZY = {"Policy": "policy", "PolicyConfig": "policy", "build": "policy"}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.policies.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.policies' has no attribute {name!r}")
