"""How an arm, a table and a task look: a MuJoCo model that is drawn and never simulated.

Every part is a body that is put where kinematics and state say, so nothing here touches the dynamics of
`ate.sim.build`. Links are drawn as the capsules that collide there, with a housing around every joint. A robot is told
apart by the colours of links and housings and by its shape. An arm from a file (URDF, MJCF) is drawn as its kinematic
skeleton. Metres, in the frame of the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.robots import chain
from ate.robots.engine import engine
from ate.robots.kinematic_table import ROBOTS
from ate.robots.kinematics import Kinematics
from ate.robots.posture import points
from ate.sim.build import PAD_HALF, PAD_Z
from ate.sim.tasks import Task

Array = NDArray[np.float64]
Color = tuple[float, float, float]

ARMS: Mapping[str, tuple[Color, Color]] = {
    "panda": ((0.93, 0.93, 0.91), (0.20, 0.21, 0.23)),
    "sawyer": ((0.55, 0.09, 0.12), (0.13, 0.13, 0.14)),
    "iiwa14": ((0.96, 0.52, 0.12), (0.72, 0.74, 0.76)),
    "xarm7": ((0.80, 0.74, 0.62), (0.47, 0.33, 0.20)),
    "xarm6": ((0.42, 0.66, 0.52), (0.92, 0.93, 0.92)),
    "ur5e": ((0.66, 0.75, 0.84), (0.12, 0.36, 0.66)),
    "gen3": ((0.17, 0.18, 0.20), (0.76, 0.77, 0.78)),
}
"""Colours of links and of the housings of joints."""
PLAIN: tuple[Color, Color] = ((0.62, 0.66, 0.72), (0.30, 0.33, 0.38))
MARKS: Mapping[str, Color] = {
    "green": (0.10, 0.68, 0.28),
    "blue": (0.12, 0.35, 0.92),
    "yellow": (0.98, 0.82, 0.10),
}
"""Colours of goal markers, by what instructions call them."""
GOALS: Mapping[str, tuple[str, ...]] = {"lift": (), "push": ("green",), "place": ("blue", "yellow")}
"""Markers of a task: the goal's first, then the other one, which is no goal."""
OBJECTS: Mapping[str, Color] = {"box": (0.86, 0.13, 0.16), "disc": (0.62, 0.20, 0.72)}
TOP: Color = (0.80, 0.76, 0.70)
FLOOR: Color = (0.62, 0.66, 0.71)
WALL: Color = (0.95, 0.97, 1.00)
STEEL: Color = (0.30, 0.31, 0.33)
PAD: Color = (0.10, 0.10, 0.11)
MARK_RADIUS, MARK_HALF = 0.035, 0.0006
# Radii of links in metres, from base to tool, of an arm that reaches `REACH`.
THICK, THIN, REACH = 0.06, 0.04, 0.9
# A housing is this much wider than its link, and as long as this many radii.
WIDER, LONGER = 1.12, 1.25
PIXELS = 1024
"""The widest picture."""
HIDDEN = np.array([0.0, 0.0, -5.0])


@dataclass(frozen=True, eq=False)
class Scene:
    """A model to be drawn.

    Attributes:
        model: the compiled `mujoco.MjModel`; every body but the world is placed by its mocap pose.
        base: (3,) of the robot's base in the frame of the table, metres.
        hand: whether it has the common gripper of `ate.sim.build`.
        place: name of a body → its mocap row. Links are `link0`, `link1`, …; each rests where all exponents are 0.
        text: the model as MJCF, which tells apart what looks different.
        arm: numbers of the geoms of its links, and of its housings.
    """

    model: Any
    base: Array
    hand: bool
    place: Mapping[str, int]
    text: str
    arm: tuple[NDArray[np.int64], NDArray[np.int64]]


def scene(arm: Kinematics, task: Task | None, fine: bool = False) -> Scene:
    """The scene of an arm, with the table, object and goal markers of a task, or on a plain floor without one.

    Arms of the table of robots stand where they are simulated; others at the origin.

    Args:
        arm: what to draw.
        task: None for the arm alone.
        fine: whether round shapes have 28 sides instead of 14, which small pictures do not show but pay for.
    """
    mujoco = engine("pictures", "draws the simulated robots")
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    hand = _built_in(arm)
    base = ROBOTS[arm.name].base if hand and task is not None else np.zeros(3)
    spots = _spots(arm, hand)
    extent = float(np.linalg.norm(np.diff(spots, axis=0), axis=1).sum())
    scale = 1.0 if hand else extent / REACH
    _quality(spec, fine)
    _lights(mujoco, spec)
    _room(mujoco, spec, base, task, scale)
    links = _links(mujoco, spec, arm, spots, scale)
    names = [*links, *(_gripper(mujoco, spec) if hand else _tip(mujoco, spec, arm, scale))]
    names += _things(mujoco, spec, task) if task else []
    _cameras(mujoco, spec, arm, None if task else extent)
    model = spec.compile()
    place = {name: int(model.body_mocapid[model.body(name).id]) for name in names}
    own = np.isin(model.geom_bodyid, [model.body(name).id for name in links])
    geoms = [
        np.flatnonzero(own & np.all(np.isclose(model.geom_rgba[:, :3], color, atol=1e-6), axis=1))
        for color in arm_colors(arm.name)
    ]
    return Scene(model, base, hand, place, spec.to_xml(), (geoms[0], geoms[1]))


