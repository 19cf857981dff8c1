"""What a LeRobot data set says of itself in `meta/`: features, rate, and where each episode lies.

Versions 2.0 and 2.1 list episodes in `episodes.jsonl`, version 3 in parquet files under `meta/episodes`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

from ate.data.formats import parquet
from ate.data.formats.companions import natural
from ate.data.formats.jsonfile import read_lines, read_object
from ate.data.formats.layout import confined
from ate.errors import InputError

INFO = "meta/info.json"
_LISTING = "meta/episodes.jsonl"
_V2_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
_V3_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_FIELD = re.compile(r"\{(\w+)(?::0?(\d{1,2})d)?\}")
_V3_COLUMNS = ("episode_index", "length", "data/chunk_index", "data/file_index")
# A set of a hundred million episodes is a wrong number.
_MOST = 10**8


@dataclass(frozen=True)
class Place:
    """An episode as the metadata lists it.

    Attributes:
        number: its index.
        file: the parquet file it is in.
        length: its steps.
        first: its first row in that file.
        alone: whether the file is its own.
        task: what it shows, or None.
        listed_in: None as listed; where rows were found by their own numbers, the file that the metadata name instead,
            empty where it is the same.
    """

    number: int
    file: Path
    length: int
    first: int
    alone: bool
    task: str | None
    listed_in: str | None = None


@dataclass(frozen=True)
class Meta:
    """A set's metadata.

    Attributes:
        root: the set's folder.
        version: such as `v2.1`.
        info: all of `info.json`.
    """

    root: Path
    version: str
    info: Mapping[str, Any]

    @cached_property
    def features(self) -> dict[str, Any]:
        """Feature → what `info.json` says of it."""
        features = self.info.get("features")
        return {k: v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}

    def width(self, feature: str) -> int:
        """Numbers in a row of a feature.

        Raises:
            InputError: its shape is not one positive number.
        """
        shape = self.features[feature].get("shape")
        if isinstance(shape, list) and len(shape) == 1 and _whole(shape[0], 10**6) and shape[0] > 0:
            return int(shape[0])
        raise _odd(f"shape {shape!r:.100} of {feature!r}", f"{self.root / INFO}", "a shape of one positive number")

    def names(self, feature: str) -> tuple[str, ...]:
        """Names of the columns of a feature, as recorders write them: a list, lists in a list or in a dictionary, or a
        dictionary of names with their places; none where none are given.
        """
        return tuple(_flat(self.features[feature].get("names")))

    @property
    def splits(self) -> dict[str, tuple[str, ...]]:
        """`split/<name>` → its episodes, from ranges such as `0:40`; none where there is but one split."""
        splits = self.info.get("splits")
        if not isinstance(splits, dict) or len(splits) < 2:
            return {}
        matches = {key: re.fullmatch(r"(\d{1,8}):(\d{1,8})", str(value)) for key, value in splits.items()}
        ranges = {key: range(int(m[1]), int(m[2])) for key, m in matches.items() if m}
        return {f"split/{key}": tuple(map(name, numbers)) for key, numbers in ranges.items() if len(numbers) < 10**6}

    @property
    def miscounted(self) -> tuple[str, ...]:
        """Totals of `info.json` that the list of episodes does not add up to, a sentence each."""
        places = list(self.places())
        frames = sum(place.length for place in places if isinstance(place, Place))
        listed = {"total_episodes": len(places), "total_frames": frames}
        other = [f"{key} {self.info[key]} ({count} listed)" for key, count in listed.items()
                 if _whole(self.info.get(key), 2**40) and self.info[key] != count]  # fmt: skip
        repeated = list(self._repeated())
        again = f"{_several(repeated)} listed more than once in {_LISTING}, in equal lines: read once."
        return (*([f"{INFO} has {', '.join(other)}."] if other else []), *([again] if repeated else []))

    def _repeated(self) -> Iterator[str]:
        """Episodes that several equal lines of version 2 list."""
        if self.version.startswith("v3"):
            return
        lines = ((e.get("episode_index"), e.get("length")) for e in read_lines(self.root / _LISTING))
        counts = Counter((n, rows) for n, rows in lines if _whole(n, _MOST) and _whole(rows, 2**40))
        yield from (name(n) for (n, _), count in counts.items() if count > 1)

    def places(self) -> Iterator[Place | tuple[str, InputError]]:
        """Every episode in order, or its name and what is wrong with its entry.

        Raises:
            InputError: the list of episodes cannot be read.
        """
        return _packed(self) if self.version.startswith("v3") else _one_each(self)


def read(root: Path) -> Meta:
    """The metadata of a set.

    Raises:
        InputError: `meta/info.json` is missing, unreadable, or of a version that is not known.
    """
    info = read_object(root / INFO)
    version = str(info.get("codebase_version", ""))
    if not version.startswith(("v2.", "v3.")):
        raise _odd(f"codebase_version {version!r:.40}", str(root / INFO), "v2.0, v2.1 or v3.0")
    return Meta(root, version, info)


def name(number: int) -> str:
    """What an exclude list calls an episode."""
    return f"episode_{number:06d}"


def _one_each(meta: Meta) -> Iterator[Place | tuple[str, InputError]]:
    size = meta.info.get("chunks_size", 1000)
    if not _whole(size, _MOST) or size < 1:
        raise _odd(f"chunks_size {size!r:.40}", str(meta.root / INFO), "a positive number")
    listing = meta.root / _LISTING
    known: dict[int, tuple[int, int]] = {}
    for line, entry in enumerate(read_lines(listing), start=1):
        number, length = entry.get("episode_index"), entry.get("length")
        where = f"{listing}, line {line}"
        if not _whole(number, _MOST) or not _whole(length, 2**40):
            got = f"episode_index {number!r:.40}, length {length!r:.40}"
            yield f"line {line}", _odd(got, where, "an episode's number and its steps", f"line {line}")
            continue
        before, other = known.setdefault(number, (line, length))
        if before != line:
            # An equal line adds nothing: a recorder that was started again wrote the episode down twice.
            if other != length:
                yield f"line {line}", _twice(number, (before, other), (line, length), listing)
            continue
        if not length:
            yield name(number), _empty(number, where)
            continue
        try:
            file = _file(meta, _V2_PATH, {"episode_chunk": number // size, "episode_index": number})
        except InputError as error:
            yield name(number), error
            continue
        yield Place(number, file, length, 0, True, _task(entry.get("tasks")))


def _packed(meta: Meta) -> Iterator[Place | tuple[str, InputError]]:
    parquet.arrow(str(meta.root))
    folder = meta.root / "meta" / "episodes"
    files = sorted(folder.rglob("*.parquet"), key=lambda file: natural(str(file))) if folder.is_dir() else []
    if not files:
        raise _odd("no parquet file", str(folder), "the list of episodes of version 3")
    filled: dict[Path, int] = {}
    known: dict[tuple[int, int], Path] = {}
    for listing in files:
        confined(meta.root, str(listing.relative_to(meta.root)), str(listing))
        for row in _rows(listing):
            number, length, chunk, index = (row[key] for key in _V3_COLUMNS)
            if not all(_whole(value, _MOST) for value in (number, chunk, index)) or not _whole(length, 2**40):
                yield f"entry of {listing.name}", _odd(f"{row!r:.200}", str(listing), "whole numbers")
                continue
            try:
                if (chunk, index) not in known:
                    known[chunk, index] = _file(meta, _V3_PATH, {"chunk_index": chunk, "file_index": index})
                file = known[chunk, index]
            except InputError as error:
                yield name(number), error
                continue
            if not length:
                yield name(number), _empty(number, str(listing))
                continue
            # Episodes lie in their file one after the other, in the order of the list.
            first = filled.get(file, 0)
            filled[file] = first + length
            yield Place(number, file, length, first, False, _task(row.get("tasks")))


def _rows(listing: Path) -> Iterator[dict[str, Any]]:
    with parquet.opened(listing) as handle:
        there = handle.schema_arrow.names
        missing = [key for key in _V3_COLUMNS if key not in there]
        if missing:
            raise _odd(f"no column {', '.join(missing)}", str(listing), f"columns {', '.join(_V3_COLUMNS)}")
        wanted = [*_V3_COLUMNS, *(["tasks"] if "tasks" in there else [])]
        for batch in handle.iter_batches(columns=wanted, use_threads=False):
            yield from batch.to_pylist()


def _file(meta: Meta, usual: str, numbers: Mapping[str, int]) -> Path:
    """The file that the set's template names; only the known fields are filled in, and it stays inside the set."""
    template = meta.info.get("data_path", usual)
    where = f"{meta.root / INFO}, data_path"
    if not isinstance(template, str) or len(template) > 1000 or "\0" in template:
        raise _odd(f"{template!r:.100}", where, f"a path such as {usual}")

    return confined(meta.root, filled(template, numbers, where), where)


