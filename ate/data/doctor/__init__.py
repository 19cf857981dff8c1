"""The data doctor: what is wrong with a set of demonstrations, joint by joint, with the fix. No torch needed."""

from importlib import import_module
from typing import Any

_LAZY = {
    "Finding": "report",
    "JointDistance": "distances",
    "Report": "report",
    "Triage": "report",
    "examine": "examination",
    "examine_sets": "examination",
    "joint_distances": "distances",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.data.doctor.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.data.doctor' has no attribute {name!r}")
