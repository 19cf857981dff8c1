"""The MuJoCo model of a robot and a task, built from their tables (no meshes, milliseconds to build).

Each link is a capsule from its joint to the next, or a sphere where the two coincide. The arm does not collide with
itself, and its first link collides with nothing. Gravity is compensated on every body of the arm, as the makers'
controllers do. Each arm joint has a position servo of natural frequency ω = 30 rad/s and critical damping, kp = ω² M_ii
and kv = 2 ω M_ii. M_ii is the inertia at the home posture, so that all joints of all arms follow alike.

The common parallel gripper has one drive that pulls two mirrored fingers through an elastic transmission, such as a
belt or a tendon. Its encoder sits on the motor. The measured opening is the fingers' mean position less the stretch
F / `TRANSMISSION` of the transmission under the drive's force F (taken as quasi-static). With nothing between the pads
the two agree. While an object is held the reading is smaller than the object, so that commanding a measured opening
squeezes it as hard as the recorded command did.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.robots import GRIPPER
from ate.robots.chain import home, quaternion
from ate.robots.engine import engine
from ate.robots.kinematic_table import Robot, robot
from ate.sim.tasks import Task, task

Array = NDArray[np.float64]
TIMESTEP = 0.005
SUBSTEPS = 10
OMEGA = 30.0
STROKE = 0.04
"""Travel of one finger, metres; opening 1 is `STROKE` from the middle."""
GRIP_KP, GRIP_KV, GRIP_FORCE = 4000.0, 250.0, 20.0
"""The gripper drive, acting on the fingers' mean position: N/m, N s/m and its greatest force in N."""
TRANSMISSION = 4000.0
"""Stiffness between the drive's encoder and the fingers, N/m."""
PAD_HALF = (0.010, 0.006, 0.030)
PAD_Z = 0.090
TABLE, OBJECT, ARM = 1, 2, 4


def _links(mujoco: Any, spec: Any, arm: Robot) -> Any:
    """Add base, links and arm joints; returns the last body."""
    flange = float(np.linalg.norm(arm.flange[:3, 3]))
    reach = [float(np.linalg.norm(f[:3, 3])) for f in arm.frames[1:]] + [flange]
    radii = np.linspace(0.06, 0.04, arm.joints)
    share = np.array([length + 2 * radius for length, radius in zip(reach, radii, strict=True)])
    masses = arm.mass * share / (share.sum() + 0.3)  # the fixed base carries the rest
    body = spec.worldbody.add_body(name="base", pos=arm.base)
    for i, frame in enumerate(arm.frames):
        body = body.add_body(name=f"link{i + 1}", pos=frame[:3, 3], quat=quaternion(frame[:3, :3]), gravcomp=1.0)
        low, high = arm.limits[i]
        body.add_joint(
            name=arm.joint_names[i], type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1], range=[low, high], limited=True
        )
        end = (arm.frames[i + 1] if i + 1 < arm.joints else arm.flange)[:3, 3]
        shape = {"type": mujoco.mjtGeom.mjGEOM_SPHERE}
        if reach[i] > 1e-6:
            shape = {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "fromto": [0, 0, 0, *end]}
        collision = 0 if i == 0 else ARM
        body.add_geom(**shape, size=[radii[i], 0, 0], mass=masses[i], contype=collision, conaffinity=0)
    return body


