"""Columns: some joints of a recording taken for the whole robot, say the right arm of two."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ate.data.episodes import NAMED_BY, Episode, Episodes
from ate.data.formats.layout import Broken
from ate.data.series import Series
from ate.errors import InputError, nearest

if TYPE_CHECKING:
    from ate.robots.profile import Profile


# What the columns of a series were called in the file, in its order, where they were moved.
WAS = {name: f"{attribute}_in_file" for name, attribute in NAMED_BY.items()}


def pick(item: Episode, source: str, joints: Sequence[str], profile: "Profile | None" = None) -> Episode:
    """An episode with these joints alone, in the order of the file.

    Of positions and commands, the one that is not the source is left out where its columns have no such names.

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
        try:
            index = matching(names, joints, f"{item.path}, episode {item.name}, {name!r}")
        except InputError:
            if name == source:
                raise
            del series[name]
            continue
        whole = series[name]
        fetch = partial(_picked, whole, tuple(index))
        series[name] = Series((len(whole), len(index)), whole.where, fetch, whole.exact)
        attributes[attribute] = tuple(names[i] for i in index)
    return replace(item, series=series, attributes=attributes)


def targets_alone(episodes: Episodes) -> Episodes:
    """The set without commands (of commands: positions) that have no column for every joint, with a note in the ledger.

    Steps of a tool or speeds are no targets of the joints. Whatever changes rows or columns of the joints calls this
    first: it cannot change such commands likewise, and afterwards they may have as many columns by chance.
    """
    other = "action" if episodes.source == "qpos" else "qpos"
    items, left = [], Counter[int]()
    for item in episodes:
        if item.has(other) and item.series[other].shape[1:] != item.series[episodes.source].shape[1:]:
            left[item.series[other].shape[-1]] += 1
            item = replace(item, series={name: rows for name, rows in item.series.items() if name != other})
        items.append(item)
    if not left:
        return episodes
    notes = (
        f"{other} of {count} of {len(items)} episodes left out: {width} columns for {episodes.dof} joints."
        for width, count in left.items()
    )
    ledger = replace(episodes.ledger, notes=(*episodes.ledger.notes, *notes))
    return replace(episodes, items=tuple(items), ledger=ledger)


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


def apart(names: Sequence[str]) -> tuple[str, ...]:
    """The names with those that occur more than once told apart by numbers: `gripper_0`, `gripper_1`."""
    counts, taken = Counter[str](), set(names)
    result = []
    for name in names:
        if names.count(name) > 1:
            free = (f"{name}_{k}" for k in itertools.count(counts[name]))
            own = next(other for other in free if other not in taken)
            counts[name] += 1
            taken.add(own)
            result.append(own)
        else:
            result.append(name)
    return tuple(result)


def _with_own_names(item: Episode) -> Episode:
    """The episode with a name of its own for every column."""
    attributes = dict(item.attributes)
    for attribute in NAMED_BY.values():
        names = tuple(str(name) for name in attributes.get(attribute, ()))
        if len(set(names)) < len(names):
            attributes[attribute] = apart(names)
            attributes[f"{attribute}_in_file"] = names
    return item if attributes == dict(item.attributes) else replace(item, attributes=attributes)


def arranged(
    items: Sequence[Episode | Broken], robot: str, profile: "Profile | None" = None
) -> tuple[list[Episode | Broken], str]:
    """Episodes with their columns in one order, and what was moved, in words; empty where nothing was.

    It is the order of the robot's profile, where it has one that knows the names; else that of the first episode.
    Columns without names stay where they are; columns of one name get numbers to tell them apart.

    Args:
        items: the episodes of a set.
        robot: its robot, where the files name none.
        profile: the robot's; by default the one called like it, or that knows all of its columns.
    """
    targets: dict[str, tuple[str, ...]] = {}
    results, moved = list(items), ""
    for number, whole in enumerate(items):
        if not isinstance(whole, Episode):
            continue
        item = results[number] = _with_own_names(whole)
        names = {name: item.column_names(name) for name in NAMED_BY if name in item.series}
        for name, own in names.items():
            if own and name not in targets and len(set(own)) == len(own):
                targets[name] = _target(name, own, targets, str(item.attributes.get("robot") or robot), profile)
        results[number] = _in_order(item, names, targets)
        if not moved and results[number] is not item:
            was = next(own for name, own in names.items() if own != targets.get(name, own))
            target = next(targets[name] for name, own in names.items() if own != targets.get(name, own))
            moved = f"columns by name: read as {', '.join(target)}; in {item.path.name} they are {', '.join(was)}."
    return results, moved


def _target(
    name: str, own: tuple[str, ...], targets: Mapping[str, tuple[str, ...]], robot: str, profile: "Profile | None"
) -> tuple[str, ...]:
    from ate.robots.recognition import order, recognised

    same = next((target for target in targets.values() if set(target) == set(own)), ())
    if same:
        # Commands lie as the joints do that they are for.
        return same
    known = profile if profile is not None and any(profile.match(own)) else recognised(robot, own)
    return tuple(own[i] for i in order(own, known))


def _in_order(item: Episode, names: Mapping[str, tuple[str, ...]], targets: Mapping[str, tuple[str, ...]]) -> Episode:
    series, attributes = dict(item.series), dict(item.attributes)
    for name, own in names.items():
        target = targets.get(name, ())
        if own == target or set(own) != set(target) or len(own) != len(target):
            continue
        index = tuple(own.index(joint) for joint in target)
        whole = series[name]
        series[name] = Series(whole.shape, whole.where, partial(_picked, whole, index), whole.exact)
        if name == "qpos" or NAMED_BY[name] in attributes:
            attributes[NAMED_BY[name]] = target
        attributes.setdefault(WAS[name], own)
    return (
        item
        if all(series[name] is item.series[name] for name in series)
        else replace(item, series=series, attributes=attributes)
    )


def _picked(series: Series, index: tuple[int, ...], start: int, stop: int) -> np.ndarray:
    return series.fetch(start, stop)[:, index]
