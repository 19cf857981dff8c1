from pathlib import Path

import numpy as np
import pytest

from ate.errors import InputError
from ate.robots import Joint, available, profile
from ate.robots.kinematic_table import ROBOTS
from ate.robots.profile import limits
from tests.conftest import REAL

BUILTIN = {*ROBOTS, "aloha", "realman_dual", "so101", "baxter", "gr1_arms"}


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    folder = tmp_path / "robots"
    folder.mkdir()
    monkeypatch.setenv("ATE_ROBOTS", str(folder))
    return folder


def write(folder: Path, *rows: str, name: str = "mine", top: str = "") -> Path:
    path = folder / f"{name}.toml"
    table = "".join(f"  {{ {row} }},\n" for row in rows)
    path.write_text(f"{top}\njoints = [\n{table}]\n", encoding="utf-8")
    return path


def test_every_robot_of_the_brief_is_built_in_and_says_where_its_numbers_are_from():
    assert set(available()) == BUILTIN
    for name in BUILTIN:
        robot = profile(name)
        assert robot.name == name and robot.title and len(robot.source) > 40


@pytest.mark.parametrize("name", sorted(ROBOTS))
def test_profiles_and_simulated_robots_have_the_same_columns_and_limits(name):
    robot, arm = profile(name), ROBOTS[name]
    assert robot.joint_names == arm.joint_names
    low, high = robot.limits
    np.testing.assert_array_equal(np.stack([low[:-1], high[:-1]], 1), arm.limits)
    assert (low[-1], high[-1]) == (0, 1)
    values = np.linspace(-1, 1, arm.dof)
    np.testing.assert_array_equal(robot.to_si(values), values)


def test_alohas_columns_are_left_six_and_gripper_then_right():
    joints = profile("aloha").required
    assert [(j.arm, j.part, j.index) for j in joints] == [
        (arm, part, i) for arm in ("left", "right") for part, n in (("arm", 6), ("gripper", 1)) for i in range(n)
    ]
    low, high = profile("aloha").limits
    np.testing.assert_allclose(np.degrees([low[1], high[1]]), [-106, 72], atol=1e-4)


def test_gr1_has_the_44_columns_of_its_layout():
    robot = profile("gr1_arms")
    joints = robot.match([f"motor_{i}" for i in range(44)])
    assert tuple(joint.name for joint in joints) == robot.joint_names
    assert (joints[0].name, joints[7].arm, joints[7].part) == ("left_shoulder_pitch", "left", "gripper")
    assert (joints[19].name, joints[22].name, joints[28].index, joints[34].index) == (
        "neck_0", "right_shoulder_pitch", 6, 5
    )  # fmt: skip
    assert joints[41].name == "waist_0" and joints[41].arm == "none" and joints[40].name == "right_leg_5"
    assert np.isnan(robot.limits[0]).all()


def test_names_and_aliases_match_whatever_their_case_and_unknown_ones_do_not():
    found = profile("panda").match(["ROBOT0_Joint1", "panda_joint7", "gripper0_finger_joint2", "elbow"])
    assert [joint and joint.name for joint in found] == ["panda_joint1", "panda_joint7", "panda_finger_joint2", None]
    low, high = limits(found)
    assert np.isnan(low[3]) and high[0] == pytest.approx(2.8973)


def test_fingers_become_openings_and_degrees_radians():
    panda = profile("panda")
    joints = panda.match(["panda_joint1", "gripper0_finger_joint1", "gripper0_finger_joint2", "camera"])
    si = panda.to_si(np.array([[0.5, 0.04, -0.04, 9], [0.5, 0.0, 0.01, 9]], dtype=np.float32), joints)
    assert si.dtype == np.float32
    np.testing.assert_allclose(si, [[0.5, 1, 1, 9], [0.5, 0, -0.25, 9]], atol=1e-6)
    so101 = profile("so101")
    assert so101.converts and not profile("aloha").converts
    np.testing.assert_allclose(so101.to_si(np.array([180.0, -90, 45, 0, 0, 25])),
                               [np.pi, -np.pi / 2, np.pi / 4, 0, 0, 0.25])  # fmt: skip


@pytest.mark.parametrize(
    ("joint", "recorded", "expected"),
    [
        (Joint("a", unit="deg", zero=90, sign=-1), 180.0, -np.pi / 2),
        (Joint("a", unit="ticks", ticks_per_turn=4096, zero=2048), 3072.0, np.pi / 2),
        (Joint("a", unit="mm"), 250.0, 0.25),
        (Joint("a", part="gripper", unit="percent", closed=100, open=0), 75.0, 0.25),
        (Joint("a", part="gripper", unit="ticks", closed=2000, open=3000), 2500.0, 0.5),
        (Joint("a", part="gripper", unit="percent"), 75.0, 0.75),
    ],
)
def test_each_declared_conversion(joint, recorded, expected):
    slope, offset = joint.affine
    assert slope * recorded + offset == pytest.approx(expected)


def test_values_of_another_width_or_kind_are_refused():
    for values in (np.zeros((3, 7)), np.array("text"), np.array(["a"] * 8), np.zeros(())):
        with pytest.raises(InputError, match="robot panda"):
            profile("panda").to_si(values)


def test_an_unknown_robot_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'panda'"):
        profile("pandas")
    with pytest.raises(InputError, match="known name"):
        profile("../panda")


def test_a_users_own_profile_is_found_by_name_and_by_path(own):
    path = write(own, 'name = "a", unit = "deg", low = -1, high = 1', 'name = "grip", part = "gripper"')
    assert available()["mine"] == path
    robot = profile("mine")
    assert robot == profile(path) == profile(str(path))
    assert (robot.name, robot.joint_names, robot.rate_hz) == ("mine", ("a", "grip"), None)
    assert robot.joints[1].unit == "fraction" and robot.joints[1].high == 1


