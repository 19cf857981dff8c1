"""Ablate: matched arms, intervals, and a verdict."""

from importlib import import_module
from typing import Any

_LAZY = {
    "ArmSpec": "grid",
    "ArmSummary": "statistics",
    "Difference": "statistics",
    "Executor": "executors",
    "Experiment": "run",
    "Request": "running",
    "RunResult": "results",
    "Sweep": "sweep",
    "Swept": "running",
    "comparison": "grid",
    "differences": "statistics",
    "lambda_clamp": "grid",
    "summarise": "statistics",
    "verdict": "statistics",
    "wilson": "statistics",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.ablate.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.ablate' has no attribute {name!r}")
