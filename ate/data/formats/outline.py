"""The outline of an HDF5 file: its datasets at full depth with their shapes, groups that are alike shown once."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py

from ate.data.formats import hdf5
from ate.data.formats.companions import natural

_DEEPEST, _MOST = 12, 200
_NUMBER = re.compile(r"\d+")
# What joint positions and commands are called, and what else is called nearly so.
_POSITIONS = re.compile(r"qpos|joint|position|(?:^|[/_.])pos|state|proprio|arm|puppet|follower|slave", re.IGNORECASE)
_COMMANDS = re.compile(r"action|command|target|ctrl|control|master|leader", re.IGNORECASE)
_OTHER = re.compile(
    r"(?:^|/)states$|sin$|cos$|vel|effort|torque|force|current|accel|temperature|index|reward|done|image|rgb|depth|camera|pose|quat|orient"
    r"|eef|ee_|end_|tcp|tool|cartesian|object|time|mask|wrench|initial",
    re.IGNORECASE,
)
_GRIPPER = re.compile(r"gripper|finger", re.IGNORECASE)
_JOINTS = re.compile(r"qpos|joint", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A dataset.

    Attributes:
        key: where it is; `*` in place of the number of a group that others are like.
        shape: of the first of them.
        kind: the letter of its number type.
    """

    key: str
    shape: tuple[int, ...]
    kind: str

    def __str__(self) -> str:
        return f"{self.key} {self.shape}"

    @property
    def is_table(self) -> bool:
        """Whether it has a row of numbers for each step."""
        return self.kind in "fi" and len(self.shape) == 2 and self.shape[0] > 1 and 0 < self.shape[1] <= 128


def outline(file: Path) -> list[Entry]:
    """The datasets of a file; links are not followed.

    Raises:
        InputError: it cannot be opened.
    """
    status = file.stat()
    return list(_outline(file, status.st_mtime_ns, status.st_size))


@lru_cache(8)
def _outline(file: Path, written: int, size: int) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    with hdf5.opened(file) as handle:
        for entry in _walk(handle, "", _DEEPEST):
            entries.append(entry)
            if len(entries) >= _MOST:
                break
    return tuple(entries)


def positions(entries: Sequence[Entry]) -> list[str]:
    """Keys that could be joint positions, the likeliest first; none where there are only grippers."""
    keys = [e.key for e in entries if e.is_table and _POSITIONS.search(e.key) and not _COMMANDS.search(e.key)]
    arms = [key for key in keys if not _OTHER.search(key)]
    # A gripper alone is no robot.
    ordered = sorted(arms, key=lambda key: (bool(_GRIPPER.search(key)), not _JOINTS.search(key)))
    return ordered if ordered and not _GRIPPER.search(ordered[0]) else []


def commands(entries: Sequence[Entry]) -> list[str]:
    """Keys that could be commands."""
    return [e.key for e in entries if e.is_table and _COMMANDS.search(e.key) and not _OTHER.search(e.key)]


def _walk(group: h5py.Group, prefix: str, depth: int) -> Iterator[Entry]:
    raws = sorted(group.id, key=lambda raw: natural(raw.decode("utf-8", "replace")))
    alike: dict[str, list[bytes]] = {}
    for raw in raws:
        alike.setdefault(_NUMBER.sub("*", raw.decode("utf-8", "replace"), count=1), []).append(raw)
    for label, same in alike.items():
        hard = [raw for raw in same if group.id.links.get_info(raw).type == h5py.h5l.TYPE_HARD]
        kinds = {h5py.h5o.get_info(group.id, raw).type for raw in hard[:2]}
        if len(hard) > 1 and kinds == {h5py.h5o.TYPE_GROUP}:
            yield from _within(group, hard[0], f"{prefix}{label}", depth)
            continue
        for raw in hard:
            yield from _within(group, raw, f"{prefix}{raw.decode('utf-8', 'replace')}", depth)


def _within(group: h5py.Group, raw: bytes, path: str, depth: int) -> Iterator[Entry]:
    kind = h5py.h5o.get_info(group.id, raw).type
    if kind == h5py.h5o.TYPE_GROUP and depth:
        yield from _walk(h5py.Group(h5py.h5g.open(group.id, raw)), f"{path}/", depth - 1)
    elif kind == h5py.h5o.TYPE_DATASET:
        dataset = h5py.h5d.open(group.id, raw)
        yield Entry(path, tuple(dataset.shape or ()), dataset.dtype.kind)
