"""Units: what a profile or a file declares is converted to rad, m and openings when a set is loaded, once.

A file says what it holds by its attribute `units`: one unit, one a column, or one a kind ("deg, percent"). What says
`converted`, or names SI units with openings (`fraction`), stays as it is. The profile says it for files that do not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ate.data.episodes import Episode, Episodes
from ate.data.series import Series
from ate.robots.profile import SI, Joint, Profile, has_profile, profile
from ate.robots.recognition import called_like
from ate.robots.roles import roles

# Words for units that files use, in small letters.
WORDS = {
    "rad": ("rad", "radian", "radians"), "deg": ("deg", "degree", "degrees", "°"), "m": ("m", "metre", "meter"),
    "mm": ("mm", "millimetre", "millimeter"), "fraction": ("fraction", "opening"), "percent": ("percent", "%"),
}  # fmt: skip
NAMED = {word: unit for unit, words in WORDS.items() for spelling in words for word in (spelling, f"{spelling}s")}
# Of grippers, units that say nothing of the joints, and the other way round.
OPENINGS, ANGLES = ("fraction", "percent"), ("rad", "deg")


@dataclass(frozen=True)
class Stated:
    """What a file says of its own units.

    Attributes:
        units: by its own words, in their order; empty where it says nothing that is known.
        done: whether everything is in SI, openings of grippers too.
    """

    units: tuple[str, ...]
    done: bool

    @classmethod
    def of(cls, item: Episode) -> "Stated":
        """By the attributes `units` and `converted`."""
        words = re.split(r"[,;/\s]+", re.sub(r"\([^)]*\)", "", str(item.attributes.get("units", ""))).strip().lower())
        units = tuple(NAMED[word] for word in words if word in NAMED)
        return cls(units, "converted" in item.attributes or ("fraction" in units and set(units) <= set(SI)))

    @property
    def si(self) -> bool:
        """Whether it says units, and all of them are SI."""
        return bool(self.units) and set(self.units) <= set(SI)

    def unit(self, column: int, width: int, gripper: bool, default: str) -> str:
        """The unit of a column, `default` where the file says nothing about such a column."""
        if len(self.units) == width and width > 1:
            return self.units[column]
        if default in ("m", "mm"):
            return next((unit for unit in self.units if unit in ("m", "mm")), default)
        return next((unit for unit in self.units if unit in (OPENINGS if gripper else ANGLES)), default)


def profile_for(episodes: Episodes) -> Profile | None:
    """The profile that a set was loaded with, else the one called like its robot; None where there is none."""
    if episodes.profile:
        return profile(episodes.profile) if has_profile(episodes.profile) else None
    return called_like(episodes.robot, episodes.joint_names)


def without_names(episodes: Episodes) -> bool:
    """Whether the columns have numbers for names, as where neither files nor a profile name them."""
    return all(name == f"joint_{i}" for i, name in enumerate(episodes.joint_names))


def joints_now(episodes: Episodes, known: Profile | None) -> tuple[Joint | None, ...]:
    """The profile's joint of each column, as the column is now: in SI where it was converted.

    By place where the files name no columns and the number is right.
    """
    if known is None:
        return (None,) * episodes.dof
    joints = known.match(episodes.joint_names)
    if not any(joints) and without_names(episodes) and len(known.required) == episodes.dof:
        joints = known.required
    item = episodes[0]
    stated = Stated.of(item)
    everything = bool(item.declared) or stated.done
    return tuple(
        joint.si if joint is not None and (everything or (stated.si and joint.unit not in SI)) else joint
        for joint in joints
    )


def declared_of(item: Episode, source: str) -> tuple[Joint | None, ...]:
    """What each column of a series was recorded as, None where it was not converted."""
    width = item.series[source].shape[1] if source in item.series else 0
    return item.declared.get(source) or (None,) * width


def converted(item: Episode, known: Profile | None, named: bool, fallback: Sequence[str] = ()) -> Episode:
    """An episode in rad, m and openings, as its file or the profile declares; as it is where nothing is declared.

    Args:
        item: as recorded; what was converted before stays as it is.
        known: the robot's profile, or None.
        named: whether the profile was asked for; one that is only called like the robot is believed where it or the
            file declares other units than SI, and leaves fingers in metres as they are otherwise.
        fallback: names of the columns of a recording without any.
    """
    stated = Stated.of(item)
    if item.declared or stated.done:
        return item
    recorded = {name: _recorded(_names(item, name, fallback), stated, known) for name in ("qpos", "action")}
    joints = [joint for columns in recorded.values() for joint in columns if joint is not None]
    if not (named or any(joint.unit not in SI or joint.commanded != joint for joint in joints)):
        return item
    recorded["action"] = tuple(joint and joint.commanded for joint in recorded["action"])
    declared = {
        name: tuple(joint if joint is not None and joint.affine != (1.0, 0.0) else None for joint in columns)
        for name, columns in recorded.items()
    }
    declared = {name: columns for name, columns in declared.items() if any(columns)}
    if not declared:
        return item
    series = {**item.series, **{name: _in_si(item.series[name], columns) for name, columns in declared.items()}}
    by = f"profile {known.name}" if known is not None else "the file"
    notes = [
        *_notes(declared),
        *(f"{name} as recorded" for name in recorded if name in series and name not in declared),
    ]
    note = f"as {by} declares: {'; '.join(notes)}"
    return replace(item, series=series, declared=declared, attributes={**item.attributes, "converted": note})


def quantities(item: Episode) -> str:
    """What an episode's columns are in, for the attribute `units` of a file; empty where nothing says so."""
    if not item.declared:
        return str(item.attributes.get("units", ""))
    columns = item.declared.get("qpos") or next(iter(item.declared.values()), ())
    kinds = [joint.quantity if joint is not None else "rad" for joint in columns]
    return ", ".join(dict.fromkeys(kinds))