def arm_colors(name: str) -> tuple[Color, Color]:
    """Colours of an arm's links and housings."""
    return ARMS.get(name, PLAIN)


def _built_in(arm: Kinematics) -> bool:
    """Whether an arm is the one of its name in the table of robots, not one of a file that has the same name."""
    if arm.name not in ROBOTS:
        return False
    known = Kinematics.of(arm.name)
    return all(
        a.shape == b.shape and np.allclose(a, b, atol=1e-6)
        for a, b in ((arm.screws, known.screws), (arm.mount, known.mount))
    )


def _spots(arm: Kinematics, hand: bool) -> Array:
    """A point (m + 2, 3) at the base, on every joint's axis and at the flange or tool, at exponents 0, base frame.

    For robots of the table these are the origins of their joints' frames.
    """
    if hand:
        known = ROBOTS[arm.name]
        frames, _ = chain.joint_frames(known, np.zeros(known.joints))
        return np.concatenate([np.zeros((1, 3)), frames[:, :3, 3], (frames[-1] @ known.flange)[None, :3, 3]])
    still = np.asarray(np.linalg.lstsq(arm.coupling, arm.zero, rcond=None)[0], np.float64)
    return np.concatenate([np.zeros((1, 3)), points(arm, still)])


def _quality(spec: Any, fine: bool) -> None:
    """Lights without shadows, and no multisampling: software draws fifty times as fast."""
    quality = spec.visual.quality
    quality.shadowsize = quality.offsamples = 0
    quality.numslices, quality.numstacks, quality.numquads = (28, 16, 4) if fine else (14, 8, 1)
    spec.visual.global_.offwidth = spec.visual.global_.offheight = PIXELS
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 20.0
    spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]


def _lights(mujoco: Any, spec: Any) -> None:
    spec.visual.headlight.ambient = [0.44] * 3
    spec.visual.headlight.diffuse = [0.20] * 3
    spec.visual.headlight.specular = [0.0] * 3
    for position, strength in (((1.2, -1.0, 2.2), 0.40), ((0.4, 1.4, 1.6), 0.16)):
        spec.worldbody.add_light(
            pos=position, dir=-np.array(position), type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False,
            diffuse=[strength] * 3, specular=[0.25] * 3, ambient=[0.0] * 3,
        )  # fmt: skip


def _room(mujoco: Any, spec: Any, base: Array, task: Task | None, scale: float) -> None:
    """Floor and walls, and with a task the table and the robot's stand."""
    box, cylinder = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
    height = 0.75 if task else 0.0
    world = spec.worldbody
    wide = max(4.0, 4.0 * scale)
    add = _adder(world)
    add(box, pos=[0, 0, -height - 0.05], size=[wide, wide, 0.05], color=FLOOR)
    add(box, pos=[-wide / 2, 0, 0], size=[0.05, wide, wide], color=WALL)
    add(box, pos=[0, wide / 2, 0], size=[wide, 0.05, wide], color=WALL)
    if task is None:
        return
    add(box, pos=[-0.15, 0, -0.02], size=[0.62, 0.50, 0.02], color=TOP)
    add(box, pos=[-0.15, 0, -0.025], size=[0.63, 0.51, 0.016], color=STEEL)
    for x in (-0.70, 0.40):
        for y in (-0.44, 0.44):
            add(box, pos=[x, y, -0.4], size=[0.025, 0.025, 0.36], color=STEEL)
    add(cylinder, pos=[*base[:2], 0.008], size=[0.095, 0.008, 0], color=STEEL)


def _links(mujoco: Any, spec: Any, arm: Kinematics, spots: Array, scale: float) -> list[str]:
    """A body a moving joint: a capsule to the next joint, a housing around the axis; and the column of the base."""
    sphere, capsule, cylinder = (
        mujoco.mjtGeom.mjGEOM_SPHERE,
        mujoco.mjtGeom.mjGEOM_CAPSULE,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
    )
    link, housing = arm_colors(arm.name)
    radii = np.linspace(THICK, THIN, len(arm.screws)) * scale
    stand = spec.worldbody.add_body(name="stand", mocap=True)
    names = ["stand"]
    if np.linalg.norm(spots[1] - spots[0]) > 1e-3:
        _adder(stand)(capsule, fromto=[*spots[0], *spots[1]], size=[radii[0], 0, 0], color=link)
    for i, screw in enumerate(arm.screws):
        body = spec.worldbody.add_body(name=f"link{i}", mocap=True)
        names.append(f"link{i}")
        add, start, end, radius = _adder(body), spots[i + 1], spots[i + 2], radii[i]
        last = i + 1 == len(arm.screws)
        if np.linalg.norm(end - start) > 1e-3:
            add(cylinder if last else capsule, fromto=[*start, *end], size=[radius, 0, 0], color=link)
        elif not last:
            add(sphere, pos=start, size=[radius, 0, 0], color=link)
        axis = screw[:3] if screw[:3].any() else screw[3:]
        half = LONGER * radius * (axis / np.linalg.norm(axis))
        # The last housing ends where the hand begins.
        middle = start - half * np.sign(half @ arm.mount[:3, 2]) if last else start
        add(cylinder, fromto=[*(middle - half), *(middle + half)], size=[WIDER * radius, 0, 0], color=housing)
    return names


