"""The arm in a robot's model file: URDF or MJCF, read by MuJoCo, as kinematics by screw axes.

The frame of the base is that of the root link of a URDF, and the world of an MJCF. Joints that do not move the tool are
left out. Joints that follow another one (`mimic` of a URDF, an equality of joints of an MJCF) become rows of
`Kinematics.coupling`. Limits are those of the file, infinite where it has none; speeds come from a URDF's `velocity`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError, unknown
from ate.robots.kinematics import Kinematics
from ate.robots.model_text import compiled
from ate.robots.posture import posture
from ate.robots.tool_link import Link, default_tool

Array = NDArray[np.float64]
HINGE, SLIDE = 3, 2
# MuJoCo's number of an equality of two joints.
EQUAL = 2
KINDS = {0: "free", 1: "ball", SLIDE: "sliding", HINGE: "turning"}


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A robot in a file, down to one tool.

    Attributes:
        path: the file.
        kinematics: from the base to the tool.
        tool: name of the tool's link or site.
        links: link that each moving joint moves, in the order of `kinematics.screws`.
        others: joints of the robot that do not move the tool.
    """

    path: Path
    kinematics: Kinematics
    tool: str
    links: tuple[str, ...]
    others: tuple[str, ...]


def read_kinematics(path: str | Path, tool: str | None = None) -> Kinematics:
    """Kinematics of the arm in a URDF or MJCF file (see `read_model`), or of a robot identified before.

    Raises:
        InputError: as `read_model`, or a `.json` file without kinematics.
    """
    if Path(path).suffix.lower() == ".json":
        return _identified(Path(path).expanduser(), tool)
    return read_model(path, tool).kinematics


