"""Robot models as text: URDF and MJCF, compiled by MuJoCo without their shapes.

Shapes, masses, meshes and actuators say nothing about kinematics and name files that may be missing, so they are left
out before compiling. A URDF keeps links and joints alone; joints that mimic others become equalities.
"""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ate.errors import InputError
from ate.robots.calibration import is_calibration
from ate.robots.engine import engine

SUFFIXES = (".urdf", ".xml", ".mjcf")
MOVING = ("revolute", "continuous", "prismatic")
# Meshes and textures are files of their own; what remains is small.
MOST_BYTES = 16 * 2**20
# Bodies need no mass of their own; fixed links stay links, so that each can be the tool.
COMPILER = {"boundmass": "0.001", "boundinertia": "0.000001", "fusestatic": "false", "balanceinertia": "true"}
# Element lists of an MJCF that name files, shapes or what drives the joints.
SHAPES = ("sensors", "actuators", "tendons", "pairs", "excludes", "geoms", "skins", "flexes", "meshes", "hfields",
          "materials", "textures", "cameras", "lights")  # fmt: skip


def is_model(robot: str | Path) -> bool:
    """Whether this names a file with kinematics, by its suffix: a model, a xacro, or what `ate identify` writes."""
    return Path(robot).suffix.lower() in (*SUFFIXES, ".xacro", ".json") and not is_calibration(robot)


def compiled(path: Path) -> tuple[Any, Element | None, list[list[float]]]:
    """The MuJoCo model of a file, the root element of a URDF (None of an MJCF), and joints of an MJCF's keyframes.

    Raises:
        InputError: no such file, no URDF or MJCF, a xacro, broken XML, or a model that MuJoCo refuses.
    """
    text = _text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        # Entities can unfold to any size, and may name other files.
        raise _wrong("a document type or entities", path, fix="remove them from the file")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise _wrong(f"no XML ({error})", path) from error
    if path.suffix.lower() == ".xacro" or "xacro" in text.partition(">")[0] or root.find(".//{*}macro") is not None:
        raise _wrong("a xacro, which is a program that makes a URDF", path,
                     fix=f"run `xacro {path.name} > robot.urdf` where the robot's packages are installed")  # fmt: skip
    if root.tag not in ("robot", "mujoco"):
        raise _wrong(f"an element <{root.tag}>", path, fix="give a file that starts with <robot> or <mujoco>")
    mujoco = engine(str(path), "reads URDF and MJCF")
    try:
        if root.tag == "robot":
            return mujoco.MjModel.from_xml_string(_bare(root)), root, []
        return _of_mjcf(mujoco, path)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise _wrong(f"a model that MuJoCo refuses ({reason})", path) from error


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise _wrong("a folder" if path.is_dir() else "no such file", path, fix="check the path")
        if path.stat().st_size > MOST_BYTES:
            raise _wrong(f"{path.stat().st_size / 2**20:,.0f} MiB", path)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"a file that cannot be read ({error})", path) from error


def _bare(robot: Element) -> str:
    """Links and joints of a URDF, nothing else."""
    bare = Element("robot", {"name": robot.get("name", "")})
    ElementTree.SubElement(ElementTree.SubElement(bare, "mujoco"), "compiler", COMPILER)
    moving = {joint.get("name") for joint in robot.iterfind("joint") if joint.get("type") in MOVING}
    for child in robot:
        if child.tag == "link":
            ElementTree.SubElement(bare, "link", {"name": child.get("name", "")})
        elif child.tag == "joint":
            bare.append(_plain(child, moving))
    return ElementTree.tostring(bare, encoding="unicode")


def _plain(joint: Element, moving: set[str | None]) -> Element:
    """A joint without what MuJoCo would warn about: limits that leave no room, one that mimics what does not move."""
    limit, mimic = joint.find("limit"), joint.find("mimic")
    idle = mimic is not None and not {joint.get("name"), mimic.get("joint")} <= moving
    empty = limit is not None and limit.get("lower") == limit.get("upper")
    gone = [name for name, out in (("mimic", idle), ("limit", empty)) if out]
    plain = Element("joint", joint.attrib)
    plain.extend(child for child in joint if child.tag not in gone)
    return plain


def _of_mjcf(mujoco: Any, path: Path) -> tuple[Any, None, list[list[float]]]:
    spec = mujoco.MjSpec.from_file(str(path))
    keys = [list(key.qpos) for key in spec.keys]
    # Equalities of joints couple them; all others hold shapes and bodies together, whose joints stay as they are.
    loose = [item for item in spec.equalities if item.type != mujoco.mjtEq.mjEQ_JOINT]
    for item in [*spec.keys, *loose, *(item for name in SHAPES for item in getattr(spec, name))]:
        spec.delete(item)
    spec.compiler.boundmass, spec.compiler.boundinertia = 1e-3, 1e-6
    spec.compiler.fusestatic, spec.compiler.balanceinertia = False, True
    return spec.compile(), None, keys


def _wrong(got: str, path: Path, fix: str = "repair the file, or give the robot's URDF or MJCF") -> InputError:
    return InputError(got, where=str(path), expected="a robot as URDF or MJCF (.urdf, .xml, .mjcf)", fix=fix)
