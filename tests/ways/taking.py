"""Taking a way out: what a row of the tables is, and what rows share.

A row is a function that yields, once or several times, `(what provokes the error, a pattern)`. It gets back the groups
of the pattern in the error's `fix` (the match itself where there are none) and goes on to do what they name; an error
that is left ends the row.
"""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pytest

from ate.cli.main import cli
from ate.data import load
from ate.errors import InputError

Step = tuple[Callable[[], object], str]


@dataclass
class Place:
    """Where a row works: a folder, patches that end with it, and the last error."""

    path: Path
    patch: pytest.MonkeyPatch
    site: str = ""
    error: InputError | None = None

    @property
    def set(self) -> Path:
        """The folder of the set that a row spoils."""
        return self.path / "set"

    def ate(self, *words: object) -> None:
        """The command `ate`; what it refuses is raised. What the doctor calls FAIL is no refusal."""
        try:
            cli.main([str(word) for word in words], prog_name="ate", standalone_mode=False)
        except SystemExit as ended:
            assert words[0] == "doctor" and ended.code == 1

    def without(self, name: str, **named: Any) -> None:
        """Load the set without an episode, and read all of its values."""
        left = load(self.set, exclude=[name.strip("'")], **named)
        for item in left:
            item.read(left.source)
        assert len(left)


@dataclass(frozen=True)
class Way:
    """A row: the site whose errors it provokes, and what it does."""

    site: str
    steps: Callable[[Place], Generator[Step, Any, None]]


WAYS: list[Way] = []


def way(*sites: str) -> Callable[..., Callable[[Place], Generator[Step, Any, None]]]:
    """Put a function into the table, for each of these sites."""

    def put(steps: Callable[[Place], Generator[Step, Any, None]]) -> Callable[[Place], Generator[Step, Any, None]]:
        WAYS.extend(Way(site, steps) for site in sites)
        return steps

    return put


def excluding(*sites: str) -> Callable[[Callable[[Place], object]], Callable[[Place], Generator[Step, Any, None]]]:
    """Rows of which the way out is to leave an episode out: the function writes `p.set` with one that can't be read."""

    def put(spoiled: Callable[[Place], object]) -> Callable[[Place], Generator[Step, Any, None]]:
        """The row of a set."""

        @way(*sites)
        def steps(p: Place) -> Generator[Step, Any, None]:
            """Write the set, and leave out the episode that the error names."""
            spoiled(p)
            p.without((yield lambda: read(p.set), r"\bexclude (\S+?)[,:]?(?: |$)"))

        return steps

    return put


def read(path: Path, **named: Any) -> None:
    """Load a set and read all of its values."""
    episodes = load(path, **named)
    for item in episodes:
        item.read(episodes.source)


def spoil(file: Path, key: str, *values: Any) -> None:
    """Delete a dataset or group of an HDF5 file, and put a value there if one is given."""
    with h5py.File(file, "r+") as handle:
        if key in handle:
            del handle[key]
        for value in values:
            handle[key] = value


def take(row: Way, place: Place, made: dict[int, tuple[InputError, set[str]]]) -> None:
    """Provoke, look where the error was made, take the way out of its message."""
    steps, sent, count = row.steps(place), None, 0
    while True:
        try:
            provoke, pattern = steps.send(sent)
        except StopIteration:
            break
        with pytest.raises(InputError) as caught:
            provoke()
        place.error = error = caught.value
        # An error that crossed a socket as text was made by another thread, with the same text.
        by = {s for e, names in made.values() if e in (error, error.__cause__) or str(e) == str(error) for s in names}
        assert row.site in by, f"made by {by}: {error}"
        match = re.search(pattern, error.fix)
        assert match is not None, f"{pattern!r} is not in: {error.fix}"
        groups = match.groups()
        sent, count = (match[0] if not groups else groups[0] if len(groups) == 1 else groups), count + 1
    assert count, f"{row.site}: no error was provoked"