def _identified(path: Path, tool: str | None) -> Kinematics:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        known = Kinematics.from_tree(tree["kinematics"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"a file that cannot be used ({reason[:200]})", where=str(path),
            expected="kinematics as `ate identify` writes them", fix="run ate identify again",
        ) from error  # fmt: skip
    if tool is not None:
        raise InputError(f"tool {tool!r}", where=str(path), expected="no tool: it is the one whose poses were recorded",
                         fix="leave the tool out")  # fmt: skip
    return known


def read_model(path: str | Path, tool: str | None = None) -> ModelFile:
    """The arm in a URDF or MJCF file.

    Args:
        path: of a `.urdf`, `.xml` or `.mjcf` file.
        tool: link or site whose frame is the tool. None chooses by `ate.robots.tool_link`: a link with a usual name
            for a tool at the end of the longest chain, else the link that carries the fingers, else the last link.

    Raises:
        InputError: a file that cannot be read, a link that it does not have, no joint that moves the tool, or a ball,
            free or nonlinearly coupled joint among those that do.
    """
    file = Path(path).expanduser()
    model, urdf, keys = compiled(file)
    links = _links(model)
    chosen = _chosen(links, tool, file)
    body = links[chosen].parent if links[chosen].site else chosen
    joints = _joints(model, body, file)
    moving = {_name(model, j) for j in joints}
    _refuse_lost(urdf, moving, file)
    leaders, coupling, zero = _coupled(model, joints, file)
    names = tuple(_name(model, j) for j in leaders)
    screws, mount = _frames(model, joints, body, chosen - model.nbody if links[chosen].site else None)
    unbounded = np.array([-np.inf, np.inf])
    limits = np.array([model.jnt_range[j] if model.jnt_limited[j] else unbounded for j in leaders])
    name = (urdf.get("name") if urdf is not None else _title(model)) or file.stem
    n = len(leaders)
    bare = Kinematics(name, names, screws, mount, coupling, zero, limits, _speeds(urdf, names), np.zeros(n))
    key = [float(keys[0][model.jnt_qposadr[j]]) for j in leaders] if keys and len(keys[0]) == model.nq else None
    rest = np.clip(key, *limits.T) if key is not None else posture(bare)
    others = tuple(_name(model, j) for j in range(model.njnt) if _name(model, j) not in {*names, *moving})
    moved = tuple(links[int(model.jnt_bodyid[j])].name for j in joints)
    return ModelFile(file, replace(bare, rest=rest), links[chosen].name, moved, others)


def _title(model: Any) -> str:
    """The name of an MJCF, which MuJoCo calls so where the file gives none."""
    name = bytes(model.names).split(b"\0", 1)[0].decode("utf-8", "replace")
    return "" if name == "MuJoCo Model" else name


def _name(model: Any, joint: int) -> str:
    return model.joint(joint).name or f"joint_{joint}"


def _own(model: Any, body: int) -> list[int]:
    """The joints between a body and its parent."""
    first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
    return list(range(first, first + count)) if count else []


def _links(model: Any) -> list[Link]:
    """Bodies by their number, then sites."""
    leader = {int(a): int(b) for a, b, kind in zip(model.eq_obj1id, model.eq_obj2id, model.eq_type, strict=True)
              if kind == EQUAL}  # fmt: skip
    links: list[Link] = []
    above: list[set[int]] = []
    for i in range(model.nbody):
        own, parent = _own(model, i), int(model.body_parentid[i]) if i else -1
        above.append(set(own) | (above[parent] if i else set()))
        followers = sum(j in leader and leader[j] not in above[i] for j in own)
        links.append(Link(model.body(i).name, parent, tuple(_name(model, j) for j in own), followers))
    links += [Link(model.site(i).name, int(model.site_bodyid[i]), site=True) for i in range(model.nsite)]
    return links


def _chosen(links: list[Link], tool: str | None, path: Path) -> int:
    if not any(link.joints for link in links):
        raise InputError("no joint that moves", where=str(path), expected="a robot with moving joints",
                         fix="give the file of the whole robot; a xacro must be turned into a URDF first")  # fmt: skip
    if tool is None:
        return default_tool(links)
    names = [link.name for link in links]
    if tool not in names:
        raise unknown(tool, {name for name in names if name}, where=f"{path}, tool link")
    return names.index(tool)


def _joints(model: Any, body: int, path: Path) -> list[int]:
    """Joints between the base and a body, in order."""
    joints: list[int] = []
    tool = model.body(body).name
    while body > 0:
        joints = [*_own(model, body), *joints]
        body = int(model.body_parentid[body])
    for j in joints:
        if model.jnt_type[j] not in (HINGE, SLIDE):
            raise InputError(
                f"joint {_name(model, j)!r}, which is {KINDS[int(model.jnt_type[j])]}",
                where=f"{path}, base to {tool}", expected="joints that turn or slide",
                fix="fix the robot's base in the file, or replace the joint by hinges",
            )  # fmt: skip
    if not joints:
        raise InputError(f"link {tool!r}, which no joint moves", where=f"{path}, tool link",
                         expected="a link at the end of the arm", fix="name the tool's link")  # fmt: skip
    return joints


def _refuse_lost(urdf: Element | None, names: set[str], path: Path) -> None:
    """A joint of the arm that mimics one which does not exist or does not move."""
    joints = {} if urdf is None else {joint.get("name", ""): joint for joint in urdf.iterfind("joint")}
    for name in names & set(joints):
        mimic = joints[name].find("mimic")
        leader = None if mimic is None else joints.get(mimic.get("joint", ""))
        if mimic is not None and (leader is None or leader.get("type") == "fixed"):
            raise InputError(
                f"joint {name!r}, which mimics {mimic.get('joint')!r}", where=str(path),
                expected="the name of a joint that moves", fix="correct the name in the element <mimic>",
            )  # fmt: skip


def _coupled(model: Any, joints: list[int], path: Path) -> tuple[list[int], Array, Array]:
    """Joints that lead, in the order of their first use, and exponents by them: coupling (m, n) and zero (m,)."""
    rows = [_led(model, j, path) for j in joints]
    leaders = list(dict.fromkeys(leader for leader, _, _ in rows))
    coupling = np.zeros((len(joints), len(leaders)))
    for i, (leader, slope, _) in enumerate(rows):
        coupling[i, leaders.index(leader)] = slope
    return leaders, coupling, -np.array([offset for _, _, offset in rows])


def _led(model: Any, joint: int, path: Path) -> tuple[int, float, float]:
    """The joint that leads one (often itself), and slope and offset: q = slope · q_leader + offset."""
    slope, offset, seen = 1.0, 0.0, {joint}
    while True:
        rows = [i for i in range(model.neq) if model.eq_type[i] == EQUAL and model.eq_obj1id[i] == joint]
        if not rows:
            return joint, slope, offset
        other, terms = int(model.eq_obj2id[rows[0]]), model.eq_data[rows[0]][:5]
        if other < 0 or other in seen or np.any(terms[2:]) or terms[1] == 0:
            raise InputError(
                f"joint {_name(model, joint)!r}, which follows another one by a curve, a loop or not at all",
                where=str(path), expected="q = slope · q_other + offset", fix="give the coupling as a straight line",
            )  # fmt: skip
        refs = (float(model.qpos0[model.jnt_qposadr[j]]) for j in (joint, other))
        own, led = next(refs), next(refs)
        offset += slope * (own + float(terms[0]) - float(terms[1]) * led)
        slope *= float(terms[1])
        joint = other
        seen.add(other)


def _frames(model: Any, joints: list[int], body: int, site: int | None) -> tuple[Array, Array]:
    """Screws (m, 6) of joints and pose (4, 4) of the tool, where these joints are at 0, base frame."""
    from ate.robots.engine import engine

    mujoco = engine()
    data = mujoco.MjData(model)
    for j in joints:
        data.qpos[model.jnt_qposadr[j]] = 0.0
    mujoco.mj_kinematics(model, data)
    screws = np.zeros((len(joints), 6))
    for i, j in enumerate(joints):
        axis, anchor = data.xaxis[j], data.xanchor[j]
        screws[i] = [*axis, *np.cross(anchor, axis)] if model.jnt_type[j] == HINGE else [0, 0, 0, *axis]
    mount = np.eye(4)
    mount[:3, 3] = data.xpos[body] if site is None else data.site_xpos[site]
    mount[:3, :3] = (data.xmat[body] if site is None else data.site_xmat[site]).reshape(3, 3)
    return screws, mount


def _speeds(urdf: Element | None, names: tuple[str, ...]) -> Array:
    """Highest speed (n,) of joints; infinite where the file has none."""
    limits: Mapping[str, str] = {} if urdf is None else {
        joint.get("name", ""): limit.get("velocity", "")
        for joint in urdf.iterfind("joint") if (limit := joint.find("limit")) is not None
    }  # fmt: skip
    return np.array([_positive(limits.get(name, "")) for name in names])


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return np.inf
    return value if value > 0 else np.inf
