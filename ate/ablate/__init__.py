"""Ablate: matched arms, intervals, and a verdict."""

from importlib import import_module
from typing import Any

_LAZY = {
    "ArmSpec": "grid",
    "ArmSummary": "statistics",
    "choose": "winner",
    "comparison": "grid",
    "confirmation": "winner",
    "curve": "statistics",
    "Difference": "statistics",
    "differences": "statistics",
    "Executor": "executors",
    "Experiment": "run",
    "lambda_clamp": "grid",
    "Request": "running",
    "RunResult": "results",
    "summarise": "statistics",
    "Sweep": "sweep",
    "Swept": "running",
    "verdict": "statistics",
    "wilson": "statistics",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.ablate.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.ablate' has no attribute {name!r}")
