"""Roles: which part of which arm a column is, by a profile or, without one, by its name."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ate.robots.profile import Profile

SIDES = {"right": "right", "r": "right", "left": "left", "l": "left"}
GRIPPERS = ("gripper", "finger", "hand", "thumb")
LEGS = {"leg", "hip", "knee", "ankle", "foot"}
# A waist of the left is the first joint of a left arm, one of neither side a trunk's.
TRUNK = {"head", "neck", "torso", "waist"}
# How readers name columns without names: such a number carries no information about the robot.
NUMBERED = re.compile(r"(?:joint|motor|dim|column|state|action|qpos)_?0*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Role:
    """A column's place in a robot.

    Attributes:
        arm: `"right"`, `"left"` or `"none"`; the arm of a single-arm robot is the right one.
        part: `"arm"`, `"gripper"`, `"base"` or `"other"`.
        index: its place in that part, from 0.
    """

    arm: str
    part: str
    index: int


def roles(names: Sequence[str], profile: Profile | None = None) -> tuple[Role | None, ...]:
    """The role of each column; None where neither the profile nor the name decides it.

    Args:
        names: the columns, in the order of the data.
        profile: the robot's; without it names are read: left, right, l or r give the arm (the first of them counts),
            gripper, finger or hand the part, and the order of columns the index.
    """
    if profile is not None:
        joints = profile.match(names)
        return tuple(None if joint is None else Role(joint.arm, joint.part, joint.index) for joint in joints)
    if numbered(names):
        return (None,) * len(names)
    parts = [_part(name) for name in names]
    sides = [_side(name) for name in names]
    arms = {side for side, part in zip(sides, parts, strict=True) if part == "arm"}
    only = None if {"left", "right"} <= arms else "left" if "left" in arms else "right"
    counts: Counter[tuple[str, str]] = Counter()
    results: list[Role | None] = []
    for side, part in zip(sides, parts, strict=True):
        # With one arm, left and right are the fingers of its hand.
        if part == "gripper" and only is not None:
            side = only
        if part == "arm" and side is None and arms == {None}:
            side = "right"
        if part == "other":
            side = "none"
        if side is None:
            results.append(None)
            continue
        results.append(Role(side, part, counts[side, part]))
        counts[side, part] += 1
    return tuple(results)


def numbered(names: Sequence[str]) -> bool:
    """Whether the columns have numbers for names, 0 and up: what readers call columns without names."""
    numbers = [NUMBERED.fullmatch(name.strip()) for name in names]
    return [int(match[1]) for match in numbers if match] == list(range(len(names)))


def two_armed(roles: Sequence[Role | None]) -> bool:
    """Whether there are joints of both arms."""
    return {"left", "right"} <= {role.arm for role in roles if role is not None and role.part == "arm"}


def _words(name: str) -> list[str]:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z0-9]+", spaced.lower())


def _part(name: str) -> str:
    words = _words(name)
    if any(mark in word for word in words for mark in GRIPPERS):
        return "gripper"
    plain = {word.rstrip("0123456789") for word in words}
    return "other" if LEGS & plain or (TRUNK & plain and _side(name) is None) else "arm"


def _side(name: str) -> str | None:
    for word in _words(name):
        for mark, side in SIDES.items():
            if word == mark or (len(mark) > 1 and word.startswith(mark)):
                return side
    return None
