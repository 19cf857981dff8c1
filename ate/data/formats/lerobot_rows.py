"""Rows of a LeRobot set told by their own column `episode_index`, where the list of episodes is wrong about a file.

Converters have listed the first episode of a file in the file before it; every row still says whose it is.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ate.data.formats import lerobot_meta, parquet
from ate.data.formats.lerobot_meta import Meta, Place
from ate.data.formats.parquet import Footer
from ate.errors import InputError

Places = list[Place | tuple[str, InputError]]
_INDEX = "episode_index"


def relisted(meta: Meta, waiting: Places, footer: Callable[[Path], Footer]) -> Places:
    """The episodes as their list has them; where a file has other rows than the list gives it, as their rows say.

    Args:
        meta: the set's metadata.
        waiting: its list, with what is wrong with entries.
        footer: reads the footer of a file.
    """
    places = [place for place in waiting if isinstance(place, Place)]
    # Where an episode is alone in its file, only that one is in doubt.
    if all(place.alone for place in places) or not _doubtful(places, footer):
        return waiting
    spans: dict[int, list[tuple[Path, int, int]]] = {}
    for file in dict.fromkeys(place.file for place in places):
        try:
            owners = _owners(file, footer(file))
        except InputError:
            # The episodes of this file are reported one by one.
            continue
        ends = [0, *(np.flatnonzero(owners[1:] != owners[:-1]) + 1).tolist(), len(owners)]
        for start, stop in pairwise(ends):
            if stop > start:
                spans.setdefault(int(owners[start]), []).append((file, start, stop))
    return [_placed(meta, item, spans) if isinstance(item, Place) else item for item in waiting]


def _doubtful(places: Sequence[Place], footer: Callable[[Path], Footer]) -> bool:
    listed: Counter[Path] = Counter()
    for place in places:
        listed[place.file] += place.length
    for file, rows in listed.items():
        try:
            if footer(file).rows != rows and _INDEX in footer(file).columns:
                return True
        except InputError:
            continue
    return False


def _owners(file: Path, footer: Footer) -> np.ndarray:
    if _INDEX not in footer.columns:
        return np.empty(0, np.int64)
    return parquet.Window(file, _INDEX, 1)(0, footer.rows)[:, 0].astype(np.int64)


def _placed(meta: Meta, place: Place, spans: dict[int, list[tuple[Path, int, int]]]) -> Place | tuple[str, InputError]:
    own = spans.get(place.number, [])
    name = lerobot_meta.name(place.number)
    rows = sum(stop - start for _, start, stop in own)
    if len(own) != 1 or rows != place.length:
        where = f"{meta.root}, rows with {_INDEX} {place.number}"
        got = f"{rows:,} rows" + (f" in {len(own)} pieces" if len(own) > 1 else "")
        fix = f"fetch the file again, or exclude {name}"
        return name, InputError(got, where=where, expected=f"{place.length:,} rows, as meta/ lists", fix=fix)
    file, start, _ = own[0]
    was = str(place.file.relative_to(meta.root.resolve())) if file != place.file else ""
    return replace(place, file=file, first=start, listed_in=was)
