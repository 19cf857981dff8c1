"""Which link is the tool, where the user names none.

Joints of fingers do not count: those whose own name or whose link's name says so, those that follow a joint which does
not move them, and those behind a link that branches into short chains of about equal length. Of what the remaining
joints move, the links that the most of them move are candidates. The first of these that exists is taken: a link or
site with a usual name for a tool; the link that carries the fingers; the last link.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

FINGERS = re.compile(
    r"finger|gripper|jaw|knuckle|thumb|claw|(^|[\W_])(hand|index|middle|ring|little|pinky|pinkie)([\W_\d]|$)",
    re.IGNORECASE,
)
FINGER_LINKS = re.compile(r"finger|jaw|knuckle|thumb|claw", re.IGNORECASE)
# The best first: the point between the fingers, then the maker's tool frame.
USUAL = (
    re.compile(r"tcp|tool_?center|pinch|grasp|grip_?site|gripper_frame", re.IGNORECASE),
    re.compile(r"(^|_)(tool0|tool|tool_?link|tool_?frame|ee|eef|ee_?link|end_?effector)($|_)", re.IGNORECASE),
)
MOUNT = re.compile(r"hand|gripper|palm|flange|attachment", re.IGNORECASE)
ASIDE = re.compile(r"camera|optical|imu|sensor|lidar|inertia|marker|(^|_)com($|_)|visual|collision", re.IGNORECASE)
# A branch of more joints than this is an arm or a leg, not a finger.
FINGER_JOINTS = 4


@dataclass(frozen=True)
class Link:
    """A link, or a site on one, in the order of the file.

    Attributes:
        name: its name.
        parent: the place of its parent in the list, −1 of the root.
        joints: names of the joints between the parent and it, in order.
        followers: how many of them follow a joint which does not move them.
        site: whether it is a mark on its parent instead of a link.
    """

    name: str
    parent: int
    joints: tuple[str, ...] = ()
    followers: int = 0
    site: bool = False


def default_tool(links: Sequence[Link]) -> int:
    """The place of the tool among the links; see above. The first of equal ones."""
    finger = _fingers(links)
    if not any(link.joints and not finger[i] for i, link in enumerate(links)):
        # A hand without an arm: its fingers are what there is.
        finger = [False] * len(links)
    depth, level = [0] * len(links), [0] * len(links)
    for i, link in enumerate(links):
        if link.parent >= 0:
            depth[i] = -1 if finger[i] or depth[link.parent] < 0 else depth[link.parent] + len(link.joints)
            level[i] = level[link.parent] + 1
    most = max(depth)
    deepest = [i for i in range(len(links)) if depth[i] == most and links[i].name]
    # One arm of several: the first in the file, with everything that hangs on its last joint.
    first = _carrier(links, deepest[0])
    last = [i for i in deepest if _carrier(links, i) == first and not ASIDE.search(links[i].name)] or deepest[:1]
    for pattern in USUAL:
        usual = [i for i in last if pattern.search(links[i].name)]
        if usual:
            return usual[0]
    carrying = [i for i in last if any(finger[k] and links[k].parent == i for k in range(len(links)))]
    mounts = [i for i in last if MOUNT.search(links[i].name)]
    plain = [i for i in last if not links[i].site]
    return (carrying or mounts or sorted(plain, key=lambda i: -level[i]))[0]


def _carrier(links: Sequence[Link], i: int) -> int:
    """The link of the last joint that moves link i."""
    while links[i].parent >= 0 and not links[i].joints:
        i = links[i].parent
    return i


def _fingers(links: Sequence[Link]) -> list[bool]:
    """Of every link, whether the joint before it belongs to a finger."""
    below = [0] * len(links)
    for i in range(len(links) - 1, 0, -1):
        below[links[i].parent] = max(below[links[i].parent], below[i] + len(links[i].joints))
    finger = [False] * len(links)
    for i, link in enumerate(links):
        if not link.joints:
            continue
        branches = [k for k, other in enumerate(links) if other.parent == link.parent and other.joints]
        lengths = [below[k] + len(links[k].joints) for k in branches]
        alike = max(lengths) <= FINGER_JOINTS and max(lengths) - min(lengths) <= 1
        named = FINGER_LINKS.search(link.name) or any(FINGERS.search(name) for name in link.joints)
        # Branches of a root are legs or wheels.
        forked = len(branches) > 1 and alike and _moved(links, link.parent)
        finger[i] = link.followers > 0 or forked or bool(named)
    return finger


def _moved(links: Sequence[Link], i: int) -> bool:
    """Whether any joint moves link i."""
    return i >= 0 and bool(links[_carrier(links, i)].joints)
