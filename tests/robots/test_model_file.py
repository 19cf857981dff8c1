"""Robots from URDF and MJCF: their poses by other means, what counts as the tool, and what is refused."""

import warnings
from itertools import pairwise

import numpy as np
import pytest

from ate.errors import InputError
from ate.robots import profile
from ate.robots.frames import Placement
from ate.robots.kinematics import Kinematics
from ate.robots.model_file import read_model
from tests.robots.arms import exported, joint, urdf, urdf_pose

pytest.importorskip("mujoco")
MIXED = urdf(
    joint("turn", "base", "a", xyz=(0.1, 0.2, 0.3), rpy=(0.1, 0.2, 0.3), axis=(0, 1, 1), limit=(-1.0, 2.0, 3.0)),
    joint("lift", "a", "b", "prismatic", (0, 0, 0.2), (0.5, 0, 0), (1, 0, 0), (0.0, 0.4, 0.1)),
    joint("roll", "b", "c", "continuous", (0, 0.1, 0), (0, 0.4, 0), (1, 2, 3)),
    joint("copy", "c", "d", "revolute", (0.1, 0, 0), (0, 0, 1), (0, 0, 1), (-9.0, 9.0, 1.0),
          '<mimic joint="turn" multiplier="-2" offset="0.1"/>'),
    joint("plate", "d", "e", "fixed", (0, 0, 0.1), (0, 1, 0)),
    joint("spare", "a", "aside", limit=(-1.0, 1.0, 1.0)),
)  # fmt: skip
MJCF = """<mujoco model="bench"><compiler angle="degree"/>
<asset><mesh name="m" file="missing.stl"/></asset>
<worldbody><body name="stand" pos="0 0 1"><geom type="mesh" mesh="m"/>
 <body name="upper" euler="0 0 90"><joint name="j1" axis="0 0 1" range="-90 45"/><geom size=".1"/>
  <body name="lower" pos="0.5 0 0"><joint name="j2" type="slide" axis="0 1 0" range="0 0.2"/>
   <site name="tip" pos="0 0.1 0"/><body name="pad"><joint name="finger" type="slide"/></body></body></body></body>
 <body name="cube"><freejoint/><geom size=".1"/></body></worldbody>
<actuator><position joint="j1"/></actuator>
<keyframe><key name="home" qpos="0.3 0.1 0 0 0 0 1 0 0 0" ctrl="0"/></keyframe></mujoco>"""


def written(tmp_path, text, name="arm.urdf"):
    file = tmp_path / name
    file.write_text(text)
    return file


def test_mixed_joints_give_the_poses_of_the_files_own_origins(tmp_path):
    kinematics = Kinematics.of(written(tmp_path, MIXED), "e")
    assert kinematics.joint_names == ("turn", "lift", "roll")
    q = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    position, rotation = kinematics.forward(q)
    for i, row in enumerate(q):
        pose = urdf_pose(MIXED, "e", dict(zip(kinematics.joint_names, row, strict=True)))
        assert np.allclose(pose[:3, 3], position[i], atol=1e-14) and np.allclose(pose[:3, :3], rotation[i], atol=1e-14)


