"""Data: episodes become chunks. Reading never needs torch; cutting and mapping does."""

from importlib import import_module
from typing import Any

from ate.data.episodes import Episode, Episodes
from ate.data.reading import DataSet, load, load_sets
from ate.data.survey import survey

_LAZY = {
    "ActionSpace": "space",
    "Chunks": "chunks",
    "Embodiment": "robots",
    "Normalizer": "normalize",
    "chunk": "chunks",
    "concat": "chunks",
    "spaces": "space",
    "unify": "robots",
}
__all__ = ["DataSet", "Episode", "Episodes", "load", "load_sets", "survey", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.data.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.data' has no attribute {name!r}")
