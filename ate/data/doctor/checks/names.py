"""Names: every file must name the same columns, and the robot's profile must know them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ate.data.columns import WAS
from ate.data.doctor.examined_set import ExaminedSet, listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.robots.headings import NO_JOINTS, POSE
from ate.robots.profile import Profile, available, bare
from ate.robots.recognition import knowing, nearest

# Columns by place must fit the other episodes this much better than by name.
CLOSER = 0.5


def check(data: ExaminedSet) -> Iterator[Finding]:
    """What the columns are called, over all files and against the profile."""
    yield from _no_joints(data)
    yield from _twice(data)
    yield from _contradicted(data)
    names_of = {item.name: tuple(item.attributes.get("joint_names", ())) for item in data.episodes}
    kinds = Counter(names_of.values())
    usual = kinds.most_common(1)[0][0]
    odd = [name for name, names in names_of.items() if names != usual]
    if odd:
        yield _differ(names_of, usual, odd)
    elif data.profile is not None:
        yield from _against_profile(data, data.profile)
    elif (other := _other_robot(data)) is not None:
        yield other
    elif data.unnamed:
        yield Finding(
            WARN, "names.missing", "all joints",
            f"{len(usual) if 0 < len(usual) != len(data.names) else 'no'} names for {len(data.names)} columns",
            "one name a column", "write the attribute joint_names, or name the robot's profile (--robot)",
        )  # fmt: skip
    else:
        yield Finding(PASS, "names", "all joints", f"{len(data.names)} named columns")


def _no_joints(data: ExaminedSet) -> Iterator[Finding]:
    """Columns that are velocities, forces, clocks or counts by their names, and poses of a tool."""
    kinds = {name: kind for name, kind in zip(data.names, data.kinds, strict=True) if kind in NO_JOINTS}
    rest = [name for name in data.names if name not in kinds]
    if kinds:
        yield Finding(
            FAIL, "names.no_joints", ", ".join(kinds),
            "columns that are no positions: " + ", ".join(f"{name} ({kind})" for name, kind in kinds.items()),
            "positions of joints", f"take the other columns, --joints {','.join(rest)}" if rest else
            "name the series of positions, or record it",
        )  # fmt: skip
    poses = [name for name, kind in zip(data.names, data.kinds, strict=True) if kind == POSE]
    if poses:
        yield Finding(
            WARN, "names.pose", ", ".join(poses), f"{', '.join(poses)}: the pose of a tool, no joints",
            "positions of joints", "align on joint positions, or by tool motion of a robot with kinematics",
        )  # fmt: skip


def _twice(data: ExaminedSet) -> Iterator[Finding]:
    was = [str(name) for name in data.episodes[0].attributes.get(WAS[data.episodes.source], ())]
    for name, count in Counter(was).items():
        if count > 1:
            own = [now for now in data.names if now.startswith(f"{name}_") and now not in was]
            yield Finding(
                WARN, "names.twice", ", ".join(own), f"{count} columns are called {name}; read as {', '.join(own)}",
                "a name of its own for each column", f"name them apart in the files: {', '.join(own)}",
            )  # fmt: skip


def _contradicted(data: ExaminedSet) -> Iterator[Finding]:
    """A few episodes that name the columns in another order than the rest, and whose values do not lie so."""
    key = WAS[data.episodes.source]
    was = {item.name: tuple(item.attributes.get(key, data.names)) for item in data.episodes}
    usual, count = Counter(was.values()).most_common(1)[0]
    courses = {item.name: np.median(item.course, axis=0) for item in data.facts.summaries if item.name in was}
    same = [course for name, course in courses.items() if was[name] == usual]
    if count == len(was) or not same or set(usual) != set(data.names):
        return
    middle = np.median(same, axis=0)
    odd = []
    for name, course in courses.items():
        if was[name] == usual or set(was[name]) != set(data.names):
            continue
        # By place: as if this episode had its columns in the order of the others.
        place = course[[data.names.index(was[name][usual.index(joint)]) for joint in data.names]]
        if np.abs(place - middle).sum() < CLOSER * np.abs(course - middle).sum():
            odd.append(name)
    if odd:
        differs = [f"{a} for {b}" for a, b in zip(was[odd[0]], usual, strict=True) if a != b]
        yield Finding(
            FAIL, "names.differ", listed(odd),
            f"{len(odd)} episodes name their columns in another order than the rest ({listed(differs)}), but their "
            "values lie in that of the rest", ", ".join(usual),
            "name the columns of these episodes like those of the others, or exclude them", episodes=tuple(odd),
            exclude=len(odd) < len(was) / 2,
        )  # fmt: skip


def _differ(names_of: dict[str, tuple[str, ...]], usual: tuple[str, ...], odd: list[str]) -> Finding:
    other = names_of[odd[0]]
    differs = [f"{a} for {b}" for a, b in zip(other, usual, strict=False) if a != b]
    return Finding(
        FAIL, "names.differ", listed(odd),
        f"{len(odd)} episodes name other joints than the rest" + (f" ({listed(differs)})" if differs else ""),
        f"{', '.join(usual)}" if usual else "names in all files or in none",
        "name the same joints in these episodes, or exclude them", episodes=tuple(odd),
        exclude=len(odd) < len(names_of) / 2,
    )  # fmt: skip


def _other_robot(data: ExaminedSet) -> Finding | None:
    """Files that name a robot with a profile, and columns that are all another robot's."""
    label = data.episodes.robot
    own = knowing(data.names) if label.casefold() in available() else None
    if own is None or own.name == label.casefold() or _generic(data.names):
        return None
    return Finding(
        FAIL, "names.other_robot", "all joints",
        f"the files name robot {label!r}, and the columns are those of {own.name}: {', '.join(data.names)}",
        f"joints of {label}", f"name the robot that was recorded, --robot {own.name}, or write it into the files",
    )  # fmt: skip


