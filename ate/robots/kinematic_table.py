"""Seven arms as a table of published kinematic facts; nothing here needs a simulator.

Every arm is a chain of joints that turn about their own z axis; `ate.robots.denavit_hartenberg` turns the makers'
conventions into that one form. Lengths in metres, angles in radians, torques in N m, masses in kg. Joint names and
limits are read from the profiles in `builtin/`.

The robots are faithful in kinematics and simplified in dynamics. Frames and joint limits are the published ones.
`mass` (one number an arm, spread along its capsules) and `torque` (peak or rated, as makers differ in what they print)
are approximate. Friction, gear inertia and the makers' controllers are not modelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ate.errors import unknown
from ate.robots.denavit_hartenberg import from_dh, from_mdh, from_origins, rotation, translation
from ate.robots.embodiment import GRIPPER
from ate.robots.profile import BUILTIN, limits
from ate.robots.toml import read

Array = NDArray[np.float64]
H = np.pi / 2


@dataclass(frozen=True, eq=False)
class Robot:
    """One arm. Arrays are float64 and must not be written to.

    Attributes:
        name: the short name used in folders and options.
        title: the maker's name for it.
        source: where the numbers are published.
        joint_names: arm joints in order, then "gripper".
        frames: (n, 4, 4) fixed transform before each joint, metres; the first one starts at the base.
        flange: (4, 4) fixed transform from the last joint to the mounting face of the gripper, whose z points
            away from the arm and whose y is the line on which the fingers move.
        limits: (n, 2) lowest and highest joint position, radians.
        torque: (n,) approximate torque limit, N m.
        mass: approximate mass of the whole arm, kg.
        seed: (n,) posture near which the home posture is searched, radians.
        base: (3,) position of the base on the table (table top at z = 0), metres.
    """

    name: str
    title: str
    source: str
    joint_names: tuple[str, ...]
    frames: Array
    flange: Array
    limits: Array
    torque: Array
    mass: float
    seed: Array
    base: Array

    @property
    def joints(self) -> int:
        """Number of arm joints n."""
        return len(self.frames)

    @property
    def dof(self) -> int:
        """Arm joints plus the gripper: the width of `qpos` and `action`."""
        return len(self.frames) + 1


def _arm(
    name: str,
    source: str,
    chain: tuple[Array, Array],
    torque: Sequence[float],
    mass: float,
    seed: Sequence[float],
    base: float,
    hand: Array | None = None,
) -> Robot:
    """One row of the table; title, joint names and limits are those of the built-in profile of that name.

    `base` is the distance of the base behind the origin, metres.
    """
    # Not `profile(name)`: a user's own profile of that name must not change the simulated robot.
    profile = read(BUILTIN / f"{name}.toml")
    joints = [joint for joint in profile.required if joint.part == "arm"]
    frames, flange = chain
    return Robot(
        name=name,
        title=profile.title,
        source=source,
        joint_names=(*(joint.name for joint in joints), GRIPPER),
        frames=frames,
        flange=flange if hand is None else flange @ hand,
        limits=np.stack(limits(joints), axis=1),
        torque=np.array(torque, dtype=float),
        mass=mass,
        seed=np.array(seed, dtype=float),
        base=np.array([-base, 0.0, 0.0]),
    )


_TABLE = (
    _arm(
        "panda",
        "Franka Control Interface documentation, 'Robot and interface specifications' (modified DH table, joint and "
        "torque limits); mass from the Panda data sheet",
        from_mdh(
            [(0, 0, 0.333), (-H, 0, 0), (H, 0, 0.316), (H, 0.0825, 0), (-H, -0.0825, 0.384), (H, 0, 0), (H, 0.088, 0)]
        ),
        [87] * 4 + [12] * 3,
        18.0,
        [0.0, 0.2, 0.0, -2.3, 0.0, 2.5, 0.785],
        0.50,
        translation(0, 0, 0.107) @ rotation(2, -np.pi / 4),
    ),
    _arm(
        "sawyer",
        "sawyer_robot/sawyer_description URDF (joint origins, limits, efforts); mass from the Sawyer data sheet",
        from_origins(
            [
                ((0, 0, 0.08), (0, 0, 0)),
                ((0.081, 0.05, 0.237), (-H, H, 0)),
                ((0, -0.14, 0.1425), (H, 0, 0)),
                ((0, -0.042, 0.26), (-H, 0, 0)),
                ((0, -0.125, -0.1265), (H, 0, 0)),
                ((0, 0.031, 0.275), (-H, 0, 0)),
                ((0, -0.11, 0.1053), (-H, -0.17453, np.pi)),
            ]
        ),
        [80, 80, 40, 40, 9, 9, 9],
        19.0,
        [0.0, -1.1, 0.0, 2.1, 0.0, 0.57, 1.7453],
        0.65,
        translation(0, 0, 0.0245) @ rotation(2, H),
    ),
    _arm(
        "iiwa14",
        "KUKA LBR iiwa technical data sheet (lengths 360/420/400/126 mm, axis ranges, torques, 29.9 kg)",
        from_mdh([(0, 0, 0.36), (-H, 0, 0), (H, 0, 0.42), (H, 0, 0), (-H, 0, 0.40), (-H, 0, 0), (H, 0, 0.126)]),
        [320, 320, 176, 176, 110, 40, 40],
        29.9,
        [0.0, 0.6, 0.0, -1.9, 0.0, 0.6, 0.0],
        0.62,
    ),
    _arm(
        "gen3",
        "Kinova Gen3 user guide, 'DH parameters' and actuator specifications (standard DH, limits, torques, 8.2 kg)",
        from_dh(
            [
                (0, -0.2848, 0, H),
                (np.pi, -0.0118, 0, H),
                (np.pi, -0.4208, 0, H),
                (np.pi, -0.0128, 0, H),
                (np.pi, -0.3143, 0, H),
                (np.pi, 0, 0, H),
                (np.pi, -0.1674, 0, np.pi),
            ],
            rotation(0, np.pi),
        ),
        [39] * 4 + [9] * 3,
        8.2,
        [0.0, 0.4, np.pi, -2.0, 0.0, -0.8, np.pi],
        0.50,
    ),
    _arm(
        "xarm7",
        "UFACTORY support, 'Kinematic and dynamic parameters of xArm series' (modified DH), xArm user manual "
        "(joint ranges, 13.7 kg), xarm_description URDF (efforts)",
        from_mdh(
            [
                (0, 0, 0.267),
                (-H, 0, 0),
                (H, 0, 0.293),
                (H, 0.0525, 0),
                (H, 0.0775, 0.3425),
                (H, 0, 0),
                (-H, 0.076, 0.097),
            ]
        ),
        [50, 50, 30, 30, 30, 20, 20],
        13.7,
        [0.0, -0.2, 0.0, 1.0, 0.0, 1.2, 0.0],
        0.42,
    ),
    _arm(
        "ur5e",
        "Universal Robots support, 'DH parameters for calculations of kinematics and dynamics' (standard DH); "
        "UR5e technical details (20.6 kg, joint ranges), 'Max. joint torques' (150 and 28 N m)",
        from_dh(
            [
                (0, 0.1625, 0, H),
                (0, 0, -0.425, 0),
                (0, 0, -0.3922, 0),
                (0, 0.1333, 0, H),
                (0, 0.0997, 0, -H),
                (0, 0.0996, 0, 0),
            ],
            rotation(2, np.pi),  # UR's DH base is turned by half a turn against its URDF base_link
        ),
        [150] * 3 + [28] * 3,
        20.6,
        [-0.3, -1.9, 2.3, -2.0, -H, -1.9],
        0.50,
    ),
    _arm(
        "xarm6",
        "UFACTORY support, 'Kinematic and dynamic parameters of xArm series' (modified DH), xArm user manual "
        "(joint ranges, 12.2 kg), xarm_description URDF (efforts)",
        from_mdh(
            [
                (0, 0, 0.267),
                (-H, 0, 0, -1.3849179),
                (0, 0.28948866, 0, 1.3849179),
                (-H, 0.0775, 0.3425),
                (H, 0, 0),
                (-H, 0.076, 0.097),
            ]
        ),
        [50, 50, 32, 32, 32, 20],
        12.2,
        [0.0, -0.2, -1.0, 0.0, 1.2, 0.0],
        0.42,
    ),
)
ROBOTS: dict[str, Robot] = {arm.name: arm for arm in _TABLE}


def robot(name: str) -> Robot:
    """The arm of that name; an unknown name raises `InputError` with the nearest one."""
    if name not in ROBOTS:
        raise unknown(name, ROBOTS, where="robot")
    return ROBOTS[name]