def test_limits_speeds_and_units_are_the_files(tmp_path):
    file = written(tmp_path, MIXED)
    kinematics = Kinematics.of(file, "e")
    assert np.array_equal(kinematics.limits, [(-1, 2), (0, 0.4), (-np.inf, np.inf)])
    assert np.array_equal(kinematics.speed, [3.0, 0.1, np.inf]) and kinematics.slides.tolist() == [False, True, False]
    assert ((kinematics.rest >= kinematics.limits[:, 0]) & (kinematics.rest <= kinematics.limits[:, 1])).all()
    known = profile(str(file))
    assert [(j.unit, j.low, j.high, j.max_speed) for j in known.required] == [
        ("rad", -1, 2, 3), ("m", 0, 0.4, 0.1), ("rad", None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["panda", "sawyer", "iiwa14", "gen3", "xarm7", "ur5e", "xarm6"])
def test_a_table_written_as_urdf_is_read_back_as_the_same_arm(tmp_path, name):
    table = Kinematics.of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        file = Kinematics.of(written(tmp_path, exported(name)))
    q = np.random.default_rng(1).uniform(-3, 3, (100, table.joints))
    assert file.joint_names == table.joint_names and np.allclose(file.limits, table.limits)
    assert np.allclose(file.forward(q)[0], table.forward(q)[0], atol=1e-9)
    assert np.allclose(file.forward(q)[1], table.forward(q)[1], atol=1e-9)


def test_an_mjcf_without_its_meshes_gives_the_arm_to_a_site(tmp_path):
    model = read_model(written(tmp_path, MJCF, "bench.xml"), "tip")
    k = model.kinematics
    assert k.name == "bench" and k.joint_names == ("j1", "j2") and model.others == ("finger", "joint_3")
    assert np.allclose(k.limits, [(-np.pi / 2, np.pi / 4), (0, 0.2)]) and np.allclose(k.rest, (0.3, 0.1))
    # At 0 the upper arm points along y, and what slides along its own y moves along −x; then the hinge turns it.
    q = np.array([0.3, 0.15])
    plain = np.array([-0.1 - q[1], 0.5])
    turned = [plain[0] * np.cos(q[0]) - plain[1] * np.sin(q[0]), plain[0] * np.sin(q[0]) + plain[1] * np.cos(q[0]), 1.0]
    assert np.allclose(k.forward(q)[0], turned, atol=1e-12)


def chain(*names, start="base"):
    links = [start, *names]
    return [joint(f"joint_{b}", a, b, xyz=(0, 0.1, 0.1), rpy=(0.3, 0, 0)) for a, b in pairwise(links)]


def fingers(parent, *names, kind="prismatic"):
    return [joint(name, parent, f"{name}_pad", kind, axis=(0, 1, 0), limit=(0.0, 0.04, 1.0)) for name in names]


@pytest.mark.parametrize(
    ("extra", "tool"),
    [
        ([], "c"),
        ([joint("f", "c", "tool0", "fixed"), joint("g", "c", "camera_link", "fixed")], "tool0"),
        ([joint("f", "c", "hand", "fixed"), *fingers("hand", "finger_1", "finger_2")], "hand"),
        ([joint("f", "c", "plate", "fixed"), *fingers("plate", "one", "two")], "plate"),
        ([joint("gripper", "c", "jaw")], "c"),
        ([joint("f", "c", "hand", "fixed"), joint("g", "hand", "hand_tcp", "fixed"), *fingers("hand", "fa", "fb")],
         "hand_tcp"),
        ([joint("f", "c", "wrist_plate", "fixed"), joint("g", "wrist_plate", "end", "fixed")], "end"),
    ],
)  # fmt: skip
def test_the_tool_is_the_end_of_the_arm_and_never_a_finger(tmp_path, extra, tool):
    model = read_model(written(tmp_path, urdf(*chain("a", "b", "c"), *extra)))
    assert model.tool == tool and model.kinematics.joint_names == ("joint_a", "joint_b", "joint_c")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("<robot name='x'><link name='a'>", "arm.urdf", "no XML"),
        ("<!DOCTYPE r [<!ENTITY a 'b'>]><robot name='x'/>", "arm.urdf", "entities"),
        ("<robot xmlns:xacro='http://x' name='x'><xacro:macro name='m'/></robot>", "arm.urdf", "xacro"),
        ("<robot name='x'/>", "arm.xacro", "xacro"),
        ("<html/>", "arm.xml", "an element <html>"),
        (urdf(joint("f", "a", "b", "fixed")), "arm.urdf", "no joint that moves"),
        (urdf(*chain("a"), joint("m", "a", "b", mimic='<mimic joint="gone"/>')), "arm.urdf", "mimics 'gone'"),
        (urdf(joint("j", "a", "b", "bogus")), "arm.urdf", "MuJoCo refuses"),
        ("<mujoco><worldbody><body name='b'><freejoint/><body name='c'><joint/></body></body></worldbody></mujoco>",
         "arm.xml", "which is free"),
        ("<mujoco><worldbody><body name='b'><joint type='ball'/></body></worldbody></mujoco>", "arm.xml", "is ball"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_message(tmp_path, text, name, expected):
    with pytest.raises(InputError, match=expected) as caught:
        Kinematics.of(written(tmp_path, text, name))
    assert name in str(caught.value)


def test_unknown_names_get_the_nearest_one(tmp_path):
    file = written(tmp_path, urdf(*chain("upper_arm", "wrist")))
    with pytest.raises(InputError, match="did you mean 'wrist'"):
        Kinematics.of(file, "writs")
    with pytest.raises(InputError, match="which no joint moves"):
        Kinematics.of(file, "base")
    with pytest.raises(InputError, match="did you mean 'panda'"):
        Kinematics.of("pandas")
    with pytest.raises(InputError, match="no such file"):
        Kinematics.of(tmp_path / "gone.urdf")
    with pytest.raises(InputError, match="built in"):
        Kinematics.of("panda", "tool0")


def test_a_profile_names_model_tool_base_and_turn_and_its_own_names_of_joints(tmp_path):
    written(tmp_path, urdf(*chain("a", "b", "c")))
    text = 'model = "arm.urdf"\ntool = "b"\nbase = [1, 2, 3, 0, 0, 1.5]\n'
    text += 'joints = [{{ name = "one", aliases = ["joint_a"] }}{}]'
    placed = Placement.of(written(tmp_path, text.format(', { name = "joint_b" }'), "mine.toml"))
    assert placed.kinematics.joint_names == ("one", "joint_b") and placed.kinematics.name == "mine"
    assert np.allclose(placed.base[:3, 3], (1, 2, 3)) and placed.base[1, 0] == pytest.approx(np.sin(1.5))
    assert np.array_equal(placed.tool, np.eye(4))
    with pytest.raises(InputError, match="six numbers"):
        profile(written(tmp_path, text.format("").replace("[1, 2, 3, 0, 0, 1.5]", "[1, 2, 3]"), "short.toml"))
    with pytest.raises(InputError, match="no model"):
        profile(written(tmp_path, 'tool = "b"\njoints = [{ name = "one" }]', "bare.toml"))
    with pytest.raises(InputError, match="no model"):
        Kinematics.of(written(tmp_path, 'joints = [{ name = "one" }]', "none.toml"))
