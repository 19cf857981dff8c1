"""Ways out of grippers, kinematics and tool poses of a set."""

from dataclasses import replace

import numpy as np

from ate.data import load
from ate.data.opening import with_opening
from ate.data.placements import placement
from ate.data.tool_poses import arm_joints, recorded_poses
from ate.data.tool_space import tool_spaces
from ate.robots.frames import Placement
from ate.robots.kinematics import Kinematics
from tests.conftest import write_episode
from tests.robots.arms import exported
from tests.ways.sets import UR5E, few, native
from tests.ways.taking import way


@way("data/opening.py with_opening")
def _(p):
    names = [f"robot0_joint{i}" for i in range(1, 8)] + ["gripper0_finger_joint1", "gripper0_finger_joint2"]
    for number in range(2):
        write_episode(p.set, number, np.random.default_rng(0).uniform(0, 0.04, (9, 9)), robot="mine", joint_names=names)
    option = yield lambda: with_opening(load(p.set)), r"name a profile that declares them \((\w+)=\)"
    with_opening(load(p.set, **{option: "panda"}))
    sides = [f"{side}_{name}" for side in ("left", "right") for name in ("hand", "finger_joint1", "finger_joint2")]
    two = p.path / "two.toml"
    two.write_text(
        'title = "two"\nsource = "a test"\n' + "".join(
            f'[[joints]]\nname = "{name}"\narm = "{name.split("_")[0]}"\n'
            + ('part = "gripper"\nunit = "m"\nclosed = 0.0\nopen = 0.04\n' if "finger" in name else "")
            for name in sides
        )
    )  # fmt: skip
    for number in range(2):
        write_episode(p.path / "both", number, np.random.default_rng(0).uniform(0, 0.04, (9, 6)), joint_names=sides)
    option = yield lambda: with_opening(load(p.path / "both", robot=str(two))), r"take one arm \((\w+)=\)"
    with_opening(load(p.path / "both", robot=str(two), **{option: ("left_*",)}))


@way("data/placements.py placement")
def _(p):
    episodes = load(native(p))
    (p.path / "arm.urdf").write_text(exported("ur5e"))
    file, command = yield lambda: placement(episodes), r"robot=(\S+), or identify it from tool poses: ate (\w+)"
    assert file == "arm.urdf"
    assert placement(few(UR5E, robot=str(p.path / file)))
    posed(p)
    p.ate(command, p.path / "posed", "--out", p.path / "robot.json")
    assert placement(load(p.path / "posed", robot=str(p.path / "robot.json")))


def posed(p):
    """The folder of demonstrations of a robot without a profile, with poses of the tool."""
    kinematics = Kinematics.of("ur5e")
    from scipy.spatial.transform import Rotation

    for number, item in enumerate(few(UR5E, 6)):
        position, matrix = kinematics.forward(item.qpos[:, :-1].astype(float))
        quaternion = Rotation.from_matrix(matrix).as_quat()[:, [3, 0, 1, 2]]
        names = [f"axis_{i}" for i in range(kinematics.joints)] + ["gripper"]
        pose = np.hstack([position, quaternion]).astype("f8")
        write_episode(
            p.path / "posed", number, item.qpos, robot="unknown_arm", rate_hz=20.0, joint_names=names, ee_pose=pose
        )
    return p.path / "posed"


@way("data/placements.py placement#2")
def _(p):
    known = few(UR5E)
    for number, item in enumerate(known):
        qpos = np.array(item.qpos)
        qpos[:, :-1] = np.rad2deg(qpos[:, :-1])
        write_episode(p.set, number, qpos, robot="mine", joint_names=list(known.joint_names), rate_hz=20.0)
    joints = "".join(f'[[joints]]\nname = "{n}"\nunit = "deg"\n' for n in known.joint_names[:-1])
    joints += '[[joints]]\nname = "gripper"\npart = "gripper"\n'
    (p.path / "arm.urdf").write_text(exported("ur5e"))
    profile = p.path / "mine.toml"
    profile.write_text(f'title = "x"\nsource = "a test"\nmodel = "arm.urdf"\n{joints}')
    unconverted = replace(load(p.set), profile=str(profile))
    option, parameter = yield lambda: placement(unconverted), r"(--robot) \((robot)=\)"
    assert placement(load(p.set, **{parameter: str(profile)}))
    p.ate("doctor", p.set, option, profile)


@way("data/tool_poses.py arm_joints", "data/tool_space.py ToolSpace.__post_init__")
def _(p):
    kinematics = Kinematics.of("ur5e")
    for number, item in enumerate(few(UR5E)):
        names = [f"axis_{i}" for i in range(item.qpos.shape[1])]
        write_episode(p.path / "x", number, item.qpos, robot="x", rate_hz=20.0, joint_names=names)
    wrong = load(p.path / "x")
    if p.site.startswith("data/tool_poses"):
        yield lambda: arm_joints(wrong, 0, kinematics), "by aliases in a profile"
        alias = "".join(
            f'[[joints]]\nname = "{n}"\naliases = ["axis_{i}"]\n' for i, n in enumerate(kinematics.joint_names)
        )
        (p.path / "x.toml").write_text(f'title = "x"\nsource = "a test"\n{alias}')
        assert arm_joints(load(p.path / "x", robot=str(p.path / "x.toml")), 0, kinematics).shape[1] == 6
        return
    from ate.data.tool_space import ToolSpace

    good = tool_spaces([few(UR5E)], [Placement.of("ur5e")])[0]
    yield lambda: replace(good, columns=wrong.joint_names), "as the robot's kinematics do, in the file"
    assert isinstance(replace(good, columns=few(UR5E).joint_names), ToolSpace)


@way("data/tool_poses.py recorded_poses", "data/tool_poses.py recorded_poses#2", "data/tool_poses.py recorded_poses#3")
def _(p):
    posed(p)
    good = load(p.path / "posed")
    if p.site.endswith("#3"):
        item = good[0]
        pose = np.array(item.read("ee_pose"))
        for number in range(2):
            write_episode(p.set, number, item.qpos, ee_pose=pose[:, [3, 4, 5, 6, 0, 1, 2]])
        yield lambda: recorded_poses(load(p.set)), "record x y z, then w x y z"
        for number in range(2):
            write_episode(p.set, number, item.qpos, ee_pose=pose)
        recorded_poses(load(p.set))
    elif p.site.endswith("#2"):
        yield lambda: recorded_poses(load(native(p))), "record it"
        recorded_poses(good)
    else:
        for number in range(2):
            write_episode(p.set, number, good[0].qpos, action=good[0].qpos, ee_pose=np.array(good[0].read("ee_pose")))
        source = yield lambda: recorded_poses(load(p.set, source="action")), r"load the set with source (\w+)"
        recorded_poses(load(p.set, source=source))
