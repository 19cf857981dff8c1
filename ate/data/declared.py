"""What a set declares of itself, applied when it is loaded: units and rates, by its files, its profile or as given."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ate.data.episodes import Episode
from ate.data.formats.layout import Broken
from ate.data.units import converted

if TYPE_CHECKING:
    from ate.data.loading import DataSet
    from ate.robots.profile import Profile

# What `rate_from` begins with where no file states the rate itself.
GIVEN, PROFILE, CLOCK = "what was given", "profile ", "the clock"


def as_declared(
    items: Sequence[Episode | Broken], data: "DataSet", named: "Profile | None", folder: str
) -> list[Episode | Broken]:
    """The episodes in rad, m and openings and with a rate, as their files or the robot's profile declare.

    Args:
        items: as recorded, in the order of the set.
        data: the set, with the rate that was given.
        named: the profile that was asked for, or None.
        folder: the robot's name where the files name none.
    """
    from ate.robots.recognition import called_like

    first = next((item for item in items if isinstance(item, Episode)), None)
    if first is None:
        return list(items)
    robot = str(first.attributes.get("robot") or folder)
    profile = named or called_like(robot, first.column_names(data.source))
    fallback = columns_of(named, first.series[data.source].shape[1]) or ()
    return [
        item
        if isinstance(item, Broken)
        else converted(_timed(item, data.rate, profile), profile, named is not None, fallback)
        for item in items
    ]


def columns_of(profile: "Profile | None", width: int) -> tuple[str, ...] | None:
    """The profile's columns where there are as many; optional ones too, such as the gripper of a robot from a URDF."""
    if profile is None:
        return None
    columns = (tuple(joint.name for joint in profile.joints), profile.joint_names)
    return next((names for names in columns if len(names) == width), None)


def notes(kept: Sequence[Episode]) -> tuple[str, ...]:
    """What was converted, and what rate was believed although the files state none."""
    changed = Counter(f"converted {item.attributes['converted']}" for item in kept if "converted" in item.attributes)
    believed = Counter(
        f"rate {item.attributes['rate_hz']:g} Hz by {item.attributes['rate_from']}"
        for item in kept
        if str(item.attributes.get("rate_from", "")).startswith((GIVEN, PROFILE, CLOCK))
    )
    if len(believed) > 1:
        # The doctor says more of mixed rates than a list of them would.
        believed.clear()
    counts = (*changed.items(), *believed.items())
    return tuple(text + ("." if n == len(kept) else f" (in {n} of {len(kept)} episodes).") for text, n in counts)


def _timed(item: Episode, given: float, profile: "Profile | None") -> Episode:
    """With the rate that was given or that is the profile's, where the file and its clock state none."""
    attributes = dict(item.attributes)
    if given:
        attributes["rate_asked"] = given
    if not attributes.get("rate_hz"):
        usual = None if profile is None else profile.rate_hz
        if given:
            attributes |= {"rate_hz": given, "rate_from": f"{GIVEN} (rate=, --rate)"}
        elif profile is not None and usual:
            attributes |= {"rate_hz": usual, "rate_from": f"{PROFILE}{profile.name}"}
    return item if attributes == item.attributes else replace(item, attributes=attributes)
