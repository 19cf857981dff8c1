"""Whole turns and rows of zeros: named with their rows, and nothing else that only follows from them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ate.data import DataSet
from ate.data.doctor import Report, examine
from ate.data.doctor.finding import FAIL, PASS
from tests.conftest import write_episode
from tests.data.doctor.planted import Arrays, copy

UR5E, PANDA = "lift/adapt/ur5e", "lift/pretrain/panda"
Attributes = dict[str, object]


def failed(report: Report) -> list[tuple[str, str]]:
    return sorted((f.code, f.joint) for f in report.findings if f.level == FAIL)


def warned(report: Report) -> list[tuple[str, str]]:
    return sorted((f.code, f.subject) for f in report.findings if f.level not in (FAIL, PASS))


def centred(turn: float, unit: float = 1.0, middle: float = np.pi) -> Callable[[int, Arrays, Attributes], None]:
    """The last wrist about `middle` and wrapped there, state and command."""

    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        shift = middle - np.median(arrays["qpos"][:, 5])
        for key in ("qpos", "action"):
            arrays[key][:, :6] *= unit
            turned = arrays[key][:, 5] + shift * unit
            arrays[key][:, 5] = (turned + turn / 2) % turn - turn / 2

    return fault


def test_wraps_in_radians_are_no_degrees_and_no_noise(tmp_path: Path) -> None:
    clean = examine(copy(UR5E, tmp_path / "clean", episodes=8))
    report = examine(copy(UR5E, tmp_path / "set", centred(2 * np.pi), episodes=8))
    assert failed(report) == [("motion.wraps", "wrist_3_joint")]
    assert warned(report) == warned(clean)


def test_wraps_without_a_profile_and_without_a_rate(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        centred(2 * np.pi)(index, arrays, attributes)
        attributes["robot"] = ""
        del attributes["rate_hz"]

    report = examine(copy(UR5E, tmp_path / "set", fault, episodes=8))
    assert failed(report) == [("motion.wraps", "wrist_3_joint")]


def test_wraps_in_degrees_are_degrees_too(tmp_path: Path) -> None:
    report = examine(copy(UR5E, tmp_path / "set", centred(360.0, 180 / np.pi), episodes=8))
    assert ("motion.wraps", "wrist_3_joint") in failed(report)
    assert ("units.degrees", "wrist_3_joint") in failed(report)


def test_wraps_at_a_full_turn(tmp_path: Path) -> None:
    """A controller that counts 0 … 2π."""

    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        shift = -np.median(arrays["qpos"][:, 5])
        for key in ("qpos", "action"):
            arrays[key][:, 5] = (arrays[key][:, 5] + shift) % (2 * np.pi)

    assert failed(examine(copy(UR5E, tmp_path / "set", fault, episodes=8))) == [("motion.wraps", "wrist_3_joint")]


def test_episodes_half_a_turn_apart_wrap_and_nothing_follows(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        shift = (0.0 if index % 2 == 0 else np.pi) - np.median(arrays["qpos"][:, 5])
        for key in ("qpos", "action"):
            arrays[key][:, 5] = (arrays[key][:, 5] + shift) % (2 * np.pi)

    report = examine(copy(UR5E, tmp_path / "set", fault, episodes=8))
    assert failed(report) == [("motion.wraps", "wrist_3_joint")]
    assert not [f.code for f in report.of("relation") if f.level != PASS]


def test_euler_angles_that_flip_are_a_pose_and_no_degrees(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
    for index in range(6):
        time = np.linspace(0, 1, 40)[:, None]
        rows = 0.3 * np.sin(time * 3 + np.arange(7)) + rng.normal(0, 0.002, (40, 7))
        rows[:, 3] = (np.pi + 0.02 * np.sin(40 * time[:, 0]) + np.pi) % (2 * np.pi) - np.pi
        rows[:, 6] = (time[:, 0] < 0.5).astype(float)
        write_episode(tmp_path / "set", index, rows.astype(np.float32), joint_names=names, rate_hz=20.0)
    report = examine(tmp_path / "set")
    assert failed(report) == [("motion.wraps", "roll")]
    (wraps,) = report.of("motion")[0:1]
    assert "6-D rotation" in wraps.fix
    assert [f.subject for f in report.findings if f.code == "names.pose"] == ["x, y, z, roll, pitch, yaw"]


def test_a_joint_a_whole_turn_outside_its_limits(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        for key in ("qpos", "action"):
            arrays[key][:, 2] += 2 * np.pi

    report = examine(copy(UR5E, tmp_path / "set", fault, episodes=8))
    assert failed(report) == [("units.turn", "elbow_joint")]
    assert "subtract 2π from elbow_joint" in report.of("units")[0].fix


def test_episodes_a_turn_apart(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        for key in ("qpos", "action"):
            arrays[key][:, 5] += 2 * np.pi * (index in (2, 5))

    report = examine(copy(UR5E, tmp_path / "set", fault, episodes=8))
    assert failed(report) == [("motion.turns_apart", "wrist_3_joint")]
    (finding,) = [f for f in report.findings if f.code == "motion.turns_apart"]
    assert finding.episodes == ("episode_0002", "episode_0005") and "subtract 2π" in finding.fix
    kept = examine(DataSet(str(tmp_path / "set"), exclude=finding.episodes))
    assert failed(kept) == []


def test_far_beyond_the_limits_fails(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        for key in ("qpos", "action"):
            arrays[key][:, 1] += 3.2

    report = examine(copy(PANDA, tmp_path / "set", fault, episodes=8))
    assert failed(report) == [("units.limits", "panda_joint2")]


def zero(series: tuple[str, ...], start: int, stop: int | None, width: int | None = None) -> Callable[..., None]:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        for key in series:
            arrays[key][start:stop, :width] = 0

    return fault


def repeated(rows: int) -> Callable[..., None]:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        for key, values in arrays.items():
            arrays[key] = np.concatenate([values, np.zeros((rows, *values.shape[1:]), values.dtype)])

    return fault


@pytest.mark.parametrize(
    ("fault", "code", "got"),
    [
        (zero(("action",), 0, 4), "values.zeros_head", "rows 0 to 3"),
        (zero(("qpos",), 9, 10), "values.zeros_middle", "row 9"),
        (zero(("qpos",), 9, 12), "values.zeros_middle", "rows 9 to 11"),
        (zero(("qpos",), 9, 10, 7), "values.zeros_middle", "row 9"),  # the gripper's packet came
        (zero(("action",), 12, 13), "values.zeros_middle", "row 12"),
        (zero(("qpos", "action"), -1, None), "values.zeros_tail", "the last 1 rows"),
        (repeated(12), "values.zeros_tail", "the last 12 rows of every one"),
    ],
)
@pytest.mark.parametrize("source", ["qpos", "action"])
@pytest.mark.slow
def test_rows_of_zeros(fault: Callable[..., None], code: str, got: str, source: str, tmp_path: Path) -> None:
    def planted(index: int, arrays: Arrays, attributes: Attributes) -> None:
        attributes["robot"] = ""
        for key in ("ee_pose", "state", "phase"):
            arrays.pop(key, None)
        fault(index, arrays, attributes)

    def bare(index: int, arrays: Arrays, attributes: Attributes) -> None:
        planted(index, {k: v.copy() for k, v in arrays.items()}, attributes)
        for key in ("ee_pose", "state", "phase"):
            arrays.pop(key, None)

    clean = examine(DataSet(str(copy(PANDA, tmp_path / "clean", bare, episodes=8)), source=source))
    report = examine(DataSet(str(copy(PANDA, tmp_path / "set", planted, episodes=8)), source=source))
    assert failed(report) == [(code, "")]
    (finding,) = [f for f in report.findings if f.code == code]
    assert finding.check == "values" and got in finding.got and len(finding.episodes) == 8
    assert warned(report) == warned(clean)


def test_few_episodes_are_left_out_by_name_and_then_nothing_fails(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        if index == 3:
            arrays["qpos"][5] = 0

    report = examine(copy(PANDA, tmp_path / "set", fault, episodes=8))
    assert list(report.exclude) == ["episode_0003"]
    assert failed(examine(DataSet(str(tmp_path / "set"), exclude=tuple(report.exclude)))) == []


def test_one_of_two_arms_falls_out(tmp_path: Path) -> None:
    from tests.data.doctor.planted import two_arms

    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        arrays["qpos"][7, :8] = 0

    report = examine(two_arms(tmp_path / "set", PANDA, PANDA, fault, episodes=6))
    (finding,) = [f for f in report.findings if f.code == "values.zeros_middle"]
    assert "left_panda_joint1" in finding.got and "right" not in finding.got


@pytest.mark.parametrize("kind", ["home", "deltas"])
def test_zeros_that_were_measured(kind: str, tmp_path: Path) -> None:
    """A robot that starts at home, and commands that are no motion while it waits."""
    rng = np.random.default_rng(1)
    for index in range(6):
        goal = rng.uniform(-1, 1, 6)
        time = np.clip(np.linspace(-0.2, 1, 60), 0, 1)[:, None]
        rows = goal * (3 * time**2 - 2 * time**3)
        action = np.diff(rows, axis=0, append=rows[-1:]) * 5 if kind == "deltas" else rows
        rows = rows + 0.5 if kind == "deltas" else rows
        write_episode(tmp_path / "set", index, rows.astype(np.float32), action=action.astype(np.float32), rate_hz=20.0)
    assert [f for f in examine(tmp_path / "set").of("values") if f.level != PASS] == []


@pytest.mark.parametrize("source", ["qpos", "action"])
@pytest.mark.slow
def test_commands_that_wrap_where_the_measurement_goes_on(source: str, tmp_path: Path) -> None:
    """Between −π and π, of a joint whose encoder counts on: one FAIL, and no finding that follows from it."""

    def shifted(index: int, arrays: Arrays, attributes: Attributes) -> None:
        attributes["robot"] = ""
        for name in ("qpos", "action"):
            arrays[name][:, 0] += np.float32(np.pi - np.median(arrays[name][:, 0]))

    def wrapping(index: int, arrays: Arrays, attributes: Attributes) -> None:
        shifted(index, arrays, attributes)
        arrays["action"][:, 0] = (arrays["action"][:, 0] + np.pi) % (2 * np.pi) - np.pi

    clean = examine(DataSet(str(copy(PANDA, tmp_path / "clean", shifted, episodes=8)), source=source))
    report = examine(DataSet(str(copy(PANDA, tmp_path / "set", wrapping, episodes=8)), source=source))
    code = "motion.action_wraps" if source == "qpos" else "motion.wraps"
    assert failed(clean) == [] and failed(report) == [(code, "panda_joint1")]
    assert warned(report) == warned(clean)
