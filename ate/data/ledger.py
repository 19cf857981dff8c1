"""The episode ledger: what came in, what was kept, what was dropped, and why, file by file."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# The reason of an episode that an exclude list names.
EXCLUDED = "excluded"


@dataclass(frozen=True)
class Keys:
    """What a reader looked for in one file.

    Attributes:
        found: keys it uses.
        missing: keys it would use and that are not there.
        ignored: keys of the file that it does not use, with the reason where there is one to give.
    """

    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One episode in the ledger.

    Attributes:
        file: where it is.
        episode: its name.
        steps: rows, None where it could not be read.
        columns: columns of the chosen series, None where it could not be read.
        kept: whether it is in the set.
        reason: why not.
        keys: which keys its reader used, missed and left.
    """

    file: str
    episode: str
    steps: int | None
    columns: int | None
    kept: bool
    reason: str = ""
    keys: Keys = field(default_factory=Keys)


@dataclass(frozen=True)
class Ledger:
    """All episodes of a set, kept or not.

    Attributes:
        layout: the layout they were read in.
        evidence: what made it that layout.
        entries: one an episode, in the order of the files.
        notes: what was done to the values when they were loaded, and what was believed of them, a sentence each.
        unlisted: files of recordings that lie in the set and that nothing lists.
    """

    layout: str = "memory"
    evidence: str = "made in memory"
    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    @property
    def dropped(self) -> tuple[Entry, ...]:
        """Episodes that came in and were not kept."""
        return tuple(entry for entry in self.entries if not entry.kept)

    def lines(self, reasons: bool = True) -> list[str]:
        """The ledger in sentences: counts, the layout and why, keys found, missing and ignored, and every drop.

        Args:
            reasons: say why each episode was dropped; without it, where findings that are shown below say so.
        """
        kept = [entry for entry in self.entries if entry.kept]
        lines = [
            f"{len(self.entries)} episodes came in, {len(kept)} kept, {len(self.dropped)} dropped; "
            f"{sum(entry.steps or 0 for entry in kept):,} steps kept.",
            f"layout {self.layout}: {self.evidence}.",
            *self.notes,
        ]
        for name in ("found", "missing", "ignored"):
            counts = Counter(key for entry in self.entries for key in getattr(entry.keys, name))
            if counts:
                keys = (key if n == len(self.entries) else f"{key} (in {n} of {len(self.entries)})"
                        for key, n in sorted(counts.items()))  # fmt: skip
                lines.append(f"keys {name}: {', '.join(keys)}.")
        dropped = ((e, e.reason if reasons or e.reason == EXCLUDED else "see below") for e in self.dropped)
        return [*lines, *(f"dropped {entry.episode} ({entry.file}): {reason}" for entry, reason in dropped)]

    def rows(self) -> list[dict[str, Any]]:
        """One row an episode, for a table."""
        names = ("episode", "steps", "columns", "kept", "reason", "file")
        rows = [{name: getattr(entry, name) for name in names} for entry in self.entries]
        return [{name: "" if value is None else value for name, value in row.items()} for row in rows]
