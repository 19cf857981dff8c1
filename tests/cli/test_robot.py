"""`ate robot` and `ate identify`: what they print, and that nothing is overwritten."""

import pytest

from ate.cli.main import main
from ate.experiments.settings import SHIPPED
from ate.robots import profile
from ate.robots.kinematics import Kinematics
from tests.robots.arms import exported


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    out = capsys.readouterr()
    return stop.value.code, out.out + out.err


def test_a_robot_from_a_urdf_is_described_and_drawn(capsys, tmp_path):
    pytest.importorskip("mujoco")
    pytest.importorskip("plotly")
    file, drawing = tmp_path / "arm.urdf", tmp_path / "arm.html"
    file.write_text(exported("ur5e"))
    code, text = run(capsys, "robot", str(file), "--out", str(drawing))
    assert code == 0 and "Tool: tool0 (chosen; --tool names another)." in text and "elbow_joint" in text
    assert "Reach: the tool gets" in text and "plotly" in drawing.read_text()[:20_000].lower()
    code, text = run(capsys, "robot", str(file), "--out", str(drawing))
    assert code == 2 and "a new .html file" in text


def test_built_in_robots_and_profiles_without_kinematics_are_described(capsys):
    code, text = run(capsys, "robot", "gen3")
    assert code == 0 and "Resting posture" in text
    code, text = run(capsys, "robot", "aloha")
    assert code == 0 and "No kinematics" in text
    assert run(capsys, "robot", "ur5")[0] == 2


@pytest.mark.slow
def test_an_identified_robot_goes_where_a_robot_goes(capsys, tmp_path):
    out = tmp_path / "robot.json"
    data = str(SHIPPED / "lift" / "adapt" / "ur5e")
    code, text = run(capsys, "identify", data, "--episodes", "3", "--out", str(out))
    assert code == 0 and "6 joints from" in text and "left out of the fit" in text
    kinematics = Kinematics.of(out)
    assert kinematics.joint_names == Kinematics.of("ur5e").joint_names
    assert profile(out).joint_names == kinematics.joint_names
    code, text = run(capsys, "identify", data, "--out", str(out))
    assert code == 2 and "a new .json file" in text


def test_data_without_poses_are_refused(capsys, tmp_path):
    import h5py

    with h5py.File(tmp_path / "e.hdf5", "w") as file:
        file["qpos"] = [[0.0] * 7] * 30
    code, text = run(capsys, "identify", str(tmp_path))
    assert code == 2 and "no 'ee_pose'" in text
