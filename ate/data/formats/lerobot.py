"""LeRobot v2.0, v2.1 and v3: parquet files with `observation.state` and `action`, and JSON in `meta/`.

Other names that sets are written with are in `lerobot_features`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ate.data.clock import Clock
from ate.data.episodes import Episode
from ate.data.formats import lerobot_features, lerobot_meta, parquet
from ate.data.formats.companions import pair
from ate.data.formats.layout import MOST_BYTES, Broken, known, rate
from ate.data.formats.lerobot_features import Features
from ate.data.formats.lerobot_meta import Meta, Place
from ate.data.formats.lerobot_rows import relisted
from ate.data.formats.parquet import Footer
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "lerobot"
EXPECTS = "a LeRobot data set: meta/info.json, and parquet files in data/"
_TIME = "timestamp"


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


def index(path: Path, source: str, chosen: Features | None = None) -> Iterator[Episode | Broken]:
    """Every episode that the metadata lists, compared with the footers of its files; values stay on disk.

    Args:
        path: the set's folder.
        source: `"qpos"` or `"action"`.
        chosen: the features to read; None to tell them from their names.

    Raises:
        InputError: the metadata cannot be used, or a feature is not there.
    """
    meta = lerobot_meta.read(path)
    features = lerobot_features.of(meta, chosen)
    shared = _attributes(meta, features)
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
            yield _episode(meta, features, place, footer(place.file), listed[place.file], source, shared)
        except InputError as error:
            yield Broken(lerobot_meta.name(place.number), place.file, error)


def _episode(
    meta: Meta, features: Features, place: Place, footer: Footer, listed: int, source: str, shared: dict[str, Any]
) -> Episode:
    where = f"{place.file}, episode {place.number}"
    if footer.rows != listed and place.listed_in is None:
        expected = f"{listed:,}, as meta/ lists for the {'episode' if place.alone else 'episodes'} in it"
        fix = f"fetch the file again, or exclude {lerobot_meta.name(place.number)}"
        raise InputError(f"{footer.rows:,} rows", where=str(place.file), expected=expected, fix=fix)
    others: dict[str, Series | str | None] = {"action": None, "state": None}
    if any(name in footer.columns or name in footer.others for name in features.action):
        try:
            others["action"] = _joined(meta, place, footer, features.action)
        except InputError as error:
            others["action"] = error.got
    if features.state and features.state in footer.columns:
        try:
            others["state"] = _series(meta, place, footer, features.state)
        except InputError as error:
            others["state"] = error.got
    series = {"qpos": _joined(meta, place, footer, features.qpos)}
    left = pair(series, others, source, where)
    used = (*features.qpos, *features.action) if "action" in series else features.qpos
    used = (*used, features.state) if "state" in series else used
    # Features that are not in the parquet file are videos.
    present = dict.fromkeys([*footer.columns, *footer.others, *meta.features])
    clock = _clock(place, footer)
    left += [
        key for key in present if key not in (*used, *features.action, features.state, *([_TIME] if clock else ()))
    ]
    used = (*used, _TIME) if clock else used
    keys = Keys(used, () if features.action else (lerobot_features.ACTION,), tuple(left))
    task = {} if place.task is None else {"task": place.task}
    elsewhere = {"listed_in": place.listed_in} if place.listed_in else {}
    attributes = {**shared, **task, **elsewhere}
    return Episode(lerobot_meta.name(place.number), place.file, series, attributes, keys, clock=clock)


def _joined(meta: Meta, place: Place, footer: Footer, features: Sequence[str]) -> Series:
    """Several features next to one another."""
    whole = [_series(meta, place, footer, feature) for feature in features]
    if len(whole) == 1:
        return whole[0]
    where = f"{place.file}, columns {', '.join(repr(feature) for feature in features)}"
    return Series((place.length, sum(part.shape[1] for part in whole)), where, partial(_side_by_side, tuple(whole)))


def _side_by_side(whole: Sequence[Series], start: int, stop: int) -> np.ndarray:
    return np.concatenate([part.fetch(start, stop) for part in whole], axis=1)


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


def _clock(place: Place, footer: Footer) -> Clock | None:
    """The column of time stamps, seconds from the start of the episode."""
    if footer.columns.get(_TIME) != "number":
        return None
    window = parquet.Window(place.file, _TIME, 1, place.first, place.number)
    return Clock(_TIME, Series((place.length, 1), f"{place.file}, column {_TIME!r}", window, exact=True))


def _attributes(meta: Meta, features: Features) -> dict[str, Any]:
    robot, units = meta.info.get("robot_type"), meta.info.get("units")
    hertz = rate({"fps": meta.info.get("fps")})
    return known(
        robot=robot if isinstance(robot, str) else None, rate_hz=hertz,
        rate_from=None if hertz is None else f"fps in {lerobot_meta.INFO}",
        units=units if isinstance(units, str) and units else None,
        joint_names=features.names(meta, features.qpos), action_names=features.names(meta, features.action),
        state_names=meta.names(features.state) or None if features.state else None,
    )  # fmt: skip
