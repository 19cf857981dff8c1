"""Units: converted once when a set is loaded, where file or profile declares them, and judged as converted."""

import json
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.main import cli
from ate.data import load, spaces
from ate.data.convert import convert
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, WARN
from ate.data.doctor.report import Report
from ate.data.loading import DataSet
from ate.data.passport import Passport
from ate.data.placements import placement
from ate.errors import InputError
from ate.robots.profile import BUILTIN, profile
from tests.data.doctor.planted import Fault, copy

SO101 = [
    f"{name}.pos" for name in ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
]
ARM = slice(0, 5)
PANDA, UR5E = "lift/pretrain/panda", "lift/adapt/ur5e"
COUNTS = {"shoulder_pan": (758, 3292), "shoulder_lift": (800, 3200), "elbow_flex": (900, 3100),
          "wrist_flex": (700, 3300), "wrist_roll": (0, 4095), "gripper": (2000, 3400)}  # fmt: skip
TURN = 2 * np.pi / 4095


def so101(folder: Path, unit: str = "deg", **attributes: object) -> Path:
    """Motions of an SO-101 in `rad`, `deg` or LeRobot's `range`, as its recorder names them."""
    half = np.array([(high - low) / 2 * TURN for low, high in list(COUNTS.values())[:5]])

    def fault(_: int, arrays: dict[str, np.ndarray], said: dict[str, object]) -> None:
        for name in ("qpos", "action"):
            rows = arrays[name][:, [0, 1, 2, 3, 4, 7]]
            rows[:, ARM] = np.clip(0.5 * rows[:, ARM], -1.5, 1.5)
            if unit == "deg":
                rows = rows * [*[180 / np.pi] * 5, 100]
            elif unit == "range":
                # As LeRobot: what leaves the calibrated range is cut.
                rows = np.clip(rows * [*(160 / half), 100], -100, 100)
            arrays[name] = rows.astype(np.float32)
        arrays.pop("ee_pose", None), arrays.pop("state", None)
        for name in ("units", "state_names"):
            said.pop(name, None)
        said |= {"robot": "so101_follower", "joint_names": SO101, **attributes}

    return copy(PANDA, folder, fault, episodes=12)


def calibration(file: Path, turned: str = "") -> Path:
    motors = {
        name: {"id": i, "drive_mode": int(name == turned), "homing_offset": 5, "range_min": low, "range_max": high}
        for i, (name, (low, high)) in enumerate(COUNTS.items())
    }
    file.write_text(json.dumps(motors))
    return file


def codes(report: Report, level: str = FAIL) -> set[str]:
    return {finding.code for finding in report.findings if finding.level == level}


