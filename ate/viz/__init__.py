"""Viz: results in, figures and one offline report out. Nothing else imports this room; it looks at all of them."""

from importlib import import_module
from typing import Any

_LAZY = {
    "chunk_title": "figures_chunk",
    "chunk_view": "figures_chunk",
    "flat": "explorer",
    "latent_atlas": "figures_atlas",
    "representatives": "explorer",
    "show_explorer": "explorer",
    "walk_view": "figures_chunk",
    "containment": "figures_align",
    "doctor_sentences": "examined",
    "episode_joints": "figures_episode",
    "episode_lengths": "figures_data",
    "examine_set": "examined",
    "examine_sets": "examined",
    "grid": "figures_ablate",
    "guidance_anatomy": "figures_steer",
    "joint_comparison": "figures_triage",
    "joint_distributions": "figures_data",
    "joint_errors": "figures_align",
    "labels": "figures_data",
    "ladder_errors": "figures_ladder",
    "latent_activity": "figures_align",
    "latent_map": "figures_align",
    "ledger_lines": "examined",
    "loss_curves": "figures_steer",
    "oddest": "examined",
    "open_loop_error": "figures_steer",
    "paired_differences": "figures_steer",
    "phase_names": "tables",
    "pick_episode": "controls",
    "pick_figure": "controls",
    "progress": "controls",
    "rdt_bodies": "examined",
    "response_curves": "figures_ablate",
    "sample_episode": "figures_data",
    "sampled_spread": "figures_spread",
    "set_rows": "tables",
    "set_sentences": "tables",
    "show": "controls",
    "show_lines": "controls",
    "show_rungs": "rungs",
    "show_table": "controls",
    "show_triage": "triage",
    "finding_rows": "verdicts",
    "follow": "follow",
    "show_verdict": "verdicts",
    "slot_map": "figures_data",
    "slot_picture": "figures_slots",
    "success": "figures_steer",
    "table": "tables",
    "train_apart": "follow",
    "training_curves": "figures_align",
    "triage_grid": "figures_triage",
    "usable": "examined",
    "write_report": "report",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"ate.viz.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ate.viz' has no attribute {name!r}")
