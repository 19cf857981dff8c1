"""Where a MuJoCo model puts its joints: from the XML that simulators write with their recorded states."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ate.data.formats.layout import small_text
from ate.errors import InputError

# Meshes and textures are files of their own; what remains is small.
MOST_BYTES, _MOST_TAGS = 16 * 2**20, 400_000
_POSITIONS = {"free": 7, "ball": 4, "hinge": 1, "slide": 1}
_VELOCITIES = {"free": 6, "ball": 3, "hinge": 1, "slide": 1}
# Elements that a compiler unfolds into joints: the addresses do not follow from the text.
_FOLDED = ("include", "composite", "flexcomp", "replicate", "attach")


@dataclass(frozen=True)
class Placed:
    """A joint and where its position is in a flattened state.

    Attributes:
        name: its name, empty where the model names none.
        kind: `free`, `ball`, `hinge` or `slide`.
        address: index of its first position in the model's `qpos`.
        driven: whether an actuator moves it, by itself or through a tendon.
    """

    name: str
    kind: str
    address: int
    driven: bool


@dataclass(frozen=True)
class Model:
    """The joints of a model.

    Attributes:
        joints: in the order of their positions.
        width: columns of a flattened state: time, positions, velocities.
    """

    joints: tuple[Placed, ...]
    width: int

    @property
    def driven(self) -> tuple[Placed, ...]:
        """Hinges and slides that an actuator moves: the robot's own, not those of doors and objects."""
        return tuple(joint for joint in self.joints if joint.driven and joint.kind in ("hinge", "slide"))


def read(file: Path) -> Model:
    """The model in an XML file.

    Raises:
        InputError: the file is missing, too large, no XML text, or no model whose addresses can be computed.
    """
    return parse(small_text(file, MOST_BYTES, _odd), str(file))


def parse(xml: str, where: str) -> Model:
    """The model in an XML text.

    Raises:
        InputError: as `read`.
    """
    if xml.count("<") > _MOST_TAGS:
        raise _odd(f"{xml.count('<'):,} tags", where)
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        # Entities can unfold to any size, and may name other files.
        raise _odd("a document type or entities", where)
    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, ValueError) as error:
        raise _odd(f"no XML ({error})", where) from error
    folded = next((tag for tag in _FOLDED if root.find(f".//{tag}") is not None), None)
    if folded:
        raise _odd(f"an element <{folded}>", where)
    if any(joint.get("type") in ("free", "ball") for joint in root.iterfind("default//joint")):
        raise _odd("free or ball joints by default", where)
    return _placed(root, where)


def _placed(root: Element, where: str) -> Model:
    driven = _driven(root)
    joints: list[Placed] = []
    positions = velocities = 0
    for element in _joints(root):
        kind = "free" if element.tag == "freejoint" else element.get("type", "hinge")
        if kind not in _POSITIONS:
            raise _odd(f"a joint of type {kind!r}", where)
        name = element.get("name", "")
        joints.append(Placed(name, kind, positions, name in driven))
        positions, velocities = positions + _POSITIONS[kind], velocities + _VELOCITIES[kind]
    gone = sorted(driven - {joint.name for joint in joints})
    if gone:
        raise _odd(f"an actuator of joint {gone[0]!r:.100}, which the model does not have", where)
    if not joints:
        raise _odd(f"<{root.tag}> without joints", where)
    return Model(tuple(joints), 1 + positions + velocities)


def _joints(root: Element) -> Iterator[Element]:
    """Joints in the order of their addresses: a body's own first, then those of the bodies in it."""
    waiting = [*root.iterfind("worldbody")]
    while waiting:
        body = waiting.pop()
        inner: list[Element] = []
        # Frames only move what is in them.
        flat = list(reversed(body))
        while flat:
            child = flat.pop()
            if child.tag == "frame":
                flat += reversed(child)
            elif child.tag in ("joint", "freejoint"):
                yield child
            elif child.tag == "body":
                inner.append(child)
        waiting += reversed(inner)


def _driven(root: Element) -> set[str]:
    tendons = {tendon.get("name"): tendon for tendon in root.iterfind("tendon/*")}
    names: set[str] = set()
    for actuator in root.iterfind("actuator/*"):
        names |= {actuator.get("joint", ""), actuator.get("jointinparent", "")}
        tendon = tendons.get(actuator.get("tendon"))
        if tendon is not None:
            names |= {joint.get("joint", "") for joint in tendon.iterfind("joint")}
    return names - {""}


def _odd(got: str, where: str) -> InputError:
    expected = "the XML of a MuJoCo model, as the simulator saved it with the states"
    fix = "restore the model's file, or convert the states to joint positions with their simulator"
    return InputError(got, where=where, expected=expected, fix=fix)