def _generic(names: Sequence[str]) -> bool:
    """Whether the arm's columns are numbered joints, as those of many robots are: `joint_1`, `j2.pos`."""
    return all(re.fullmatch(r"(?:joint|j|axis|a|motor)_?\d+|gripper", bare(name).casefold()) for name in names)


def _against_profile(data: ExaminedSet, profile: Profile) -> Iterator[Finding]:
    matched = dict(zip(data.names, data.joints, strict=True))
    arm = [name for j, name in enumerate(data.names) if not data.is_gripper(j)]
    known = {joint.name for joint in matched.values() if joint is not None}
    unknown = [name for name in arm if matched[name] is None]
    missing = [j.name for j in profile.required if j.part == "arm" and j.name not in known]
    columns = f"the columns are {', '.join(data.names)}"
    joints = f"the joints of profile {profile.name}: {', '.join(profile.joint_names)}"
    doubled = [name for name, count in Counter(j.name for j in matched.values() if j is not None).items() if count > 1]
    for name in doubled:
        both = [column for column, joint in matched.items() if joint is not None and joint.name == name]
        yield Finding(
            FAIL, "names.doubled", ", ".join(both), f"columns {' and '.join(both)} are one joint of profile "
            f"{profile.name}, {name}", "one column a joint",
            f"leave one of them out, --joints {','.join(n for n in data.names if n not in both[1:])}",
        )  # fmt: skip
    if arm and len(unknown) == len(arm):
        own, near = (None, None) if _generic(data.names) else (knowing(data.names), nearest(data.names))
        fix = f"name the profile that knows them, --robot {near.name}" if near is not None else (
            "name these columns as aliases in a profile of your own, and name that (--robot)")  # fmt: skip
        yield Finding(
            WARN if own is None else FAIL, "names.unknown" if own is None else "names.other_robot", "all joints",
            f"none of the columns is a joint of profile {profile.name}: {columns}", joints, fix,
        )  # fmt: skip
    elif unknown and missing:
        yield Finding(
            WARN, "names.partly", listed(unknown),
            f"{len(unknown)} of {len(arm)} columns are no joints of profile {profile.name}, whose "
            f"{', '.join(missing)} are not there", joints,
            "write the names of these columns as aliases into a profile, or leave the columns out (--joints)",
        )  # fmt: skip
    elif not doubled:
        count = sum(joint is not None for joint in data.joints)
        yield Finding(
            PASS, "names", "all joints",
            f"{len(data.names)} named columns, {count} of them known to profile {profile.name}",
        )  # fmt: skip
