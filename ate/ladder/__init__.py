"""The ladder: a policy with a low loss and a bad robot, climbed from the recordings up to the weights.

Each rung asks one thing that goes wrong without a word, says what was found beside what was expected, and what to try
next; the first FAIL is where to look. See docs/ladder.md.
"""

from importlib import import_module
from typing import Any

_LAZY = {"Ladder": "record", "climb": "climbing"}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.ladder.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.ladder' has no attribute {name!r}")
