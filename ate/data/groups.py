"""Groups: episodes that a set's files put together under a name, such as the masks of robomimic and LeRobot's splits.

Nothing is left out for them; an exclude list may name one, `mask/valid`, in place of its episodes.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

Groups = Mapping[str, tuple[str, ...]]


def note(groups: Groups, episodes: Collection[str]) -> str:
    """What the ledger says of them; empty where there are none.

    Args:
        groups: as the files list them.
        episodes: names of all that are in the set. What is listed beyond them is named, as is what is in two groups.
    """
    if not groups:
        return ""
    sizes = ", ".join(f"{name} ({len(names)})" for name, names in groups.items())
    shared = []
    for group, other in combinations(groups, 2):
        both = [name for name in groups[group] if name in set(groups[other])]
        # Masks within masks (a share of the training episodes) are no overlap.
        if both and len(both) < min(len(groups[group]), len(groups[other])):
            shared.append(f"{', '.join(both)} in both {group} and {other}")
    for name, names in groups.items():
        absent = [item for item in names if item not in episodes]
        if absent:
            shared.append(f"{', '.join(absent[:5])}{', …' if len(absent) > 5 else ''} of {name} not in the set")
    overlap = f"; {'; '.join(shared)}" if shared else ""
    first = next(iter(groups))
    return f"groups {sizes}{overlap}: not used, all episodes are read; exclude={first} leaves that group out."


def expanded(exclude: Sequence[str], groups: Groups) -> tuple[str, ...]:
    """The names of an exclude list with each group in it replaced by its episodes."""
    return tuple(name for item in exclude for name in groups.get(item, (item,)))
