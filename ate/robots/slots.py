"""The unified vectors: RDT's 128 slots by name, and compact vectors as wide as the widest robot.

The table of slots is that of RDT-1B (arXiv 2410.07864, its repository's unified state and action vector).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ate.errors import InputError, nearest, unknown
from ate.robots.embodiment import GRIPPER, Embodiment
from ate.robots.profile import Profile
from ate.robots.roles import Role, numbered, roles, two_armed

RDT_WIDTH = 128
LAYOUTS = ("compact", "rdt")
STARTS = {"right": 0, "left": 50}


def _arm_names(arm: str) -> Iterator[str]:
    for kind in ("joint", "velocity"):
        for part, count in (("arm", 10), ("gripper", 5)):
            yield from (f"{arm}_{part}_{kind}_{i}" for i in range(count))
    yield from (f"{arm}_end_effector_position_{axis}" for axis in "xyz")
    yield from (f"{arm}_end_effector_rotation_{i}" for i in range(6))
    yield from (f"{arm}_end_effector_velocity_{axis}" for axis in "xyz")
    yield from (f"{arm}_end_effector_angular_velocity_{axis}" for axis in "xyz")


def _table() -> tuple[str, ...]:
    names = [f"reserved_{i}" for i in range(RDT_WIDTH)]
    for arm, start in STARTS.items():
        inside = list(_arm_names(arm))
        names[start : start + len(inside)] = inside
    names[100:103] = ["base_velocity_x", "base_velocity_y", "base_angular_velocity"]
    return tuple(names)


SLOTS = _table()
_PLACES = {name: place for place, name in enumerate(SLOTS)}


class Columns(Protocol):
    """What has a robot's name and columns, such as `Episodes`."""

    @property
    def robot(self) -> str:
        """The robot."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Its columns, in the order of the data."""


def slot(name: str) -> int:
    """The slot of that name in RDT's vector, e.g. 50 for `left_arm_joint_0`."""
    if name not in _PLACES:
        raise unknown(name, SLOTS, where="slot of the unified vector")
    return _PLACES[name]


def slot_name(place: int) -> str:
    """The name of a slot in RDT's vector, e.g. `left_arm_joint_0` for 50."""
    if not 0 <= place < RDT_WIDTH:
        raise InputError(
            str(place), where="slot of the unified vector", expected=f"0 to {RDT_WIDTH - 1}", fix="slots count from 0"
        )
    return SLOTS[place]


def embodiment(robot: Profile | str, names: Sequence[str] | None = None, layout: str = "rdt") -> Embodiment:
    """A robot's columns in a unified vector, mapped by name.

    Args:
        robot: its profile, or the name of a robot whose column names give their places.
        names: its columns in the order of the data; by default those that the profile requires.
        layout: `"rdt"` (128 slots) or `"compact"`.

    Raises:
        InputError: a column's place is not known, or two columns would share one.
    """
    profile = robot if isinstance(robot, Profile) else None
    if names is None and profile is None:
        raise InputError(
            "no columns",
            where=f"robot {robot}",
            expected="a profile, or the names of the columns",
            fix="give names, or a profile from ate.robots.profile",
        )
    columns = profile.joint_names if names is None and profile is not None else tuple(names or ())
    label = profile.name if profile is not None else str(robot)
    _check_layout(layout)
    return _rdt(label, columns, profile) if layout == "rdt" else _compact([label], [columns], [profile], None)[0]


def unify(
    sets: Sequence[Columns],
    width: int | None = None,
    layout: str = "compact",
    profiles: Sequence[Profile | None] | None = None,
) -> tuple[Embodiment, ...]:
    """One embodiment a set, all of one width.

    Compact vectors hold the right (or only) arm from slot 0 on, then, where a robot has two, the left arm, then what
    belongs to neither; at the end the left gripper and, last, the right one. So a joint named `gripper` of a
    single-arm robot takes the last slot, and columns keep their places where no set names a gripper. A joint of one
    name takes one slot in every set, whatever its column: that of the first set that has it.

    Args:
        sets: one robot each.
        width: width of the unified vector; None takes the narrowest that holds all of them. RDT's is 128.
        layout: `"compact"`, or `"rdt"` for RDT's 128 named slots.
        profiles: one a set, or None where the names of columns give their places.

    Raises:
        InputError: a robot does not fit into `width`, or a column's place is not known.
    """
    _check_layout(layout)
    chosen = [None] * len(sets) if profiles is None else list(profiles)
    if len(chosen) != len(sets):
        raise InputError(
            f"{len(chosen)} profiles for {len(sets)} sets",
            where="unify, profiles",
            expected="one profile a set",
            fix="give None for a set without one",
        )
    labels, columns = [item.robot for item in sets], [item.joint_names for item in sets]
    if layout == "compact":
        return _compact(labels, columns, chosen, width)
    if width not in (None, RDT_WIDTH):
        raise InputError(
            f"width {width}",
            where="unify, layout 'rdt'",
            expected=f"{RDT_WIDTH} slots",
            fix="leave width out, or choose layout 'compact'",
        )
    return tuple(_rdt(*row) for row in zip(labels, columns, chosen, strict=True))


def rdt_place(role: Role | None) -> int | None:
    """The slot of a role in RDT's vector; None where it has none, such as a leg or the eleventh joint of an arm."""
    if role is None or role.part == "other":
        return None
    names = SLOTS[100:103]
    if role.part != "base":
        names = tuple(name for name in SLOTS if name.startswith(f"{role.arm}_{role.part}_joint_"))
    return _PLACES[names[role.index]] if role.index < len(names) else None