def _gripper(mujoco: Any, spec: Any, arm: Robot, link: Any) -> None:
    """Add hand, two fingers, their coupling and the one gripper servo."""
    slide, box = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtGeom.mjGEOM_BOX
    hand = link.add_body(name="hand", pos=arm.flange[:3, 3], quat=quaternion(arm.flange[:3, :3]), gravcomp=1.0)
    hand.add_geom(type=box, pos=[0, 0, 0.025], size=[0.02, 0.055, 0.025], mass=0.4, contype=ARM, conaffinity=0)
    for name, side in (("left", 1.0), ("right", -1.0)):
        finger = hand.add_body(name=name, pos=[0, 0, PAD_Z], gravcomp=1.0)
        finger.add_joint(
            name=name, type=slide, axis=[0, side, 0], range=[0, STROKE], limited=True, armature=0.1, damping=5.0
        )
        finger.add_geom(
            name=f"{name}_pad", type=box, pos=[0, side * PAD_HALF[1], 0], size=PAD_HALF, mass=0.05, contype=ARM,
            conaffinity=0, condim=4, priority=1, friction=[1.0, 0.005, 0.0001], solref=[0.015, 1.0],
        )  # fmt: skip
    # The drive pulls both fingers through a fixed tendon, half its force on each; the equality keeps them mirrored.
    drive = spec.add_tendon(name=GRIPPER)
    drive.wrap_joint("left", 0.5)
    drive.wrap_joint("right", 0.5)
    joint = mujoco.mjtObj.mjOBJ_JOINT
    mirror = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT, objtype=joint, name1="right", name2="left", solref=[0.01, 1.0]
    )
    mirror.data[:] = 0.0
    mirror.data[1] = 1.0  # right = 0 + 1 · left


def _servo(mujoco: Any, spec: Any, target: str, kp: float, kv: float, force: float, low: float, high: float) -> None:
    spec.add_actuator(
        name=target,
        target=target,
        trntype=mujoco.mjtTrn.mjTRN_TENDON if target == GRIPPER else mujoco.mjtTrn.mjTRN_JOINT,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED,
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        gainprm=[kp, *[0.0] * 9],
        biasprm=[0.0, -kp, -kv, *[0.0] * 7],
        forcerange=[-force, force],
        forcelimited=True,
        ctrlrange=[low, high],
        ctrllimited=True,
    )


def _scene(mujoco: Any, spec: Any, task: Task) -> None:
    """Add the table top and the task's object."""
    grip = {"condim": 3, "solref": [0.01, 1.0], "friction": [task.friction, 0.005, 0.0001]}
    plane, box = mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_BOX
    spec.worldbody.add_geom(name="table", type=plane, size=[1, 1, 0.1], contype=TABLE, conaffinity=OBJECT | ARM, **grip)
    body = spec.worldbody.add_body(name="object", pos=[0, 0, task.half])
    body.add_freejoint(name="object")
    shape = {"type": box, "size": [task.radius, task.radius, task.half]}
    if task.shape == "disc":
        shape = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [task.radius, task.half, 0]}
    body.add_geom(name="object", **shape, mass=task.mass, contype=OBJECT, conaffinity=TABLE | ARM, **grip)


def specification(arm: Robot, task: Task, inertia: Array) -> Any:
    """The `MjSpec` of an arm and a task; `inertia` (n,) in kg m² sets the servo gains of the arm joints."""
    mujoco = engine()
    spec = mujoco.MjSpec()
    spec.modelname = f"{arm.name}_{task.name}"
    spec.compiler.degree = False
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    spec.option.iterations = 50
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    last = _links(mujoco, spec, arm)
    _gripper(mujoco, spec, arm, last)
    _scene(mujoco, spec, task)
    for i, name in enumerate(arm.joint_names[:-1]):
        gains = OMEGA**2 * inertia[i], 2 * OMEGA * inertia[i]
        _servo(mujoco, spec, name, *gains, arm.torque[i], *arm.limits[i])
    _servo(mujoco, spec, GRIPPER, GRIP_KP, GRIP_KV, GRIP_FORCE, 0.0, STROKE)
    return spec


@cache
def build_model(robot_name: str, task_name: str) -> Any:
    """The compiled `mujoco.MjModel` of a robot and a task (cached: treat it as read-only).

    Position addresses are arm joints 0..n-1, the two fingers n and n+1, then the object's free joint (7).

    Raises:
        InputError: unknown robot or task, or MuJoCo is not installed.
    """
    mujoco, arm, scene = engine(), robot(robot_name), task(task_name)
    model = specification(arm, scene, np.ones(arm.joints)).compile()
    data = mujoco.MjData(model)
    data.qpos[: arm.joints] = home(robot_name)
    mujoco.mj_forward(model, data)
    inertia, column = np.zeros(arm.joints), np.zeros(model.nv)
    for i, unit in enumerate(np.eye(arm.joints, model.nv)):
        mujoco.mj_mulM(model, data, column, unit)
        inertia[i] = column[i]
    return specification(arm, scene, inertia).compile()
