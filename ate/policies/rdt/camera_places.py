"""Camera places: which camera of a set stands where RDT expects one.

RDT-1B has three places: an external camera, the right wrist (or the only one), and the left wrist.
"""

import re
from collections.abc import Mapping, Sequence

from ate.errors import InputError, unknown

PLACES = ("external", "right_wrist", "left_wrist")
_WRIST = re.compile(r"wrist|hand|gripper")


def place_names(count: int) -> tuple[str, ...]:
    """Names of the places of a policy that has `count`."""
    return (*PLACES, *(f"camera_{i}" for i in range(len(PLACES), count)))[:count]


def camera_places(
    cameras: Sequence[str], count: int, given: Mapping[str, str] | None = None, where: str = "cameras"
) -> tuple[str, ...]:
    """The camera in each place, empty where there is none.

    Args:
        cameras: of the set.
        count: places that the policy has.
        given: place → camera; empty to tell by the cameras' names.
        where: the set, for messages.

    Raises:
        InputError: several cameras for one place, more than places, or a name that is unknown.
    """
    names = place_names(count)
    if given:
        for place, camera in given.items():
            if place not in names:
                raise unknown(place, names, where=f"{where}, place of a camera")
            if camera not in cameras:
                raise unknown(camera, cameras, where=f"{where}, cameras")
        return tuple(given.get(place, "") for place in names)
    by_place: dict[str, list[str]] = {}
    for camera in cameras:
        by_place.setdefault(_place(camera), []).append(camera)
    crowded = [place for place, held in by_place.items() if len(held) > 1 or place not in names]
    if crowded:
        held = by_place[crowded[0]]
        fix = ",".join(f"{place}={by_place.get(place, ['CAMERA'])[0]}" for place in names if by_place.get(place))
        raise InputError(
            f"{len(cameras)} cameras, {', '.join(cameras)}; for the place {crowded[0]} {len(held)}: {', '.join(held)}",
            where=where, expected=f"at most one for each of {', '.join(names)}",
            fix=f"say which ones the policy sees: --cameras {fix or f'{names[0]}={held[0]}'}",
        )  # fmt: skip
    return tuple(by_place.get(place, [""])[0] for place in names)


def _place(camera: str) -> str:
    name = camera.lower()
    if not _WRIST.search(name):
        return PLACES[0]
    return PLACES[2] if "left" in name else PLACES[1]