def _rdt(label: str, names: Sequence[str], profile: Profile | None) -> Embodiment:
    # A column may be called what the slot is called, also an end effector's.
    places = [_PLACES.get(name, rdt_place(role)) for name, role in zip(names, roles(names, profile), strict=True)]
    lost = [name for name, place in zip(names, places, strict=True) if place is None]
    if lost:
        raise InputError(
            f"columns {', '.join(lost)} without a place",
            where=f"robot {label}, layout 'rdt'",
            expected="arm joints 0 to 9 and gripper joints 0 to 4 of the right or left arm, or a mobile base",
            fix="name the arm and part of each column in a profile, leave these columns out, or choose layout "
            "'compact'",
        )
    return Embodiment(label, tuple(names), tuple(place for place in places if place is not None), RDT_WIDTH)


def _compact(
    labels: Sequence[str], columns: Sequence[Sequence[str]], profiles: Sequence[Profile | None], width: int | None
) -> tuple[Embodiment, ...]:
    all_roles = [_compact_roles(names, profile) for names, profile in zip(columns, profiles, strict=True)]
    if not any(two_armed(row) for row in all_roles):
        # The only arm is the right one, whatever its columns are called.
        all_roles = [[r if r.arm == "none" else Role("right", r.part, r.index) for r in row] for row in all_roles]
    all_roles = _by_name(columns, all_roles, profiles)
    widest = {key: max((_counts(row).get(key, 0) for row in all_roles), default=0) for key in _ORDER}
    needed = sum(widest.values())
    if width is not None and width < needed:
        raise InputError(
            f"{needed} joints",
            where=f"robots {', '.join(labels)}",
            expected=f"at most {width}, the width of the unified vector",
            fix="pre-train in a vector that is wide enough for the robot to adapt to",
        )
    width = needed if width is None else width
    starts, stop = dict[tuple[str, str], int](), 0
    for key in _ORDER[:3]:
        starts[key], stop = stop, stop + widest[key]
    starts[_ORDER[3]], starts[_ORDER[4]] = width - widest[_ORDER[4]] - widest[_ORDER[3]], width - widest[_ORDER[4]]
    embodiments = []
    for label, names, row in zip(labels, columns, all_roles, strict=True):
        # Grippers of fewer joints end where the widest ends: a single one is always last.
        free = {key: widest[key] - count if key[1] == "gripper" else 0 for key, count in _counts(row).items()}
        slots = [starts[r.arm, r.part] + free[r.arm, r.part] + r.index for r in row]
        embodiments.append(Embodiment(label, tuple(names), tuple(slots), width))
    return tuple(embodiments)


def _by_name(
    columns: Sequence[Sequence[str]], all_roles: Sequence[Sequence[Role]], profiles: Sequence[Profile | None]
) -> list[list[Role]]:
    """The same roles, a joint of one name at one place in every set; what a profile decides stays."""
    known: dict[tuple[str, str, str], int] = {}
    results = []
    # Profiles decide first; of sets without one the first does.
    for number in sorted(range(len(columns)), key=lambda i: profiles[i] is None):
        names, row = [name.strip().casefold() for name in columns[number]], all_roles[number]
        named = not numbered(columns[number])
        if profiles[number] is None and named:
            row = _followed(names, row, known)
        results.append((number, list(row)))
        for name, role in zip(names, row, strict=True):
            if named and names.count(name) == 1:
                known.setdefault((role.arm, role.part, name), role.index)
    return [row for _, row in sorted(results, key=lambda pair: pair[0])]


def _followed(names: Sequence[str], row: Sequence[Role], known: Mapping[tuple[str, str, str], int]) -> list[Role]:
    """One set's roles: names that are known at their places, the rest at their own or the next that is free."""
    places = {i: known.get((role.arm, role.part, names[i])) for i, role in enumerate(row) if names.count(names[i]) == 1}
    fixed = {i: place for i, place in places.items() if place is not None}
    used = {(row[i].arm, row[i].part, place) for i, place in fixed.items()}
    result = list(row)
    for i, role in enumerate(row):
        place = fixed.get(i)
        if place is None:
            # Places before its own may be free too, where known joints moved away.
            wanted = itertools.chain([role.index], itertools.count())
            place = next(k for k in wanted if (role.arm, role.part, k) not in used)
            used.add((role.arm, role.part, place))
        result[i] = Role(role.arm, role.part, place)
    return result


# Regions of a compact vector from left to right; the last two lie at its end.
_ORDER = [("right", "arm"), ("left", "arm"), ("none", "other"), ("left", "gripper"), ("right", "gripper")]


def _counts(row: Sequence[Role]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for role in row:
        key = (role.arm, role.part)
        counts[key] = max(counts.get(key, 0), role.index + 1)
    return counts


def _compact_roles(names: Sequence[str], profile: Profile | None) -> list[Role]:
    """Roles in the five regions; what is neither arm nor gripper is counted in the order of columns."""
    known = roles(names, profile)
    if profile is None and not two_armed(known):
        # One arm without a profile: all columns but the gripper keep their order from slot 0 on.
        lefts = [role for role in known if role is not None and (role.arm, role.part) == ("left", "arm")]
        parts = ["gripper" if name == GRIPPER else "arm" for name in names]
        return [Role("left" if lefts else "right", part, parts[:i].count(part)) for i, part in enumerate(parts)]
    rest = iter(range(len(names)))
    return [
        role if role is not None and (role.arm, role.part) in _ORDER and role.part != "other"
        else Role("none", "other", next(rest))
        for role in known
    ]  # fmt: skip


def _check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise InputError(repr(layout), where="layout", expected="a known layout", fix=nearest(layout, LAYOUTS))
