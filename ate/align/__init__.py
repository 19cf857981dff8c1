"""Align: two Info-VAEs put the chunks of old and new robots into one latent space.

Importing this costs nothing: torch is imported by what is used. No module is named like a function of the
room, or importing the module would hide the function.
"""

from importlib import import_module
from typing import Any

_LAZY = {
    "AlignConfig": "config",
    "Alignment": "alignment",
    "InfoVAE": "vae",
    "Latents": "alignment",
    "Posterior": "vae",
    "Scorecard": "scoring",
    "VAEConfig": "vae",
    "embed": "embedding",
    "fit": "fitting",
    "load_released": "released",
    "realign": "fitting",
    "scorecard": "scoring",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.align.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.align' has no attribute {name!r}")