def ate(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    return result.exit_code, result.output


def test_declared_degrees_are_radians_once_loaded(tmp_path):
    raw = load(so101(tmp_path / "deg"))
    known = load(tmp_path / "deg", robot="so101")
    for name in ("qpos", "action"):
        np.testing.assert_allclose(known[0].read(name)[:, ARM], np.radians(raw[0].read(name)[:, ARM]), rtol=1e-6)
        np.testing.assert_allclose(known[0].read(name)[:, 5], raw[0].read(name)[:, 5] / 100, rtol=1e-6)
    assert "profile so101" in known.conversion and any("from deg" in line for line in known.ledger.lines())
    assert not raw.conversion and known.digest != raw.digest
    # The passport of statistics knows it; one without a conversion has the hash that it always had.
    mine, plain = (Passport.of(spaces([item])[0], 8) for item in (known, raw))
    assert mine.converted == known.conversion and "converted" not in plain.to_tree()
    assert spaces([known])[0].from_tree(spaces([known])[0].to_tree()).converted == known.conversion


@pytest.mark.parametrize("robot", ["so101", ""])
@pytest.mark.slow
def test_a_converted_set_is_judged_as_converted(tmp_path, robot):
    so101(tmp_path / "deg")
    assert ate("doctor", tmp_path / "deg", "--robot", "so101")[0] == 0
    before = examine(tmp_path / "deg", robot="so101")
    assert ate("convert", tmp_path / "deg", tmp_path / "out", "--robot", "so101")[0] == 0
    after = examine(tmp_path / "out", robot=robot)
    assert codes(after) == set() and codes(after, WARN) == codes(before, WARN)
    # Converting what is converted changes nothing, and neither does loading it with the profile.
    assert ate("convert", tmp_path / "out", tmp_path / "again", "--robot", "so101")[0] == 0
    for folder in ("out", "again"):
        copied = load(tmp_path / folder, robot="so101")
        np.testing.assert_array_equal(copied[0].qpos, load(tmp_path / "deg", robot="so101")[0].qpos)
        assert copied[0].attributes["units"] == "rad, fraction"


@pytest.mark.parametrize("layout", ["lerobot", "robomimic"])
def test_other_layouts_say_their_units_too(tmp_path, layout):
    known = load(so101(tmp_path / "deg"), robot="so101")
    convert(known, tmp_path / "out", layout=layout)
    again = load(tmp_path / "out", robot="so101" if layout == "lerobot" else "")
    assert not again.conversion and again[0].attributes["units"] == "rad, fraction"
    np.testing.assert_array_equal(again[0].qpos, known[0].qpos)


@pytest.mark.parametrize(("units", "robot"), [("rad", "so101"), ("rad, fraction", "so101"), ("", "")])
def test_what_says_radians_is_not_converted(tmp_path, units, robot):
    folder = so101(tmp_path / "rad", "rad", **({"units": units} if units else {}))
    assert not load(folder, robot=robot).conversion
    assert "units" not in {code.split(".")[0] for code in codes(examine(folder, robot=robot))}


def test_radians_that_a_profile_takes_for_degrees_fail(tmp_path):
    folder = so101(tmp_path / "rad", "rad")
    assert codes(examine(folder, robot="so101")) >= {"units.radians"}
    # The way out: the files say their unit.
    for file in folder.glob("*.hdf5"):
        with h5py.File(file, "a") as handle:
            handle.attrs["units"] = "rad"
    assert not codes(examine(folder, robot="so101"))


@pytest.mark.parametrize("units", ["deg", "degrees", ["deg"] * 6 + ["fraction"], "deg, fraction"])
def test_a_file_that_says_degrees_is_converted(tmp_path, units):
    def fault(_: int, arrays: dict[str, np.ndarray], said: dict[str, object]) -> None:
        for name in ("qpos", "action"):
            arrays[name][:, :6] *= np.float32(180 / np.pi)
        said["units"] = units

    folder, plain = copy(UR5E, tmp_path / "deg", fault, 8), load(copy(UR5E, tmp_path / "rad", episodes=8))
    episodes = load(folder)
    if "fraction" in units:
        # Openings named with the joints' unit are in their own unit already; the joints are not.
        assert episodes.conversion
    np.testing.assert_allclose(episodes[0].qpos, plain[0].qpos, rtol=1e-5, atol=1e-6)
    assert placement(episodes) and not codes(examine(folder))


@pytest.mark.parametrize("robot", ["", "so101"])
def test_per_cent_of_the_calibrated_range_is_never_taken_for_degrees(tmp_path, robot):
    folder = so101(tmp_path / "percent", "range")
    report = examine(folder, robot=robot)
    found = [finding for finding in report.findings if finding.code == "units.percent"]
    assert {finding.joint for finding in found} == set(SO101[:5]) and all(f.level == FAIL for f in found)
    assert "units.degrees" not in codes(report)


@pytest.mark.slow
def test_a_calibration_file_makes_radians_of_per_cent(tmp_path):
    folder = so101(tmp_path / "percent", "range")
    file = calibration(tmp_path / "follower.json", turned="elbow_flex")
    raw, known = load(folder)[0].qpos, load(folder, robot=str(file))[0].qpos
    for column, (low, high) in enumerate(list(COUNTS.values())[:5]):
        sense = -1 if column == 2 else 1
        expected = sense * raw[:, column] / 100 * (high - low) / 2 * TURN
        np.testing.assert_allclose(known[:, column], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(known[:, 5], raw[:, 5] / 100, rtol=1e-6)
    # Limits are the built-in arm's; the doctor has nothing to fail, nor has it after a conversion.
    assert profile(str(file)).joints[0].high == profile("so101").joints[0].high
    assert not codes(examine(folder, robot=str(file)))
    assert ate("convert", folder, tmp_path / "out", "--robot", file)[0] == 0
    assert ate("doctor", tmp_path / "out", "--robot", "so101")[0] == 0


def test_a_profile_may_give_the_range_itself(tmp_path):
    text = (BUILTIN / "so101.toml").read_text()
    for low in ("-1.91986", "-1.74533", "-1.69", "-1.65806", "-2.79253"):
        text = text.replace(f'"deg", low = {low}', f'"range", at_minus_100 = -2.0, at_100 = 1.0, low = {low}')
    (tmp_path / "mine.toml").write_text(text)
    folder = so101(tmp_path / "percent", "range")
    known, raw = load(folder, robot=str(tmp_path / "mine.toml"))[0].qpos, load(folder)[0].qpos
    np.testing.assert_allclose(known[:, ARM], 1.5 * raw[:, ARM] / 100 - 0.5, rtol=1e-5, atol=1e-6)
    (tmp_path / "half.toml").write_text(text.replace("at_minus_100 = -2.0, ", ""))
    with pytest.raises(InputError, match="at_minus_100, at_100"):
        profile(str(tmp_path / "half.toml"))


@pytest.mark.parametrize("change", [{"range_min": 5000}, {"range_max": "x"}])
def test_a_broken_calibration_is_refused_by_motor(tmp_path, change: Mapping[str, object]):
    tree = json.loads(calibration(tmp_path / "follower.json").read_text())
    tree["elbow_flex"] |= change
    (tmp_path / "follower.json").write_text(json.dumps(tree))
    with pytest.raises(InputError, match="motor elbow_flex"):
        profile(str(tmp_path / "follower.json"))


def test_declared_ticks_are_converted(tmp_path):
    lines = [f'{{name = "j{i}", unit = "ticks", ticks_per_turn = 4096, zero = 2048, low = -3.0, high = 3.0}}'
             for i in range(6)]  # fmt: skip
    lines.append('{name = "gripper", part = "gripper"}')
    (tmp_path / "servos.toml").write_text(f"name = 'servos'\njoints = [{', '.join(lines)}]")

    def fault(_: int, arrays: dict[str, np.ndarray], said: dict[str, object]) -> None:
        for name in ("qpos", "action"):
            turned = np.clip(arrays[name][:, :6], -3, 3)
            arrays[name] = np.column_stack([np.round(turned / (2 * np.pi) * 4096 + 2048), arrays[name][:, 6]])
        said |= {"robot": "servos", "joint_names": [*(f"j{i}" for i in range(6)), "gripper"]}
        said.pop("units")

    folder = copy(UR5E, tmp_path / "ticks", fault, 8)
    assert "units.ticks" in codes(examine(folder))
    report = examine(folder, robot=str(tmp_path / "servos.toml"))
    assert "units" not in {code.split(".")[0] for code in codes(report)}
    assert np.abs(load(folder, robot=str(tmp_path / "servos.toml"))[0].qpos).max() <= 3.001


def _commanded(opens: int) -> Fault:
    def fault(_: int, arrays: dict[str, np.ndarray], said: dict[str, object]) -> None:
        arrays["action"][:, -1] = opens * (2 * arrays["action"][:, -1] - 1)
        said.pop("units")

    return fault


@pytest.mark.parametrize("opens", [-1, 1], ids=["+1 closes", "+1 opens"])
@pytest.mark.slow
def test_a_gripper_commanded_both_ways_is_named_and_declared(tmp_path, opens):
    folder = copy(PANDA, tmp_path / "set", _commanded(opens), 12)
    measured, commanded = (examine(folder if s == "qpos" else _source(folder)) for s in ("qpos", "action"))
    assert codes(measured) == set() and codes(measured, WARN) == {"gripper.command"}
    assert codes(commanded) == {"gripper.command"}
    # The way out that both name.
    text = (BUILTIN / "panda.toml").read_text()
    ends = f"command_closed = {-opens}, command_open = {opens}"
    assert all(ends in f.fix for report in (measured, commanded) for f in report.of("gripper") if f.fix)
    text = text.replace('unit = "fraction", closed', f'unit = "fraction", {ends}, closed')
    (tmp_path / "mine.toml").write_text(text)
    mine = str(tmp_path / "mine.toml")
    assert not codes(examine(_source(folder), robot=mine)) and not codes(examine(folder, robot=mine), WARN)
    plain = load(copy(PANDA, tmp_path / "plain", episodes=1))[0]
    known = load(folder, robot=mine)[0]
    np.testing.assert_allclose(known.read("action"), plain.read("action"), atol=1e-6)
    np.testing.assert_array_equal(known.qpos, plain.qpos)
    convert(load(folder, robot=mine), tmp_path / "out")
    assert not codes(examine(_source(tmp_path / "out"))) and not codes(examine(tmp_path / "out"), WARN)


def test_a_column_without_a_name_is_known_by_its_commands(tmp_path):
    commands = _commanded(-1)

    def fault(number: int, arrays: dict[str, np.ndarray], said: dict[str, object]) -> None:
        commands(number, arrays, said)
        arrays["action"][:, -1] = np.where(arrays["action"][:, -1] > 0, 1, -1)
        said.pop("joint_names"), said.update(robot="unknown")

    folder = copy(PANDA, tmp_path / "set", fault, 12)
    found = [f for f in examine(folder).findings if f.level != "PASS" and f.code.startswith(("gripper", "relation"))]
    assert [(f.code, f.joint) for f in found] == [("gripper.command", "joint_7")]


def test_a_gripper_measured_both_ways_fails(tmp_path):
    def fault(_: int, arrays: dict[str, np.ndarray], __: dict[str, object]) -> None:
        arrays["qpos"][:, -1] = np.where(arrays["qpos"][:, -1] > 0.7, -1, 1)

    assert "gripper.command" in codes(examine(copy(PANDA, tmp_path / "set", fault, 12)))


def _source(folder: Path) -> DataSet:
    return DataSet(str(folder), "action")
