"""Limits of the numbers and words that a study is made of."""

from collections.abc import Mapping
from typing import Any

from ate.errors import InputError, unknown
from ate.steer.optim_config import LR_SCHEDULES

POSITIVE = (
    "horizon", "embedded", "width", "pretrain_steps", "pretrain_batch", "steps", "batch", "seeds", "rollouts",
    "ablation_seeds", "workers",
)  # fmt: skip
TRAINED_IN = ("kernel", "child")
POLICIES = ("state", "vision")
NOT_NEGATIVE = ("validation_seeds", "demonstrations", "rate", "rate_pretrain")


def check_limits(settings: Mapping[str, Any]) -> None:
    """Refuse the first number out of its range and the first word that is not known.

    Raises:
        InputError: which parameter, and what it may be.
    """
    for name in POSITIVE:
        _check(settings, settings[name] >= 1, name, "at least 1", "raise it")
    for name in NOT_NEGATIVE:
        _check(settings, settings[name] >= 0, name, "0 or more", "use 0 for none")
    for name, valid in (("lr_schedule", LR_SCHEDULES), ("train", TRAINED_IN), ("policy", POLICIES)):
        if settings[name] not in valid:
            raise unknown(settings[name], valid, where=f"parameter {name}")
    seen = settings["policy"] == "vision" or not settings["redrawn"]
    _check(settings, seen, "redrawn", "false where policies see no pictures", "add policy=vision, or leave redrawn out")
    _check(settings, 0 < settings["held_out"] < 1, "held_out", "a share in (0, 1)", "use 0.1")


def _check(settings: Mapping[str, Any], right: bool, name: str, expected: str, fix: str) -> None:
    if not right:
        raise InputError(str(settings[name]), where=f"parameter {name}", expected=expected, fix=fix)
