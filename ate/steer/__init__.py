"""Steer: the latent distance shifts what a policy regresses."""

from importlib import import_module
from typing import Any

_LAZY = {
    "Arm": "learner",
    "Attachment": "attaching",
    "Budget": "budget",
    "Evaluation": "evaluate",
    "Guidance": "guidance",
    "GuidanceMeter": "meter",
    "Trained": "training",
    "attach": "attaching",
    "dry_run": "proposing",
    "finetune": "finetuning",
    "finetune_arms": "finetuning",
    "meter_sentence": "meter",
    "meter_verdict": "meter",
    "open_loop": "evaluate",
    "pretrain": "finetuning",
    "spread": "evaluate",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.steer.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.steer' has no attribute {name!r}")
