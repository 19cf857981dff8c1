"""Frames of two sets: planted faults are named with the right fix, and shipped sets raise no alarm."""

import re
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ate.data import load, load_sets
from ate.data.doctor import examine
from ate.data.doctor.checks import frames
from ate.data.doctor.finding import FAIL, PASS, WARN
from ate.robots.frames import origin
from tests.data.doctor.planted import DATA, copy

TASKS = ("lift", "push", "place")


@cache
def pretrain(task):
    return tuple(SimpleNamespace(episodes=episodes) for episodes in load_sets(DATA / task / "pretrain"))


def found(episodes, task="lift"):
    return list(frames.check(SimpleNamespace(episodes=episodes, against=pretrain(task))))


def planted(tmp_path, name, change):
    """Poses (position, rotation) of a shipped set changed, recorded by a robot that nobody knows."""

    def fault(index, arrays, attributes):
        pose = arrays["ee_pose"]
        position, rotation = change(pose[:, :3], Rotation.from_quat(pose[:, 3:], scalar_first=True))
        arrays["ee_pose"] = np.concatenate([position, rotation.as_quat(scalar_first=True)], 1).astype(np.float32)
        attributes["robot"] = b"newcomer"

    return load(copy(name, tmp_path, fault, 25))


def numbers(text, option):
    return [float(x) for x in re.search(rf"{option} = \[([^\]]*)\]", text)[1].split(",")]


# Where both new robots stand; a newcomer's poses are taken as they are, so they get the base added.
BASE = np.array([-0.5, 0, 0])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("robot", ["ur5e", "gen3"])
@pytest.mark.slow
def test_shipped_sets_raise_no_alarm(task, robot):
    assert [f.level for f in found(load(DATA / task / "adapt" / robot), task)] == [PASS]
    # And neither do five demonstrations.
    few = load(DATA / task / "adapt" / robot).select([3, 11, 19, 27, 40])
    assert [f.level for f in found(few, task)] == [PASS]


@pytest.mark.parametrize("robot", ["ur5e", "gen3"])
@pytest.mark.parametrize("angles", [(0, np.pi / 2, 0), (-np.pi / 2, 0, 0), (np.pi, 0, 0), (0.3, np.pi / 2, 0.2)])
@pytest.mark.slow
def test_a_turned_tool_is_named_with_the_turn_that_mends_it(tmp_path, robot, angles):
    wrong = Rotation.from_euler("xyz", angles)
    episodes = planted(tmp_path, f"lift/adapt/{robot}", lambda p, r: (p + BASE, r * wrong))
    (finding,) = found(episodes)
    assert (finding.level, finding.code) == (FAIL, "frames.turned")
    off = np.degrees(np.arccos(wrong.as_matrix()[2, 2]))
    assert int(re.search(r"(\d+)°", finding.got)[1]) == pytest.approx(off, abs=3)
    # The tool with the proposed turn points down with its fingers along y again, or half a turn from there.
    mended = wrong.as_matrix() @ origin(numbers(finding.fix, "turn"))[:3, :3]
    assert mended[2, 2] > 0.99 and abs(mended[1, 1]) > 0.9


@pytest.mark.slow
def test_fingers_on_another_line_are_named(tmp_path):
    wrong = Rotation.from_euler("z", 90, degrees=True)
    (finding,) = found(planted(tmp_path, "lift/adapt/ur5e", lambda p, r: (p + BASE, r * wrong)))
    assert (finding.level, finding.code) == (WARN, "frames.fingers")
    assert abs(numbers(finding.fix, "turn")[5]) == pytest.approx(np.pi / 2, abs=0.2)


@pytest.mark.parametrize(("shift", "level"), [((0.08, 0, 0), WARN), ((0, 0, 0.12), WARN), ((0.5, 0, 0), FAIL)])
@pytest.mark.slow
def test_a_shifted_base_is_named_with_the_base_that_mends_it(tmp_path, shift, level):
    (finding,) = found(planted(tmp_path, "lift/adapt/gen3", lambda p, r: (p + BASE + np.array(shift), r)))
    assert (finding.level, finding.code) == (level, "frames.shifted")
    assert np.allclose(numbers(finding.fix, "base")[:3], -np.array(shift), atol=0.02)


@pytest.mark.slow
def test_an_inverted_gripper_is_named(tmp_path):
    def fault(index, arrays, attributes):
        for name in ("qpos", "action"):
            arrays[name][:, -1] = 1 - arrays[name][:, -1]

    report = examine(copy("lift/adapt/ur5e", tmp_path, fault), against=DATA / "lift/pretrain/panda")
    codes = [f.code for f in report.findings if f.level == FAIL]
    assert set(codes) == {"gripper.inverted"} and not [f for f in report.of("frames") if f.level != PASS]


def test_kinematics_stand_in_for_poses_and_unknown_robots_are_not_compared(tmp_path):
    def without(index, arrays, attributes):
        del arrays["ee_pose"]

    assert [f.level for f in found(load(copy("lift/adapt/ur5e", tmp_path / "known", without, 10)))] == [PASS]

    def unknown(index, arrays, attributes):
        without(index, arrays, attributes)
        attributes["robot"] = b"newcomer"

    (finding,) = found(load(copy("lift/adapt/ur5e", tmp_path / "unknown", unknown, 10)))
    assert finding.level == PASS and "not compared" in finding.got


@pytest.mark.slow
def test_a_profile_says_where_its_robot_stands_and_how_its_tool_points(tmp_path):
    pytest.importorskip("mujoco")
    from tests.robots.arms import exported

    (tmp_path / "arm.urdf").write_text(exported("ur5e"))
    names = [f'{{ name = "{n}" }}' for n in load(DATA / "lift/adapt/ur5e").joint_names[:-1]]
    gripper = '{ name = "gripper", part = "gripper" }'

    def profile(base):
        text = f'model = "arm.urdf"\ntool = "tool0"\nbase = {base}\njoints = [{", ".join([*names, gripper])}]\n'
        (tmp_path / "mine.toml").write_text(text)
        return str(tmp_path / "mine.toml")

    def without(index, arrays, attributes):
        del arrays["ee_pose"]
        attributes["robot"] = b"newcomer"

    folder = copy("lift/adapt/ur5e", tmp_path / "set", without, 10)
    right = load(folder, robot=profile([-0.5, 0, 0, 0, 0, 0]))
    assert [f.level for f in found(right)] == [PASS]
    wrong = load(folder, robot=profile([0.1, 0, 0, 0, 0, 0]))
    (finding,) = found(wrong)
    assert finding.code == "frames.shifted" and numbers(finding.fix, "base")[0] == pytest.approx(-0.5, abs=0.02)
