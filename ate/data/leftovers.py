"""Leftovers: files of recordings that lie in a set and that no episode comes from, because nothing lists them."""

from collections.abc import Collection
from pathlib import Path

from ate.data.formats import SUFFIXES

# Where sets that list their episodes keep them; elsewhere in such a set lie its lists.
_LISTED = {"lerobot": ("data", (".parquet",))}


def leftovers(path: Path, layout: str, used: Collection[Path], names: Collection[str] = ()) -> tuple[str, ...]:
    """Files below a folder that look like recordings and are none of `used`, relative to it, sorted.

    Args:
        path: the set.
        layout: in which it was read.
        used: the files that its episodes come from, broken ones too.
        names: of these episodes; a file that is called like one is known.
    """
    if not path.is_dir():
        return ()
    inside, suffixes = _LISTED.get(layout, (".", SUFFIXES))
    known = {file.resolve() for file in used}
    files = (file for file in (path / inside).rglob("*") if file.suffix.lower() in suffixes and file.is_file())
    return tuple(
        sorted(str(file.relative_to(path)) for file in files if file.resolve() not in known and file.stem not in names)
    )


def note(left: tuple[str, ...]) -> str:
    """What the ledger says of them."""
    few = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
    return f"{len(left)} file{'s' if len(left) > 1 else ''} not listed, and not read: {few}."
