"""Ends of episodes in a table or an array of many: by their numbers, flags at last rows, or steps that start again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ate.errors import InputError

# Names of arrays that flag last rows, as D4RL, Gymnasium and LeRobot write them; a row may be flagged by any of them.
FLAGS = ("terminals", "timeouts", "dones", "done", "terminated", "truncated", "terminal", "timeout", "is_last",
         "truncations", "terminations", "next.done", "next/done")  # fmt: skip
# Names of arrays that flag first rows, and of arrays that are 0 at last rows (masks of returns, discounts).
FIRSTS = ("is_first", "episode_starts", "first", "starts")
GOING_ON = ("masks", "mask", "not_done", "not_dones", "discounts", "discount", "nonterminals")
# Names of arrays with a number for each episode: its length, or its first row.
LENGTHS = ("episode_lengths", "episode_length", "lengths", "traj_lengths", "ep_lengths", "ep_len")
STARTS = ("episode_starts", "episode_start", "start_indices", "starts", "traj_starts")
# Names of arrays that number the rows of an episode.
STEPS = ("step", "steps", "timestep", "timesteps", "frame_index", "step_index", "step_id")
# Names of arrays that number the episode of each row.
NUMBERS = ("traj_id", "traj_ids", "episode_index", "episode_id", "episode_ids", "episode", "trajectory_id", "demo_id")
# Names of the attribute, or of the array, by which recorders mark an episode in which the task was done.
OUTCOMES = ("success", "is_success", "successful", "succeeded")
KEYS = frozenset((*FLAGS, *FIRSTS, *GOING_ON, *LENGTHS, *STARTS, *STEPS, *NUMBERS))


@dataclass(frozen=True)
class Part:
    """Rows `[start, stop)`, one episode; `name` is its number or text where rows are numbered, else empty."""

    start: int
    stop: int
    name: str = ""


def of_arrays(
    shapes: Mapping[str, tuple[int, ...]], read: Callable[[str], np.ndarray], rows: int, where: str
) -> tuple[list[Part], tuple[str, ...]]:
    """The episodes of a file of arrays, and the keys that tell them apart; one part and no key where none does.

    Args:
        shapes: of all arrays of the file.
        read: reads one of them.
        rows: rows of the joint positions.
        where: the file, for messages.

    Raises:
        InputError: rows of one episode do not lie together.
    """
    fitting = [key for key, shape in shapes.items() if shape in ((rows,), (rows, 1))]
    for key in (key for key in NUMBERS if key in fitting):
        return by_number(read(key), f"{where}, array {key!r}"), (key,)
    for names, ends_of in ((LENGTHS, _ends_by_length), (STARTS, _ends_by_start)):
        for key in (key for key in names if len(shapes.get(key, ())) == 1 and key not in fitting):
            ends = ends_of(read(key), rows)
            if ends is not None:
                return [Part(a, b) for a, b in pairwise([0, *ends])], (key,)
    values = {key: read(key) for key in (*FLAGS, *FIRSTS, *GOING_ON) if key in fitting}
    values = {key: item.ravel() for key, item in values.items() if item.dtype.kind in "biuf"}
    flags = {key: _last(key, item) for key, item in values.items()}
    # Flags that are never set, or in most rows, end nothing; the last row ends an episode in any case.
    flags = {key: item for key, item in flags.items() if 0 < item.mean() < 0.5 and (key in FLAGS or item[:-1].any())}
    if flags:
        return by_flag(list(flags.values()), rows), tuple(flags)
    for key in (key for key in STEPS if key in fitting):
        parts = by_step(read(key))
        if len(parts) > 1:
            return parts, (key,)
    return [Part(0, rows)], ()


def outcomes(values: np.ndarray, parts: Sequence[tuple[int, int]], rows: int) -> list[bool]:
    """Whether the task was done in each episode; empty where the array does not say so.

    Args:
        values: one truth (or 0 and 1) an episode, for each row, or for all where there is one episode.
        parts: rows `[start, stop)` of each episode.
        rows: of all of them.
    """
    marks = values.ravel()
    if marks.dtype.kind not in "biuf" or not np.isin(marks, (0, 1)).all():
        return []
    if len(marks) == len(parts):
        return [bool(mark) for mark in marks]
    # A mark a row: done from some row on.
    return [bool(marks[start:stop].any()) for start, stop in parts] if len(marks) == rows else []


def _last(key: str, values: np.ndarray) -> np.ndarray:
    """Which rows are last ones, `(n_steps,)`, by an array that flags them, first rows, or rows that go on."""
    if key in FIRSTS:
        return np.append(values[1:] != 0, True)
    return np.asarray(values == 0 if key in GOING_ON else values != 0)


def _ends_by_length(values: np.ndarray, rows: int) -> list[int] | None:
    """The row after the last of each episode; None where these are no lengths of the episodes of so many rows."""
    whole = values.dtype.kind in "iu" and len(values) > 0 and values.min() > 0
    return np.cumsum(values).tolist() if whole and int(values.sum()) == rows else None


def _ends_by_start(values: np.ndarray, rows: int) -> list[int] | None:
    """The same by first rows."""
    whole = values.dtype.kind in "iu" and len(values) > 0 and values[0] == 0 and int(values[-1]) < rows
    return [*values[1:].tolist(), rows] if whole and (np.diff(values.astype(np.int64)) > 0).all() else None


def by_number(numbers: Sequence[object] | np.ndarray, where: str) -> list[Part]:
    """One part a number, in the order of the rows.

    Raises:
        InputError: rows of one episode do not lie together.
    """
    rows = np.asarray(numbers).ravel()
    places = np.flatnonzero(rows[1:] != rows[:-1]) + 1
    ends = [0, *places.tolist(), len(rows)]
    parts = [Part(a, b, _text(rows[a])) for a, b in pairwise(ends)]
    seen: dict[str, Part] = {}
    for part in parts:
        if part.name in seen:
            raise InputError(
                f"rows of episode {part.name} from {seen[part.name].start} on and again from {part.start} on",
                where=where,
                expected="the rows of an episode together",
                fix="sort the rows by episode, then by time",
            )
        seen[part.name] = part
    return parts


def by_flag(flags: Sequence[np.ndarray], rows: int) -> list[Part]:
    """Parts that end with a flagged row; rows after the last flag are a part of their own."""
    flagged = np.zeros(rows, bool)
    for values in flags:
        flagged |= np.asarray(values).ravel() != 0
    stops = (np.flatnonzero(flagged) + 1).tolist()
    stops += [rows] if not stops or stops[-1] != rows else []
    return [Part(a, b) for a, b in pairwise([0, *stops])]


def by_step(steps: np.ndarray) -> list[Part]:
    """Parts that begin where the number of the step starts again from its first value; one part where it never does."""
    values = np.asarray(steps).ravel()
    starts = np.flatnonzero((values[1:] < values[:-1]) & (values[1:] == values[0])) + 1
    ends = [0, *starts.tolist(), len(values)]
    return [Part(a, b) for a, b in pairwise(ends)]


def named(part: Part, number: int) -> str:
    """What an exclude list calls an episode: `episode_000003`, or the text that the rows have for it."""
    if not part.name:
        return f"episode_{number:06d}"
    return f"episode_{int(part.name):06d}" if part.name.isdecimal() else part.name[:100]


def _text(value: object) -> str:
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number == int(number) >= 0 else text
