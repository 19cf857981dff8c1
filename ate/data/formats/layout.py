"""What every reader gives and uses: the broken episode, file lists, one reading of names, rates and paths."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ate.data.clock import WORDS, Clock
from ate.data.episodes import Episode
from ate.data.excludes import naming
from ate.data.formats import nested
from ate.data.hub import links_into
from ate.data.series import Series
from ate.errors import InputError

# One episode larger than this is a mistake in a header, not a demonstration.
MOST_BYTES = 8 * 2**30
# Attributes that give a rate: three in hertz, the last a time step in seconds.
RATES = ("rate_hz", "fps", "control_freq", "median_dt")


@dataclass(frozen=True)
class Broken:
    """An episode that cannot be used.

    Attributes:
        name: as an exclude list would name it.
        path: its file.
        error: what is wrong with it, and the fix.
        code: the kind of error, as the doctor's findings have it.
    """

    name: str
    path: Path
    error: InputError
    code: str = "files.unreadable"

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", naming(self.error, self.name))


def listed(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files with one of these suffixes directly in a folder, sorted by name; the file itself if `path` is one.

    Where there are none, those of folders that hold one episode each (`nested.files`).
    """
    if path.is_file():
        return [path] if path.suffix.lower() in suffixes else []
    if not path.is_dir():
        return []
    return nested.directly(path, suffixes) or nested.files(path, suffixes)


def counted(path: Path, suffixes: Sequence[str], kind: str) -> str | None:
    """How many such files a path has, as evidence of a layout; None for none."""
    count = len(listed(path, suffixes))
    return f"{count} {kind} file{'s' if count > 1 else ''}" if count else None


def each_file(
    path: Path, suffixes: Sequence[str], read: Callable[[Path], Iterable[Episode]]
) -> Iterator[Episode | Broken]:
    """The episodes that `read` finds in each file; a file that it refuses becomes a broken episode.

    Where each episode has a folder of its own, the folder names it.
    """
    for file in listed(path, suffixes):
        name = nested.name(path, file)
        try:
            for item in read(file):
                yield item if name == file.stem else replace(item, name=item.name.replace(file.stem, name, 1))
        except InputError as error:
            yield Broken(name, file, error)


@contextmanager
def refusing(file: Path, expected: str, *errors: type[Exception]) -> Iterator[None]:
    """Errors of a library that reads a file become one that names the file, with the first line of what it reports."""
    try:
        yield
    except InputError:
        raise
    except errors as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        got = f"a file that cannot be read ({reason})"
        raise InputError(got, where=str(file), expected=expected, fix="copy the file again, or exclude it") from error


def small_text(file: Path, most: int, wrong: Callable[[str, str], InputError]) -> str:
    """A text file of at most `most` bytes; `wrong` makes the error from what was got and where."""
    try:
        size = file.stat().st_size
        if size > most:
            raise wrong(f"{size / 2**20:,.0f} MiB", str(file))
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"a file that cannot be read ({error})", str(file)) from error


def text(value: Any) -> str:
    """A string; HDF5 gives fixed-length strings as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(value: Any) -> tuple[str, ...]:
    """Names from a comma-separated string or from an array of strings."""
    if isinstance(value, (str, bytes)):
        return tuple(part.strip() for part in text(value).split(","))
    return tuple(text(name) for name in np.ravel(np.asarray(value, dtype=object)))


def known(**values: Any) -> dict[str, Any]:
    """The values that are there: attributes that a file does not give are absent, not None."""
    return {name: value for name, value in values.items() if value is not None}


def rate(attributes: Mapping[str, Any]) -> float | None:
    """Steps a second: from `rate_hz`, `fps`, `control_freq`, or a median time step in seconds `median_dt`."""
    for name in RATES[:-1]:
        if name in attributes:
            hertz = number(attributes[name])
            return hertz if hertz is not None and hertz > 0 else None
    step = number(attributes.get(RATES[-1]))
    return round(1.0 / step, 3) if step is not None and step > 0 else None


def clock_rate(seconds: np.ndarray) -> dict[str, Any]:
    """The same by time stamps `(n,)` in seconds that are no clock of the episode; empty where they do not advance."""
    return timed(Clock("time_s", Series.of(np.asarray(seconds, np.float64))))


def timed(clock: Clock | None, described: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The attributes `rate_hz` and `rate_from` by a clock, where the file describes no rate itself."""
    hertz = clock.rate if clock is not None and "rate_hz" not in (described or {}) else None
    if clock is None or hertz is None:
        return {}
    return {"rate_hz": hertz, "rate_from": f"the clock {clock.name} in {WORDS[clock.unit]}"}


def number(value: Any) -> float | None:
    """A finite number, or None for whatever is not one."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def confined(root: Path, relative: str, where: str) -> Path:
    """A file that a data set names.

    Raises:
        InputError: it lies outside of the set, also by way of links; links go in a circle; or it is no path at all.
    """
    try:
        file = (root / relative).resolve()
        # Files of a download cache are links into its folder of blobs.
        here = links_into(root.resolve())
    except (OSError, RuntimeError, ValueError) as error:
        # A circle of links is a RuntimeError, a NUL a ValueError.
        got, expected = f"the path {relative[:200]!r}, which leads nowhere ({error})", f"a path inside {root}"
        raise InputError(got, where=where, expected=expected, fix="restore the file from the original set") from error
    if not file.is_relative_to(here):
        raise InputError(
            f"the path {relative[:200]!r}, which leads outside",
            where=where,
            expected=f"a path inside {root}",
            fix="do not read data sets that point elsewhere; where the links are your own, as in a download cache, "
            "copy the set with its links resolved (cp -rL)",
        )
    # As the set calls it: what a link leads to has no name that tells anything.
    return Path(os.path.normpath(root / relative)) if here != root.resolve() else file


def check_matrix(shape: tuple[int, ...], dtype: np.dtype, where: str) -> None:
    """Refuse what is not a numeric matrix `(n_steps, width)` with rows and columns and of a believable size."""
    if len(shape) != 2 or dtype.kind not in "fiu" or 0 in shape:
        expected = "a numeric matrix (n_steps, dof) with at least one row and one column"
        fix = "write one row a step and one column a joint"
        raise InputError(f"shape {shape} of type {dtype}", where=where, expected=expected, fix=fix)
    if math.prod(shape) * dtype.itemsize > MOST_BYTES:
        got = f"shape {shape}, {math.prod(shape) * dtype.itemsize / 2**30:,.0f} GiB"
        fix = "mend the header of the file, or cut the recording into episodes"
        raise InputError(got, where=where, expected=f"an episode of at most {MOST_BYTES // 2**30} GiB", fix=fix)
