"""LeRobot v2.0, v2.1 and v3: parquet files with `observation.state` and `action`, and JSON in `meta/`."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ate.data.episodes import Episode
from ate.data.formats import lerobot_meta, parquet
from ate.data.formats.companions import pair
from ate.data.formats.layout import MOST_BYTES, Broken, known, rate
from ate.data.formats.lerobot_meta import Meta, Place
from ate.data.formats.lerobot_rows import relisted
from ate.data.formats.parquet import Footer
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "lerobot"
EXPECTS = "a LeRobot data set: meta/info.json, and parquet files in data/"
_STATE, _ACTION = "observation.state", "action"


def looks(path: Path) -> str | None:
    """What makes this a LeRobot data set, or None."""
    file = path / lerobot_meta.INFO
    if not path.is_dir() or not file.is_file():
        return None
    try:
        return f"{lerobot_meta.INFO} of version {lerobot_meta.read(path).version}"
    except InputError:
        # It is meant to be one: the reader itself will say what is wrong with this file.
        return f"a file {lerobot_meta.INFO}"


def groups(path: Path) -> dict[str, tuple[str, ...]]:
    """`split/<name>` → the episodes of that range, where the set has more than one."""
    return lerobot_meta.read(path).splits


def notes(path: Path) -> tuple[str, ...]:
    """What `info.json` counts and the list of episodes does not have."""
    return lerobot_meta.read(path).miscounted


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode that the metadata lists, compared with the footers of its files; values stay on disk.

    Raises:
        InputError: the metadata cannot be used.
    """
    meta = lerobot_meta.read(path)
    if _STATE not in meta.features:
        raise InputError(
            f"features {', '.join(sorted(meta.features))[:500] or 'none'}",
            where=str(path / lerobot_meta.INFO),
            expected=f"a feature {_STATE!r}, the measured joint positions",
            fix="name the joint positions so when recording, or convert the set with its own tools",
        )
    shared = _attributes(meta)
    footer = cache(parquet.footer)
    waiting = relisted(meta, list(meta.places()), footer)
    listed: Counter[Path] = Counter()
    for place in waiting:
        if isinstance(place, Place):
            listed[place.file] += place.length
    for place in waiting:
        if not isinstance(place, Place):
            yield Broken(place[0], path / lerobot_meta.INFO, place[1])
            continue
        try:
            yield _episode(meta, place, footer(place.file), listed[place.file], source, shared)
        except InputError as error:
            yield Broken(lerobot_meta.name(place.number), place.file, error)


def _episode(meta: Meta, place: Place, footer: Footer, listed: int, source: str, shared: dict[str, Any]) -> Episode:
    where = f"{place.file}, episode {place.number}"
    if footer.rows != listed and place.found is None:
        expected = f"{listed:,}, as meta/ lists for the {'episode' if place.alone else 'episodes'} in it"
        fix = f"fetch the file again, or exclude {lerobot_meta.name(place.number)}"
        raise InputError(f"{footer.rows:,} rows", where=str(place.file), expected=expected, fix=fix)
    others: dict[str, Series | str | None] = {"action": None}
    if _ACTION in meta.features and (_ACTION in footer.columns or _ACTION in footer.others):
        try:
            others["action"] = _series(meta, place, footer, _ACTION)
        except InputError as error:
            others["action"] = error.got
    series = {"qpos": _series(meta, place, footer, _STATE)}
    left = pair(series, others, source, where)
    used = (_STATE, _ACTION) if "action" in series else (_STATE,)
    # Features that are not in the parquet file are videos.
    present = dict.fromkeys([*footer.columns, *footer.others, *meta.features])
    left += [key for key in present if key not in (_STATE, _ACTION)]
    keys = Keys(used, () if _ACTION in meta.features else (_ACTION,), tuple(left))
    task = {} if place.task is None else {"task": place.task}
    elsewhere = {"listed_in": place.found} if place.found else {}
    return Episode(lerobot_meta.name(place.number), place.file, series, {**shared, **task, **elsewhere}, keys)


def _series(meta: Meta, place: Place, footer: Footer, feature: str) -> Series:
    where = f"{place.file}, column {feature!r}"
    width = meta.width(feature)
    kind = footer.columns.get(feature)
    if kind is None or (kind == "number" and width != 1):
        got = "values that are no numbers" if feature in footer.others else "one number a row" if kind else "no column"
        raise InputError(
            got, where=where, expected=f"{width} numbers in each row", fix="fetch the file again, or exclude it"
        )
    if place.length * width * 8 > MOST_BYTES or not place.length:
        raise InputError(
            f"an episode of {place.length:,} steps of {width} numbers",
            where=where,
            expected=f"at least one step, and at most {MOST_BYTES // 2**30} GiB",
            fix="mend the metadata, or exclude this episode",
        )
    window = parquet.Window(place.file, feature, width, place.first, place.number)
    return Series((place.length, width), where, window)


def _attributes(meta: Meta) -> dict[str, Any]:
    robot = meta.info.get("robot_type")
    joints, actions = (meta.names(name) or None if name in meta.features else None for name in (_STATE, _ACTION))
    return known(
        robot=robot if isinstance(robot, str) else None, rate_hz=rate({"fps": meta.info.get("fps")}),
        joint_names=joints, action_names=actions,
    )  # fmt: skip
