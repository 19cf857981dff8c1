"""The statistics passport: which robot, series, chunk length and data a normaliser belongs to, as one hash.

Networks trained under one normaliser and used under another fail without a word. Every checkpoint carries the
passport of each of its action spaces, and what does not match is refused with both hashes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.runs.files import array_digest


@dataclass(frozen=True)
class Passport:
    """Identity of one robot's statistics.

    Attributes:
        robot: name of the embodiment.
        source: the series the statistics are of, `"qpos"` or `"action"`.
        chunk: S, rows a chunk.
        joints: joint names with their slots in the unified vector.
        data: SHA-256 of the episodes the statistics were taken from.
        statistics: SHA-256 of the lowest and highest value of every joint.
        converted: what was done to the recorded values, and who declared it; empty where they are as recorded.
    """

    robot: str
    source: str
    chunk: int
    joints: tuple[tuple[str, int], ...]
    data: str
    statistics: str
    converted: str = ""

    @classmethod
    def of(cls, space: ActionSpace, chunk: int) -> "Passport":
        """The passport of an action space used with chunks of `chunk` rows."""
        e, n = space.embodiment, space.normalizer
        ranges = array_digest(n.low.astype("<f4"), n.high.astype("<f4"))
        joints = tuple(zip(e.joint_names, e.slots, strict=True))
        return cls(e.name, space.source, chunk, joints, space.data, ranges, space.converted)

    @property
    def hash(self) -> str:
        """SHA-256 over all of it."""
        return hashlib.sha256(repr(tuple(self._parts.values())).encode()).hexdigest()

    @property
    def _parts(self) -> dict[str, Any]:
        """All fields; of values as recorded nothing is kept about a conversion."""
        parts = asdict(self)
        return parts if self.converted else {name: part for name, part in parts.items() if name != "converted"}

    def to_tree(self) -> dict[str, Any]:
        """Plain values and the hash, for a checkpoint."""
        return {**self._parts, "joints": [list(pair) for pair in self.joints], "hash": self.hash}

    def check(self, other: "Passport", where: str) -> None:
        """Refuse another passport.

        Args:
            other: what should be the same.
            where: what carries `other`.

        Raises:
            InputError: they differ; names both hashes and what differs.
        """
        if self.hash == other.hash:
            return
        raise self._mismatch(
            other.hash, where, [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]
        )

    def check_tree(self, tree: Mapping[str, Any] | None, where: str) -> None:
        """Refuse a checkpoint whose stored passport does not match its statistics.

        Raises:
            InputError: there is none, or it differs: the checkpoint was edited or put together from two.
        """
        stored = dict(tree or {})
        if stored.get("hash") == self.hash:
            return
        own = self.to_tree()
        raise self._mismatch(
            str(stored.get("hash", "none")),
            where,
            [name for name in own if name != "hash" and stored.get(name) != own[name]],
        )

    def _mismatch(self, other: str, where: str, differing: list[str]) -> InputError:
        return InputError(
            f"statistics passport {other[:16]}",
            where=where,
            expected=f"passport {self.hash[:16]} ({self.robot}, {self.source}, chunks of {self.chunk}); "
            f"{' and '.join(differing) or 'nothing but the hash'} differ",
            fix="use checkpoint, robot, source, chunk length and data that belong together, or train anew",
        )
