"""Companions: the series recorded along with `qpos`; kept where they have as many rows, else noted or refused."""

import re
from collections.abc import Mapping

from ate.data.series import Series
from ate.errors import InputError


def pair(series: dict[str, Series], others: Mapping[str, Series | str | None], source: str, where: str) -> list[str]:
    """Add the companions of `series["qpos"]` that have a row for each of its rows.

    Args:
        series: the series of an episode, with `qpos`; companions are added.
        others: name → series, None where the file has none, or a few words on why it is of no use.
        source: the requested series; `"action"` must be usable then.
        where: file and episode, for messages.

    Returns:
        What was left out, each with its reason.

    Raises:
        InputError: `source` is `"action"` and there is no usable action.
    """
    left = []
    rows = len(series["qpos"])
    for name, values in others.items():
        if values is None:
            continue
        if isinstance(values, str):
            left.append(f"{name} ({values})")
        elif not values.shape or len(values) != rows:
            left.append(f"{name} (shape {values.shape}, qpos has {rows} rows)")
        else:
            series[name] = values
    if source == "action" and "action" not in series:
        reasons = [note for note in left if note.startswith("action (")]
        expected = f"commanded targets, {rows} rows as of qpos, because source='action' was requested"
        fix = "use source='qpos', or record the commands"
        raise InputError(reasons[0] if reasons else "no action", where=where, expected=expected, fix=fix)
    return left


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts `demo_2` before `demo_10`."""
    # Digits beyond what an int takes at once are compared as text: by length first.
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, len(p.lstrip("0")), p.lstrip("0")) if p.isdecimal() else (1, 0, p) for p in parts)
