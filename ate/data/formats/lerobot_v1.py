"""LeRobot v1, and tables in parquet: `data/*.parquet` with `observation.state`, `action` and `episode_index`.

Version 1 keeps its rate in `meta_data/info.json`. Where a file has no `episode_index`, it is one episode. Source:
LeRobot 1.x, `push_dataset_to_hub`, as sets on the Hub were until version 2.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ate.data.clock import Clock
from ate.data.episodes import Episode
from ate.data.formats import nested, parquet
from ate.data.formats.companions import pair
from ate.data.formats.jsonfile import read_object
from ate.data.formats.layout import MOST_BYTES, Broken, known, listed, rate, timed
from ate.data.formats.parquet import Footer, Window
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "lerobot_v1"
EXPECTS = "parquet files with a column 'observation.state' (or 'state', 'qpos'), a list of numbers a row"
SUFFIXES = (".parquet",)
_INFO = "meta_data/info.json"
_QPOS, _ACTION = ("observation.state", "observation.qpos", "qpos", "state"), ("action", "actions")
_OWNER, _CLOCK = "episode_index", "timestamp"
_MOST_ROWS = 2**28


def looks(path: Path) -> str | None:
    """What makes this LeRobot v1, or a folder of parquet tables; None for neither."""
    if path.is_dir() and (path / _INFO).is_file():
        return f"a file {_INFO}"
    count = len(_files(path))
    return f"{count} parquet file{'s' * (count > 1)} without meta/info.json" if count else None


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode of every file: footers and the columns of episode numbers are read, values later."""
    shared = _attributes(path)
    files = _files(path)
    if not files and path.is_dir() and (path / _INFO).is_file():
        got = "no .parquet file in data/"
        fix = "write the table as parquet: datasets.load_from_disk('train').to_parquet('data/train.parquet')"
        raise InputError(got, where=str(path), expected="the table of LeRobot v1 as parquet", fix=fix)
    for file in files:
        name = file.stem if file.parent == path / "data" else nested.name(path, file)
        try:
            yield from _episodes(file, name, source, shared)
        except InputError as error:
            yield Broken(name, file, error)


def _files(path: Path) -> list[Path]:
    """The tables at a path, in `data/` where LeRobot puts them."""
    inside = path / "data"
    return (
        listed(inside, SUFFIXES) if inside.is_dir() and not nested.directly(path, SUFFIXES) else listed(path, SUFFIXES)
    )


def _episodes(file: Path, name: str, source: str, shared: dict[str, Any]) -> Iterator[Episode]:
    footer = parquet.footer(file)
    qpos = next((key for key in _QPOS if footer.columns.get(key) == "list"), None)
    if qpos is None:
        got = f"columns {', '.join([*footer.columns, *footer.others])[:1000]}"
        plain = "list" not in footer.columns.values()
        fix = (
            "pandas.read_parquet(FILE).to_csv(FILE + '.csv', index=False)"
            if plain
            else "name the column of positions so"
        )
        raise InputError(got, where=str(file), expected=f"lists of numbers in one of {', '.join(_QPOS)}", fix=fix)
    if not 0 < footer.rows <= _MOST_ROWS:
        got, fix = f"{footer.rows:,} rows", "write a file for each part of the set"
        raise InputError(got, where=str(file), expected=f"at least one row, at most {_MOST_ROWS:,}", fix=fix)
    action = next((key for key in _ACTION if footer.columns.get(key) == "list"), None)
    widths = {key: _width(file, key) for key in (qpos, action) if key}
    others = [key for key in (*footer.columns, *footer.others) if key not in (qpos, action, _OWNER)]
    for number, start, stop in _parts(file, footer):
        episode = name if number < 0 else f"episode_{number:06d}"
        series = {"qpos": _series(file, qpos, widths[qpos], number, start, stop)}
        commanded = _series(file, action, widths[action], number, start, stop) if action else None
        left = pair(series, {"action": commanded}, source, f"{file}, {episode}")
        used = tuple(
            key for key in (qpos, action if "action" in series else None, _OWNER if number >= 0 else None) if key
        )
        clock = _clock(file, footer, start, stop)
        more = [key for key in others if clock is None or key != _CLOCK]
        taken = (*used, *([clock.label] if clock else ()))
        keys = Keys(taken, () if action else ("action",), (*left, *more))
        yield Episode(episode, file, series, {**shared, **timed(clock, shared)}, keys, clock=clock)


def _parts(file: Path, footer: Footer) -> list[tuple[int, int, int]]:
    """`(number, first row, row after the last)` of each episode of a file; number −1 for a file that is one episode."""
    if _OWNER not in (*footer.columns, *footer.others):
        return [(-1, 0, footer.rows)]
    owners = Window(file, _OWNER, 1)(0, footer.rows)[:, 0]
    begins = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist()]
    numbers = owners[begins]
    if len(set(numbers.tolist())) < len(begins) or (numbers < 0).any() or (numbers != np.floor(numbers)).any():
        got = "numbers that come back, or are no whole numbers"
        fix = "sort the table by episode_index and frame_index"
        raise InputError(got, where=f"{file}, column {_OWNER!r}", expected="the rows of an episode together", fix=fix)
    ends = [*begins[1:], footer.rows]
    return [(int(n), start, stop) for n, start, stop in zip(numbers, begins, ends, strict=True)]


def _width(file: Path, column: str) -> int:
    with parquet.opened(file) as handle:
        batch = next(handle.iter_batches(1, columns=[column], use_threads=False), None)
        row = None if batch is None or column not in batch.schema.names else batch.column(column)[0].as_py()
    if not row:
        got, fix = "a first row without numbers", "fetch the file again, or exclude it"
        raise InputError(got, where=f"{file}, column {column!r}", expected="a list of numbers a row", fix=fix)
    return len(row)


def _series(file: Path, column: str, width: int, number: int, start: int, stop: int) -> Series:
    where = f"{file}, column {column!r}"
    if (stop - start) * width * 8 > MOST_BYTES:
        got, fix = f"an episode of {stop - start:,} steps of {width} numbers", "cut the recording into episodes"
        raise InputError(got, where=where, expected=f"at most {MOST_BYTES // 2**30} GiB", fix=fix)
    return Series((stop - start, width), where, Window(file, column, width, start, number))


def _clock(file: Path, footer: Footer, start: int, stop: int) -> Clock | None:
    if footer.columns.get(_CLOCK) != "number":
        return None
    rows = Window(file, _CLOCK, 1, start)
    return Clock(_CLOCK, Series((stop - start, 1), f"{file}, column {_CLOCK!r}", rows, exact=True))


def _attributes(path: Path) -> dict[str, Any]:
    file = path / _INFO
    info = read_object(file) if path.is_dir() and file.is_file() else {}
    robot = info.get("robot_type")
    return known(robot=robot if isinstance(robot, str) else None, rate_hz=rate({"fps": info.get("fps")}))
