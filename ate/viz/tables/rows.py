"""Tables as plain rows, as notebooks show them and headline files keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ate.data.doctor.dataset_report import ADAPT
from ate.data.episodes import Episodes
from ate.viz.figures.data import PRETRAIN, labels


def set_rows(pretrain: Sequence[Episodes], adapt: Episodes, horizon: int) -> list[dict[str, Any]]:
    """A row for each set: its size, its rate, and its chunks of `horizon` rows.

    An episode of n rows has n − S + 1 chunks, none if n < S (ATE paper, arXiv 2509.02055, section 3.1).
    """
    rows = []
    for name, episodes in zip(labels(pretrain, adapt), (*pretrain, adapt), strict=True):
        lengths = episodes.lengths
        rate = episodes.rate_hz
        rows.append(
            {
                "set": name,
                "task": episodes.task or "not named",
                "role": ADAPT if episodes is adapt else PRETRAIN,
                "episodes": len(episodes),
                "steps": int(lengths.sum()),
                "shortest": int(lengths.min()),
                "longest": int(lengths.max()),
                "columns": episodes.dof,
                "rate (Hz)": rate if rate else "unknown",
                f"chunks of {horizon}": int(np.maximum(lengths - horizon + 1, 0).sum()),
                "too short": int((lengths < horizon).sum()),
                "chunk (s)": round(horizon / rate, 3) if rate else "unknown",
            }
        )
    return rows


def set_totals(pretrain: Sequence[Episodes], adapt: Episodes, horizon: int) -> dict[str, Any]:
    """Episodes, steps and chunks of `horizon` rows, over all sets and by role."""
    *rows, last = set_rows(pretrain, adapt, horizon)
    chunks = f"chunks of {horizon}"
    return {
        "episodes": sum(row["episodes"] for row in (*rows, last)),
        "steps": sum(row["steps"] for row in (*rows, last)),
        "pretrain_chunks": sum(row[chunks] for row in rows),
        "adapt_chunks": last[chunks],
        "too_short": sum(row["too short"] for row in (*rows, last)),
        "horizon": horizon,
    }


def set_sentences(pretrain: Sequence[Episodes], adapt: Episodes, horizon: int) -> list[str]:
    """What the sets are, and a warning if a chunk has a different duration on pre-training and adaptation robots."""
    rows = set_rows(pretrain, adapt, horizon)
    dropped, count = sum(row["too short"] for row in rows), sum(row["episodes"] for row in rows)
    robots = ", ".join(episodes.robot for episodes in pretrain)
    fate = f"{dropped} of them shorter than" if dropped else "all at least"
    lines = [
        f"{len(pretrain)} pre-training set(s) ({robots}) and {adapt.robot} to adapt to: {count} episodes, "
        f"{fate} a chunk of {horizon} rows{'' if dropped else ' long'}."
    ]
    rates = {row["set"]: row["rate (Hz)"] for row in rows}
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{n} {rate if isinstance(rate, str) else f'{rate:g} Hz'}" for n, rate in rates.items())
        lines.append(
            f"WARNING, rates differ ({listed}): a chunk of {horizon} rows has a different duration on these robots, so "
            "the latent space compares movements of different speed. Resample the recordings to one rate."
        )
    return lines


def table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as `{"columns": […], "rows": [[…]]}`, the form of headline files; missing values are empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "rows": [[row.get(name, "") for name in columns] for row in rows]}


def text(value: Any) -> str:
    """A value as text: whole numbers with thousands separators, others with four significant digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10000 else f"{value:.4g}"
    return "" if value is None else str(value)


def option_rows(config: Any, changed: bool = False) -> list[dict[str, str]]:
    """One row an option of a configuration: its value, the default, and what it does where its field has a help text.

    Args:
        config: a dataclass, e.g. `ate.steer.GuidanceConfig`.
        changed: only options that differ from the default.
    """
    usual = type(config)()
    rows = []
    for option in fields(config):
        value, default = getattr(config, option.name), getattr(usual, option.name)
        meaning = {"meaning": option.metadata["help"]} if "help" in option.metadata else {}
        if not changed or value != default:
            rows.append({"option": option.name, "value": text(value), "default": text(default), **meaning})
    return rows


def phase_names(episodes: Episodes, index: int = 0) -> tuple[str, ...]:
    """The names of the phases, as the episode's file gives them; empty where it gives none."""
    return tuple(episodes[index].attributes.get("phase_names", ()))