def test_a_users_own_profile_stands_in_for_one_that_is_built_in(own):
    write(own, 'name = "only"', name="panda")
    assert profile("panda").joint_names == ("only",)


def test_indices_are_counted_within_each_part_unless_given(own):
    rows = ['name = "r0"', 'name = "l0", arm = "left"', 'name = "r1"', 'name = "l5", arm = "left", index = 5',
            'name = "x", part = "base"']  # fmt: skip
    assert [(j.arm, j.index) for j in profile(write(own, *rows)).joints] == [
        ("right", 0), ("left", 0), ("right", 1), ("left", 5), ("none", 0)
    ]  # fmt: skip


BAD = {
    "field": ('name = "a", limts = 1', "did you mean 'limits'|valid names"),
    "unit": ('name = "a", unit = "degs"', "did you mean 'deg'"),
    "arm": ('name = "a", arm = "rigth"', "did you mean 'right'"),
    "part": ('name = "a", part = "grippers"', "did you mean 'gripper'"),
    "number": ('name = "a", low = "x"', "number"),
    "nan": ('name = "a", low = nan', "nan.*number"),
    "inf": ('name = "a", high = inf', "inf.*number"),
    "truth": ('name = "a", zero = true', "number"),
    "long": (f'name = "a", zero = {"9" * 400}', "number"),
    "limits": ('name = "a", low = 1, high = -1', "low below high"),
    "sign": ('name = "a", sign = 2', "1 or -1"),
    "index": ('name = "a", index = -1', "whole number from 0"),
    "fractional index": ('name = "a", index = 1.5', "whole number from 0"),
    "ticks": ('name = "a", unit = "ticks"', "ticks make a turn"),
    "turn": ('name = "a", unit = "ticks", ticks_per_turn = 0', "above 0"),
    "stray turn": ('name = "a", ticks_per_turn = 4096', "unit = 'ticks'"),
    "half a gripper": ('name = "a", part = "gripper", closed = 1', "two different numbers"),
    "stuck gripper": ('name = "a", part = "gripper", closed = 1, open = 1', "two different numbers"),
    "arm that closes": ('name = "a", closed = 1, open = 0', "grippers only"),
    "twice shifted": ('name = "a", part = "gripper", closed = 1, open = 0, sign = -1', "joint 'a', zero, sign: "),
    "arm nowhere": ('name = "a", arm = "none"', "'right' or 'left'"),
    "optional": ('name = "a", optional = 1', "true or false"),
    "aliases": ('name = "a", aliases = "b"', "list of names"),
    "own alias": ('name = "a", aliases = ["B", "b"]', "'b' twice"),
    "no name": ("index = 0", "name of the column"),
    "blank name": ('name = " "', "a name"),
}


@pytest.mark.parametrize("case", BAD)
def test_every_bad_value_is_one_message_that_names_file_and_joint(own, case):
    row, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        profile(write(own, row))
    assert "mine.toml" in str(caught.value)
    assert "joint 'a'" in str(caught.value) or case in ("no name", "blank name", "own alias")


def test_two_joints_in_one_place_and_profiles_without_joints_are_refused(own):
    with pytest.raises(InputError, match="index 0 twice in right arm"):
        profile(write(own, 'name = "a"', 'name = "b", index = 0'))
    with pytest.raises(InputError, match="at least one joint"):
        profile(write(own, 'name = "a", optional = true'))
    for text in ("", "joints = 3", "joints = []", "joints = [1]"):
        (own / "none.toml").write_text(text)
        with pytest.raises(InputError, match=r"none\.toml, joints"):
            profile("none")


def test_files_that_are_no_profiles_are_refused(own):
    for number, data in enumerate((b"\xff\xfe\x00", b"[" * 100_000, b"a = ", b"x = " + b"9" * 5000, b"#" * 2_000_000)):
        path = own / f"bad{number}.toml"
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"bad{number}"):
            profile(path)
    with pytest.raises(InputError, match="no such file"):
        profile(own / "absent.toml")
    (own / "folder.toml").mkdir()
    with pytest.raises(InputError, match="no such file"):
        profile("folder")


def test_the_top_level_is_checked_too(own):
    with pytest.raises(InputError, match="did you mean 'rate_hz'"):
        profile(write(own, 'name = "a"', top="rate = 3"))
    with pytest.raises(InputError, match=r"rate_hz.*above 0"):
        profile(write(own, 'name = "a"', top="rate_hz = 0"))
    with pytest.raises(InputError, match=r"title.*text"):
        profile(write(own, 'name = "a"', top="title = 1"))


def test_recorded_teleoperation_lies_within_the_limits_of_its_profile():
    import h5py

    for folder, name in (("robosuite_sawyer", "sawyer"), ("robosuite_baxter", "baxter"), ("robosuite_panda", "panda")):
        robot = profile(name)
        for path in sorted((REAL / folder / "hdf5").glob("*.hdf5")):
            with h5py.File(path) as file:
                names, qpos = [str(item) for item in np.asarray(file.attrs["joint_names"]).ravel()], file["qpos"][:]
            names = names[0].split(",") if len(names) == 1 else names
            joints = robot.match(names)
            assert None not in joints, path
            low, high = limits(joints)
            si = robot.to_si(qpos, joints)
            # Simulated joints give way a little at their stops.
            assert not (si.min(0) < low - 0.02).any() and not (si.max(0) > high + 0.02).any(), path