def filled(template: str, numbers: Mapping[str, int], where: str) -> str:
    """A template of a path with its fields filled in, `{chunk_index:03d}` and so on; only the known ones.

    Raises:
        InputError: another field.
    """

    def fill(match: re.Match[str]) -> str:
        field, digits = match.group(1), int(match.group(2) or 0)
        if field not in numbers:
            raise _odd(f"{{{field}}} in {template!r:.100}", where, f"fields {', '.join(numbers)}")
        return str(numbers[field]).zfill(digits)

    path = _FIELD.sub(fill, template)
    if "{" in path or "}" in path:
        raise _odd(f"{template!r:.100}", where, "a path whose fields are numbers")
    return path


def _flat(names: Any, deepest: int = 3) -> Iterator[str]:
    """The names in lists and dictionaries, in order; of `{"name": …}` what it is called, of a text its parts."""
    if isinstance(names, str):
        names = [part.strip() for part in names.split(",")]
    if isinstance(names, dict) and isinstance(names.get("name"), str):
        names = [names["name"]]
    if isinstance(names, dict):
        places = list(names.values())
        if all(_whole(place, 10**6) for place in places):
            yield from sorted(names, key=lambda name: int(names[name]))
            return
        # Keys are groups of columns ("motors": [...]), or the columns themselves where nothing is in them.
        inner = [part for part in places if isinstance(part, (list, dict))]
        names = inner if inner else list(names)
    if isinstance(names, list) and deepest:
        for name in names:
            yield from [str(name)] if isinstance(name, (str, int, float)) else _flat(name, deepest - 1)


def _task(tasks: Any) -> str | None:
    return next((text for text in (tasks if isinstance(tasks, list) else [tasks]) if isinstance(text, str)), None)


def _whole(value: Any, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _empty(number: int, where: str) -> InputError:
    got, fix = f"episode {number} of length 0", f"exclude {name(number)}"
    return InputError(got, where=where, expected="an episode of at least one step", fix=fix)


def _twice(number: int, first: tuple[int, int], second: tuple[int, int], listing: Path) -> InputError:
    return InputError(
        f"episode {number} of length {second[1]}, and of length {first[1]} in line {first[0]}",
        where=f"{listing}, line {second[0]}",
        expected="a line for each episode",
        fix=f"delete the line that does not have the rows of its file, or exclude 'line {second[0]}'",
    )


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more} {'is' if len(names) == 1 else 'are'}"


def _odd(got: str, where: str, expected: str, exclude: str = "") -> InputError:
    fix = "restore the metadata from the original set" + (f", or exclude {exclude!r}" if exclude else "")
    return InputError(got, where=where, expected=expected, fix=fix)
