"""Columns: some joints of a recording taken for the whole robot, say the right arm of two."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ate.data.episodes import NAMED_BY, Episode
from ate.data.series import Series
from ate.errors import InputError, nearest

if TYPE_CHECKING:
    from ate.robots.profile import Profile


def pick(item: Episode, source: str, joints: Sequence[str], profile: "Profile | None" = None) -> Episode:
    """An episode with these joints alone, in the order of the file.

    Of positions and commands, the one that is not the source is left out where its columns have no names.

    Args:
        item: the whole episode.
        source: `qpos` or `action`.
        joints: names, or patterns such as `right_*`; a pattern may match nothing where another one matches.
        profile: names the columns of recordings that do not.

    Raises:
        InputError: no column has a name, a joint is not there, or nothing matches.
    """
    series, attributes = dict(item.series), dict(item.attributes)
    for name, attribute in NAMED_BY.items():
        if name not in series:
            continue
        width = series[name].shape[1]
        names = item.column_names(name)
        if not names and profile is not None and len(profile.joint_names) == width:
            names = profile.joint_names
        if not names and name != source:
            del series[name]
            continue
        if not names:
            got, expected = f"{width} columns without names", "one name a column, to take some of them"
            fix = "name the robot's profile, or write joint_names into the file"
            raise InputError(got, where=f"{item.path}, episode {item.name}, {name!r}", expected=expected, fix=fix)
        index = matching(names, joints, f"{item.path}, episode {item.name}, {name!r}")
        whole = series[name]
        fetch = partial(_picked, whole, tuple(index))
        series[name] = Series((len(whole), len(index)), whole.where, fetch, whole.exact)
        attributes[attribute] = tuple(names[i] for i in index)
    return replace(item, series=series, attributes=attributes)


def matching(names: Sequence[str], joints: Sequence[str], where: str) -> list[int]:
    """Positions, in order, of the names that these names or patterns match.

    Raises:
        InputError: a name that is not there, or nothing matches.
    """
    for joint in joints:
        if not set("*?[") & set(joint) and joint not in names:
            raise InputError(
                f"no joint {joint!r}", where=where, expected="one of its joints", fix=nearest(joint, names)
            )
    index = [i for i, name in enumerate(names) if any(fnmatchcase(name, joint) for joint in joints)]
    if not index:
        got = f"no joint that matches {', '.join(joints)}"
        raise InputError(got, where=where, expected=f"some of {', '.join(names)}", fix="change the pattern")
    return index


def _picked(series: Series, index: tuple[int, ...], start: int, stop: int) -> np.ndarray:
    return series.fetch(start, stop)[:, index]
