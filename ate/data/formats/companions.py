"""What every reader does with the series beside `qpos`: kept where it has as many rows, else noted, else refused."""

from collections.abc import Mapping

from ate.data.series import Series
from ate.errors import InputError


def pair(found: dict[str, Series], others: Mapping[str, Series | str | None], source: str, where: str) -> list[str]:
    """Put the companions of `found["qpos"]` beside it where they have a row for each of its rows.

    Args:
        found: the series of an episode, with `qpos`; companions are added.
        others: name → series, None where the file has none, or a few words on why it is of no use.
        source: the series that was asked for; `"action"` must be usable then.
        where: file and episode, for messages.

    Returns:
        What was left out, each with its reason.

    Raises:
        InputError: `source` is `"action"` and there is no usable action.
    """
    left = []
    rows = len(found["qpos"])
    for name, series in others.items():
        if series is None:
            continue
        if isinstance(series, str):
            left.append(f"{name} ({series})")
        elif not series.shape or len(series) != rows:
            left.append(f"{name} (shape {series.shape} beside {rows} rows of qpos)")
        else:
            found[name] = series
    if source == "action" and "action" not in found:
        reasons = [note for note in left if note.startswith("action (")]
        raise InputError(
            reasons[0] if reasons else "no action",
            where=where,
            expected=f"commanded targets, {rows} rows as of qpos, because source='action' was asked for",
            fix="use source='qpos', or record the commands",
        )
    return left


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts `demo_2` before `demo_10`."""
    parts: list[str] = []
    for character in name:
        if parts and parts[-1][-1].isdecimal() == character.isdecimal():
            parts[-1] += character
        else:
            parts.append(character)
    # Digits beyond what an int takes at once are compared as text: by length first.
    return tuple((0, len(p.lstrip("0")), p.lstrip("0")) if p.isdecimal() else (1, 0, p) for p in parts)
