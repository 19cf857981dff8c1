"""Tables for the terminal: rows as aligned text columns."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

# Below this, columns of words become a column of syllables.
NARROWEST = 80


def terminal_width() -> int:
    """Characters in a line of the terminal, at least `NARROWEST`; 120 where there is no terminal."""
    return max(shutil.get_terminal_size((120, 40)).columns, NARROWEST)


def signed(value: float, form: str = ".1f") -> str:
    """A number with its sign in front, the minus as wide as the plus; `form` is that of `format`."""
    return format(value, f"+{form}").replace("-", "−")


def table_text(rows: Sequence[Mapping[str, Any]], width: int = 0) -> str:
    """Rows as left-aligned columns under their names.

    Args:
        rows: one mapping a row, column name to value.
        width: characters in a line; longer cells are wrapped, the last column takes the room that is left. 0 wraps
            nothing.
    """
    # Plain text, not pandas: `ate doctor` works without the optional packages.
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_text(row.get(name)) for name in names] for row in rows]
    lines = [names, *(_wrapped(cells, names, width) if width else cells)]
    sizes = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, sizes)).rstrip() for line in lines)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _wrapped(cells: list[list[str]], names: list[str], width: int) -> list[list[str]]:
    """The same cells over as many lines as they need; line breaks within a cell are kept."""
    natural = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    sizes = [min(size, width // 4) for size in natural[:-1]]
    sizes.append(width - sum(sizes) - 2 * len(sizes))
    lines: list[list[str]] = []
    for row in cells:
        parts = [
            [piece for line in cell.split("\n") for piece in textwrap.wrap(line, size, subsequent_indent="  ")]
            for cell, size in zip(row, sizes, strict=True)
        ]
        lines += [list(line) for line in zip_longest(*parts, fillvalue="")]
    return lines
