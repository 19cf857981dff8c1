"""The run card of one cell for a person, and its training seeds one by one."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from ate.experiments.export import tidy
from ate.experiments.results import RunResult
from ate.experiments.study import Study
from ate.experiments.sweep import AXES


def card_html(study: Study, runs: Sequence[RunResult]) -> str:
    """How a cell was configured, its seeds, its hashes, and the command that repeats it, as HTML.

    Args:
        study: settings and files.
        runs: of one cell, one a training seed.
    """
    rows = "".join(
        f"<tr><th style='text-align:left;vertical-align:top;padding:0.2em 1em 0.2em 0;white-space:nowrap'>{name}</th>"
        f"<td style='text-align:left;white-space:normal;overflow-wrap:anywhere'>{value}</td></tr>"
        for name, value in card_rows(study, runs).items()
    )
    head = f"<h4>Run card of {escape(runs[0].method)}</h4>"
    return f"<div style='max-width:70em'>{head}<table style='table-layout:auto;margin:0'>{rows}</table></div>"


def card_rows(study: Study, runs: Sequence[RunResult]) -> dict[str, str]:
    """The same as names and HTML values."""
    first, settings = runs[0], study.settings
    kept = [f"seed {run.seed} <code>{escape(run.cell[:16])}</code>" for run in runs if run.cell]
    files = {
        "policy": study.policies[first.parameterization].parent.name,
        "alignment": study.folder.name,
        "data": study.adapt.digest[:16],
    }
    return {
        "guidance": escape(", ".join([f"encoder {first.encoder}", *first.spec.guidance.labels().values()])),
        "budget": f"{escape(first.parameterization)} prediction, {first.demonstrations} demonstrations, "
        f"{settings.steps} steps of {settings.batch} chunks, learning rate {settings.learning_rate:g}",
        "seeds": f"training {', '.join(str(run.seed) for run in runs)}; rollouts "
        + (f"0 to {len(first.success) - 1}" if first.success else "none"),
        "hashes": "; ".join([*(f"{name} <code>{escape(value)}</code>" for name, value in files.items()), *kept]),
        "command": f"<code>{escape(command(study, first))}</code>",
    }


def command(study: Study, result: RunResult) -> str:
    """What repeats a cell and its λ = 0 with the same seeds; what is in the run directory is read, not run."""
    settings, guidance = study.settings, result.spec.guidance
    lam, clamp = repr(result.lam), "inf" if np.isinf(result.clamp) else repr(result.clamp)
    other = [
        f"{name}={getattr(guidance, name)}"
        for name in AXES
        if getattr(guidance, name) != getattr(settings.guidance, name)
    ]
    other += [f"encoder={result.encoder}"] if result.encoder not in ("none", "aligned") else []
    if not other:
        kind = (result.parameterization,)
        return replace(settings, lams=(result.lam,), clamps=(result.clamp,), parameterizations=kind).command("04")
    regime = [f"{name}={value}" for name, value in result.regime._asdict().items()]
    words = ["ate", "sweep", "--profile", settings.profile, "--run", str(settings.directory), "--lams", lam]
    words += ["--clamps", clamp, "--seeds", str(settings.ablation_seeds), "--rollouts", str(settings.rollouts)]
    axes = dict.fromkeys([f"energy_at={guidance.energy_at}", *other, *regime])
    return shlex.join([*words, *(part for item in axes for part in ("--axis", item))])


def seed_rows(runs: Sequence[RunResult], method: str) -> list[dict[str, Any]]:
    """One row a training seed of a method, with its difference to λ = 0, which must be among the runs."""
    frame = tidy(runs)
    mine = frame[frame.method == method]
    return [
        {
            "training seed": int(row.seed),
            "success": f"{int(row.successes)} of {row.rollouts}" if row.rollouts else "",
            "to λ = 0, points": round(100 * row.difference, 1) if row.rollouts else "",
            "clamped %": round(100 * row.saturation, 1),
            "shift / residual": row.activity,
            "held-out error": row.held_out_error,
            "seconds": row.seconds,
        }
        for row in mine.itertuples()
    ]
