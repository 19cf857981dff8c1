"""Recognition: the profile that a set's robot and columns belong to, and the order in which it counts these columns."""

from collections.abc import Sequence

from ate.robots.profile import Profile, available, profile
from ate.robots.roles import numbered


def recognised(robot: str, names: Sequence[str]) -> Profile | None:
    """The profile called like the robot if it knows any of its columns, else the one that knows all of them."""
    called = called_like(robot, names)
    return called if called is not None else knowing(names)


def called_like(robot: str, names: Sequence[str]) -> Profile | None:
    """The profile called like the robot, whatever the case, if it knows any of its columns besides a gripper."""
    by_name = {name.casefold(): name for name in available()}
    if robot.casefold() not in by_name:
        return None
    known = profile(by_name[robot.casefold()])
    # Another robot of that name, or columns without names: nothing to go by. Every gripper is called gripper.
    return known if any(joint is not None and joint.part != "gripper" for joint in known.match(names)) else None


def knowing(names: Sequence[str]) -> Profile | None:
    """The profile with the fewest joints that knows every column; None where none does or columns are but numbered."""
    if not names or numbered(names):
        return None
    profiles = [profile(name) for name in available()]
    whole = [known for known in profiles if all(known.match(names))]
    return min(whole, key=lambda known: len(known.joints), default=None)


def nearest(names: Sequence[str]) -> Profile | None:
    """The profile that knows most of the columns besides grippers; None where none knows any."""
    counts = {
        name: sum(j is not None and j.part != "gripper" for j in profile(name).match(names)) for name in available()
    }
    best = max(counts, key=lambda name: counts[name], default="")
    return profile(best) if best and counts[best] and not numbered(names) else None


def order(names: Sequence[str], known: Profile | None) -> tuple[int, ...]:
    """Positions of the columns, those that the profile knows first and in its order, the rest as they are."""
    if known is None:
        return tuple(range(len(names)))
    places = {joint.name: place for place, joint in enumerate(known.joints)}
    matched = known.match(names)
    rank = [len(places) if joint is None else places[joint.name] for joint in matched]
    return tuple(sorted(range(len(names)), key=rank.__getitem__))