def _names(item: Episode, name: str, fallback: Sequence[str]) -> tuple[str, ...]:
    if name not in item.series or len(item.series[name].shape) != 2:
        return ()
    own = item.column_names(name)
    if own and not all(column == f"joint_{i}" for i, column in enumerate(own)):
        return own
    return tuple(fallback) if len(fallback) == item.series[name].shape[1] else own


def _recorded(names: Sequence[str], stated: Stated, known: Profile | None) -> tuple[Joint | None, ...]:
    """The joint of each column as it was recorded; None where nothing is declared."""
    joints = known.match(names) if known is not None else (None,) * len(names)
    columns = []
    for column, (joint, role) in enumerate(zip(joints, roles(names), strict=True)):
        part = joint.part if joint is not None else role.part if role is not None else ""
        unit = stated.unit(column, len(names), part == "gripper", joint.unit if joint is not None else "")
        columns.append(_as_stated(joint, names[column], part, unit, stated))
    return tuple(columns)


def _as_stated(joint: Joint | None, name: str, part: str, unit: str, stated: Stated) -> Joint | None:
    """The profile's joint with the unit that the file states; one of the file alone where no profile knows it."""
    if joint is None:
        return Joint(name, part=part or "arm", unit=unit) if unit and unit not in SI else None
    if unit in ("deg", "rad") and joint.quantity == "rad" and unit != joint.unit:
        return replace(joint, unit=unit, zero=0.0, ticks_per_turn=None, at_minus_100=None, at_100=None)
    if stated.si and joint.unit not in SI:
        # In the house's own layout `rad` stands for rad, m and openings.
        return None
    return joint


def _in_si(series: Series, columns: tuple[Joint | None, ...]) -> Series:
    pairs = np.array([(1.0, 0.0) if joint is None else joint.affine for joint in columns])
    return Series(series.shape, series.where, partial(_scaled, series, pairs[:, 0], pairs[:, 1]))


def _scaled(series: Series, slope: np.ndarray, offset: np.ndarray, start: int, stop: int) -> np.ndarray:
    rows = series.fetch(start, stop)
    if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.shape[1] != len(slope):
        # The series says what is wrong with such rows when it checks them.
        return rows
    return np.asarray(rows * slope + offset)


def _notes(declared: dict[str, tuple[Joint | None, ...]]) -> list[str]:
    """What was converted, columns of one conversion together."""
    alike: dict[tuple[str, str, float, float], list[str]] = {}
    for name, joints in declared.items():
        for joint in joints:
            if joint is not None:
                alike.setdefault((name, joint.unit, *joint.affine), []).append(joint.name)
    return [
        f"{', '.join(joints)} of {name} from {unit}, slope {slope:g}, offset {offset + 0.0:g}"
        for (name, unit, slope, offset), joints in alike.items()
    ]
