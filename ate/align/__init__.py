"""Align: two Info-VAEs put the chunks of old and new robots into one latent space.

Importing this costs nothing: torch is imported by what is used. No module is named like a function of the
room, or importing the module would hide the function.
"""

from importlib import import_module
from typing import Any

_LAZY = {
    "AlignConfig": "config",
    "Alignment": "alignment",
    "Atlas": "atlas",
    "Correspondence": "corresponding",
    "InfoVAE": "vae",
    "Latents": "alignment",
    "Mixture": "mixture",
    "Posterior": "vae",
    "Scorecard": "scoring",
    "VAEConfig": "vae",
    "compare_alignments": "comparing",
    "correspondence": "corresponding",
    "embed": "embedding",
    "export_released": "released",
    "fit": "fitting",
    "fit_mixture": "mixture_fit",
    "fit_one_stage": "controls",
    "load_released": "released",
    "mode_report": "modes",
    "realign": "fitting",
    "refit": "fitting",
    "ruler": "judging",
    "scorecard": "scoring",
    "untrained": "controls",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.align.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.align' has no attribute {name!r}")
