"""Nested recordings: a folder with one sub-folder an episode, and one file of the same name in each of them.

A folder of robots looks alike from afar: only folders that are named like episodes, and files that a layout always
calls so, are taken for this.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

# `episode_0003`, `demo-7`, `648642`, `2023-07-07_09-42-23`; never `xarm6` and `xarm7`.
_EPISODE = re.compile(
    r"(?:episode|ep|demo|demonstration|traj|trajectory|rollout|run|recording|take)?[\d\s_.:T-]*\d[\d\s_.:TZ-]*",
    re.IGNORECASE,
)
# DROID and RoboMIND, AgiBot World: they name the folders after days, or people.
_ALWAYS = ("trajectory.h5", "trajectory.hdf5", "proprio_stats.h5")
# Days, episodes, and `data` in an episode.
_DEEPEST = 4
# Folders that are looked into before the first recording; from then on, all of them.
_BEFORE = 500
_seen: ContextVar[dict[tuple[Path, tuple[str, ...]], list[Path]] | None] = ContextVar("_seen", default=None)


def directly(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files with one of these suffixes directly in a folder, sorted by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes and file.is_file())


@contextmanager
def remembering() -> Iterator[None]:
    """What was found in a folder counts until the end of this block: each layout asks for it anew."""
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


def files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """One file for each sub-folder that is an episode, sorted; none where the sub-folders are something else."""
    seen = _seen.get()
    key = (folder, tuple(suffixes))
    if seen is not None and key in seen:
        return seen[key]
    results = _files(folder, suffixes)
    if seen is not None:
        seen[key] = results
    return results


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    results = _walk(folder, suffixes, _DEEPEST, [_BEFORE])
    if not results or len({file.name for file in results}) > 1:
        return []
    named = results[0].name in _ALWAYS or all(_EPISODE.fullmatch(name(folder, file)) for file in results)
    return results if named else []


def name(path: Path, file: Path) -> str:
    """What an exclude list calls the episode of a file: its stem, or its folder's name where that one is its own."""
    if file == path or file.parent == path:
        return file.stem
    parts = file.relative_to(path).parts[:-1]
    # RoboMIND keeps the file in a folder `data` of the episode.
    return "_".join(parts[:-1] if parts[-1] == "data" and len(parts) > 1 else parts)


def _walk(folder: Path, suffixes: Sequence[str], depth: int, left: list[int]) -> list[Path]:
    results: list[Path] = []
    for child in sorted(folder.iterdir()):
        if child.name.startswith(".") or not child.is_dir() or not os.access(child, os.R_OK | os.X_OK):
            continue
        if not left[0]:
            return []
        here = directly(child, suffixes)
        if len(here) > 1:
            # A set of its own.
            return []
        results += here or (_walk(child, suffixes, depth - 1, left) if depth > 1 else [])
        left[0] = -1 if results else left[0] - (left[0] > 0)
    return results
