"""Origin: the data that a run folder was made from, so that it is never continued with others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# What a run card calls the hash of the episodes.
USED = "hash of the episodes used"


@dataclass(frozen=True)
class Origin:
    """What a run is made from.

    Attributes:
        about: robots, folders and chunk length, in words.
        data: hash of all episodes, those that are left out too, with robot, series and chunk length.
        episodes: hash of the episodes that are used.
        notes: by set, what was converted and what was believed.
        accepted: findings of the doctor that are accepted although they are FAIL: rows with `set`, `code`, `subject`,
            `got` and more.
        examined: hash of the files that were examined with these failures, for not examining them again.
        failed: the failures that were found there, accepted or not.
    """

    about: str
    data: str
    episodes: str
    notes: Mapping[str, str] = field(default_factory=dict)
    accepted: Sequence[Mapping[str, Any]] = ()
    examined: str = ""
    failed: Sequence[Mapping[str, Any]] = ()

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        tree = asdict(self)
        return {**tree, "accepted": list(tree["accepted"]), "failed": list(tree["failed"])}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Origin":
        """The inverse of `to_tree`."""
        return cls(**{name: value for name, value in tree.items() if name in cls.__dataclass_fields__})

    @property
    def sentences(self) -> list[str]:
        """What was accepted, a sentence each."""
        return sentences(self.accepted)

    @property
    def for_card(self) -> dict[str, Any]:
        """What a run card says of it, what was accepted first."""
        accepted = {"accepted": self.sentences} if self.accepted else {}
        return {**accepted, "made_from": {"data": self.about, **self.notes, USED: self.episodes}}


def sentences(accepted: Sequence[Mapping[str, Any]]) -> list[str]:
    """Findings of the doctor, a sentence each: code, subject, set and what is there."""
    return [f"{row['code']} of {row['subject']}, {row['set']}: {row['got']}" for row in accepted]
