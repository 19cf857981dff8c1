"""The run card of one cell, and its training seeds as rows."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup

from ate.experiments.export import tidy
from ate.experiments.methods import MethodSpec
from ate.experiments.results import RunResult
from ate.experiments.study import Study
from ate.experiments.sweep import AXES
from ate.policies.noise import in_words
from ate.viz.tables.html import table_html
from ate.viz.tables.rows import table

USUAL = MethodSpec("usual")
# Shares of the width of the card.
WIDTHS = (12, 88)


def card_html(study: Study, runs: Sequence[RunResult]) -> Markup:
    """How a cell was configured, its seeds, its hashes, and the command that repeats it, as HTML.

    Args:
        study: settings and files.
        runs: of one cell, one for each training seed.
    """
    rows = [{"setting": name, "value": value} for name, value in card_rows(study, runs).items()]
    head = Markup("<h4>Run card of {}</h4>").format(runs[0].method)
    return Markup("<div style='max-width:70em'>{}{}</div>").format(head, table_html(table(rows), WIDTHS))


def card_rows(study: Study, runs: Sequence[RunResult]) -> dict[str, str]:
    """The same as names and values; hashes and the command are `Markup`."""
    first, settings = runs[0], study.settings
    code = Markup("<code>{}</code>").format
    kept = [Markup("seed {} {}").format(run.seed, code(run.cell[:16])) for run in runs if run.cell]
    files = {
        "policy": study.policies[first.parameterization].parent.name,
        "alignment": study.folder.name,
        "data": study.adapt.digest[:16],
    }
    return {
        "guidance": ", ".join([f"encoder {first.encoder}", *first.spec.guidance.labels().values()]),
        "budget": f"{in_words(first.parameterization)} policy, {first.demonstrations} demonstrations, "
        f"{settings.steps} steps of {settings.batch} chunks, learning rate {settings.learning_rate:g}",
        "seeds": f"training {', '.join(str(run.seed) for run in runs)}; rollouts "
        + (f"0 to {len(first.success) - 1}" if first.success else "none"),
        "hashes": Markup("; ").join([*(Markup("{} {}").format(n, code(value)) for n, value in files.items()), *kept]),
        "command": code(command(study, first)),
    }


def command(study: Study, result: RunResult) -> str:
    """The command that repeats a cell and its λ = 0 with the same seeds. Existing results are read."""
    settings, guidance = study.settings, result.spec.guidance
    lam, clamp = repr(result.lam), "inf" if np.isinf(result.clamp) else repr(result.clamp)
    own = {name: getattr(guidance, name) for name in AXES}
    other = [f"{name}={value}" for name, value in own.items() if value != getattr(settings.guidance, name)]
    other += [f"encoder={result.encoder}"] if result.encoder not in ("none", settings.encoder) else []
    share = result.spec.share
    if not other:
        cell = replace(settings, lams=(result.lam,), clamps=(result.clamp,), shares=(share,))
        return replace(cell, parameterizations=(result.parameterization,)).command("04")
    other += [f"share={share!r}"] if share != USUAL.share else []
    regime = [f"{name}={value}" for name, value in result.regime._asdict().items()]
    words = ["ate", "sweep", "--profile", settings.profile, "--run", str(settings.directory), "--lams", lam]
    words += ["--clamps", clamp, "--seeds", str(settings.ablation_seeds), "--rollouts", str(settings.rollouts)]
    axes = dict.fromkeys([f"energy_at={guidance.energy_at}", *other, *regime])
    return shlex.join([*words, *(part for item in axes for part in ("--axis", item))])


def seed_rows(runs: Sequence[RunResult], method: str) -> list[dict[str, Any]]:
    """A row for each training seed of a method, with its difference to λ = 0, which must be among the runs."""
    frame = tidy(runs)
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
        for row in frame[frame.method == method].itertuples()
    ]