def _gripper(mujoco: Any, spec: Any) -> list[str]:
    """The common gripper: hand and two fingers, each in its own frame."""
    box, cylinder = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
    hand = spec.worldbody.add_body(name="hand", mocap=True)
    add = _adder(hand)
    add(cylinder, pos=[0, 0, 0.004], size=[0.036, 0.008, 0], color=STEEL)
    add(box, pos=[0, 0, 0.030], size=[0.02, 0.055, 0.022], color=(0.80, 0.81, 0.82))
    add(box, pos=[0, 0, 0.052], size=[0.016, 0.085, 0.005], color=STEEL)
    for name, side in (("left", 1.0), ("right", -1.0)):
        finger = _adder(spec.worldbody.add_body(name=name, mocap=True))
        finger(box, pos=[0, side * PAD_HALF[1], PAD_Z], size=PAD_HALF, color=PAD)
    return ["hand", "left", "right"]


def _tip(mujoco: Any, spec: Any, arm: Kinematics, scale: float) -> list[str]:
    """The tool of an arm from a file: a ball and the three axes of its frame (x red, y green, z blue)."""
    hand = spec.worldbody.add_body(name="hand", mocap=True)
    add = _adder(hand)
    add(mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.028 * scale, 0, 0], color=PAD)
    for axis, color in zip(np.eye(3), ((0.85, 0.15, 0.15), (0.15, 0.65, 0.25), (0.15, 0.35, 0.9)), strict=True):
        add(mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[0, 0, 0, *(0.11 * scale * axis)], size=[0.009 * scale, 0, 0],
            color=color)  # fmt: skip
    return ["hand"]


def _things(mujoco: Any, spec: Any, task: Task) -> list[str]:
    """The task's object and the goal markers of every colour; those that a picture lacks are put out of sight."""
    cylinder = mujoco.mjtGeom.mjGEOM_CYLINDER
    color = OBJECTS[task.shape]
    add = _adder(spec.worldbody.add_body(name="object", mocap=True))
    if task.shape == "disc":
        add(cylinder, size=[task.radius, task.half, 0], color=color)
    else:
        add(mujoco.mjtGeom.mjGEOM_BOX, size=[task.radius, task.radius, task.half], color=color)
    for name, mark in MARKS.items():
        body = spec.worldbody.add_body(name=name, mocap=True, pos=HIDDEN)
        _adder(body)(cylinder, size=[MARK_RADIUS, MARK_HALF, 0], color=mark)
    return ["object", *MARKS]


def _cameras(mujoco: Any, spec: Any, arm: Kinematics, extent: float | None) -> None:
    """`front` and `wrist`, which policies see, and `film`, which shows the whole arm to people."""
    if extent is not None:
        _camera(spec.worldbody, "film", np.array([1.1, -1.2, 0.8]) * extent, np.array([0, 0, 0.34]) * extent, 40)
        return
    _camera(spec.worldbody, "front", np.array([0.62, -0.20, 0.56]), np.array([-0.01, 0.0, 0.04]), 34)
    _camera(spec.worldbody, "film", np.array([0.90, -1.10, 0.75]), np.array([-0.20, 0.0, 0.27]), 36)
    # In front of the hand as it stands at home, whichever of the two yaws the arm prefers.
    home = arm.forward(arm.rest)[1]
    side = 1.0 if home[0, 0] > 0 else -1.0
    _camera(
        spec.body("hand"), "wrist", np.array([0.12 * side, 0.0, 0.02]), np.array([0.005 * side, 0.0, 0.13]), 70, -side
    )


def _camera(body: Any, name: str, eye: Array, target: Array, degrees: float, side: float | None = None) -> None:
    """A camera at `eye` that looks at `target`; with z upward, or with y of its body across where `side` is given."""
    back = (eye - target) / np.linalg.norm(eye - target)
    up = np.array([0.0, 0.0, 1.0]) if side is None else np.array([side, 0.0, 0.0])
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(back, right), back], axis=1)
    body.add_camera(name=name, pos=eye, quat=chain.quaternion(turn), fovy=degrees)


def _adder(body: Any) -> Any:
    def add(kind: Any, color: Color, **shape: Any) -> None:
        body.add_geom(type=kind, rgba=[*color, 1.0], contype=0, conaffinity=0, **shape)

    return add
