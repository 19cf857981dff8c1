"""Viz: results in, figures and one offline report out. Nothing else imports this room; it looks at all of them."""

from importlib import import_module
from typing import Any

_LAZY = {
    "containment": "figures_align",
    "episode_lengths": "figures_data",
    "grid": "figures_ablate",
    "guidance_anatomy": "figures_steer",
    "joint_distributions": "figures_data",
    "joint_errors": "figures_align",
    "labels": "figures_data",
    "latent_activity": "figures_align",
    "latent_map": "figures_align",
    "loss_curves": "figures_steer",
    "open_loop_error": "figures_steer",
    "paired_differences": "figures_steer",
    "pick_episode": "controls",
    "phase_names": "tables",
    "pick_figure": "controls",
    "progress": "controls",
    "response_curves": "figures_ablate",
    "sample_episode": "figures_data",
    "set_rows": "tables",
    "set_sentences": "tables",
    "show": "controls",
    "show_lines": "controls",
    "show_table": "controls",
    "slot_map": "figures_data",
    "success": "figures_steer",
    "table": "tables",
    "training_curves": "figures_align",
    "write_report": "report",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.viz.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.viz' has no attribute {name!r}")
