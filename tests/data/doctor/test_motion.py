"""Motion, stillness, relation and shapes: faults beyond the twelve, each with its joint or episode."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ate.data.doctor import Report, examine
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from tests.conftest import write_episode
from tests.data.doctor.planted import Arrays, copy

UR5E = "lift/adapt/ur5e"
Attributes = dict[str, object]


def wraps(index: int, arrays: Arrays, attributes: Attributes) -> None:
    turned = arrays["qpos"][:, 5] - np.median(arrays["qpos"][:, 5]) + np.pi
    arrays["qpos"][:, 5] = (turned + np.pi) % (2 * np.pi) - np.pi


def jumps(index: int, arrays: Arrays, attributes: Attributes) -> None:
    if index == 4:
        arrays["qpos"][12:14, 1] = 0.4


def clipped(index: int, arrays: Arrays, attributes: Attributes) -> None:
    for key in ("qpos", "action"):
        arrays[key][:, 2] = np.clip(arrays[key][:, 2], 2.0, 2.3)


def waits(index: int, arrays: Arrays, attributes: Attributes) -> None:
    noise = np.random.default_rng(index)
    for key, rows in arrays.items():
        start = np.repeat(rows[:1], 40, axis=0)
        if rows.dtype.kind == "f":
            start = start + noise.normal(size=start.shape).astype(rows.dtype) * 1e-5
        arrays[key] = np.concatenate([start, rows])


def other_order(index: int, arrays: Arrays, attributes: Attributes) -> None:
    if index == 3:
        attributes["joint_names"] = np.asarray(attributes["joint_names"])[[1, 0, 2, 3, 4, 5, 6]]


def crossed(index: int, arrays: Arrays, attributes: Attributes) -> None:
    arrays["action"] = arrays["action"][:, [1, 0, 2, 3, 4, 5, 6]]


def commands_in_degrees(index: int, arrays: Arrays, attributes: Attributes) -> None:
    arrays["action"][:, :6] *= 180 / np.pi


def commands_turned(index: int, arrays: Arrays, attributes: Attributes) -> None:
    arrays["action"][:, 1] *= -1


def deltas(index: int, arrays: Arrays, attributes: Attributes) -> None:
    arrays["action"] = np.diff(arrays["qpos"], axis=0, append=arrays["qpos"][-1:])


def offset(index: int, arrays: Arrays, attributes: Attributes) -> None:
    waits(index, arrays, attributes)
    arrays["action"][:, 1] += 0.2


def _wrong(report: Report, check: str) -> list[Finding]:
    return [finding for finding in report.of(check) if finding.level != PASS]


def _coded(report: Report, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


@pytest.mark.parametrize(
    ("fault", "code", "level", "joints", "numbers"),
    [
        (wraps, "motion.wraps", FAIL, {"wrist_3_joint"}, "2π"),
        (jumps, "motion.jumps", WARN, {"shoulder_lift_joint"}, "episode_0004 row"),
        (clipped, "motion.clipped", WARN, {"elbow_joint"}, "2 rad"),
        (waits, "stillness.idle", WARN, {""}, "40 steps (2.00 s)"),
        (other_order, "names.differ", FAIL, {""}, "shoulder_lift_joint for shoulder_pan_joint"),
        (crossed, "relation.swapped", FAIL, {"shoulder_pan_joint", "shoulder_lift_joint"}, "correlation"),
        (commands_turned, "relation.opposite", FAIL, {"shoulder_lift_joint"}, "correlation"),
    ],
)
@pytest.mark.slow
def test_named(
    fault: Callable[..., None], code: str, level: str, joints: set[str], numbers: str, tmp_path: Path
) -> None:
    found = _coded(examine(copy(UR5E, tmp_path, fault)), code)
    assert {(finding.joint, finding.level) for finding in found} == {(joint, level) for joint in joints}
    assert all(numbers in finding.got and finding.fix for finding in found), found


@pytest.mark.slow
def test_commands_in_another_unit(tmp_path: Path) -> None:
    found = _wrong(examine(copy(UR5E, tmp_path, commands_in_degrees)), "relation")
    assert len(found) >= 5
    assert all(finding.level == FAIL and finding.code == "relation.degrees" for finding in found)


@pytest.mark.slow
def test_deltas_are_no_targets(tmp_path: Path) -> None:
    found = _wrong(examine(copy(UR5E, tmp_path, deltas)), "relation")
    assert len(found) >= 5
    assert {finding.code for finding in found} == {"relation.delta"}


@pytest.mark.slow
def test_offset_at_rest(tmp_path: Path) -> None:
    found = _coded(examine(copy(UR5E, tmp_path, offset)), "relation.offset")
    assert "shoulder_lift_joint" in {finding.joint for finding in found}
    (lift,) = (finding for finding in found if finding.joint == "shoulder_lift_joint")
    assert "+0.2" in lift.got


@pytest.mark.parametrize("rows", [1, 2, 3, 30])
def test_tiny_sets_do_not_break_it(rows: int, tmp_path: Path) -> None:
    write_episode(tmp_path, 0, np.ones((rows, 3), np.float32), action=np.ones((rows, 3), np.float32))
    report = examine(tmp_path)
    assert len(report.triage) == 1
    assert {finding.joint for finding in _wrong(report, "constants")} == {"joint_0", "joint_1", "joint_2"}


def test_nothing_readable_is_still_a_report(tmp_path: Path) -> None:
    (tmp_path / "episode_0000.hdf5").write_bytes(b"")
    report = examine(tmp_path)
    assert report.level == FAIL
    assert report.triage[0].oddness == float("inf")


def test_nan_everywhere_is_told_joint_by_joint(tmp_path: Path) -> None:
    for index in range(8):
        write_episode(tmp_path, index, np.full((20, 3), np.nan, np.float32))
    assert [finding.subject for finding in _wrong(examine(tmp_path), "values")] == ["joint_0", "joint_1", "joint_2"]


def test_horizon_longer_than_every_episode(tmp_path: Path) -> None:
    (found,) = _wrong(examine(copy(UR5E, tmp_path, episodes=6), horizon=500), "chunks")
    assert (found.level, found.code) == (FAIL, "chunks.none")


def _only(index: int, fault: Callable[..., None]) -> Callable[..., None]:
    def apply(i: int, arrays: Arrays, attributes: Attributes) -> None:
        if i == index:
            fault(i, arrays, attributes)

    return apply


def _turned(index: int, arrays: Arrays, attributes: Attributes) -> None:
    for key in ("qpos", "action"):
        arrays[key][:, 1] *= -1


def _inverted(index: int, arrays: Arrays, attributes: Attributes) -> None:
    for key in ("qpos", "action"):
        arrays[key][:, 6] = 1 - arrays[key][:, 6]


def _half(index: int, arrays: Arrays, attributes: Attributes) -> None:
    for key, rows in arrays.items():
        arrays[key] = rows[:18]


def _degrees(index: int, arrays: Arrays, attributes: Attributes) -> None:
    for key in ("qpos", "action"):
        arrays[key][:, :6] *= 180 / np.pi


@pytest.mark.parametrize("fault", [_turned, _inverted, _half, _degrees])
@pytest.mark.slow
def test_one_odd_episode_heads_the_triage(fault: Callable[..., None], tmp_path: Path) -> None:
    report = examine(copy(UR5E, tmp_path, _only(6, fault)))
    assert report.triage[0].episode == "episode_0006"
    assert report.triage[0].reasons
    assert {name for f in report.findings if f.level != PASS for name in f.episodes} >= {"episode_0006"}


@pytest.mark.slow
def test_units_of_one_episode(tmp_path: Path) -> None:
    found = _wrong(examine(copy(UR5E, tmp_path, _only(6, _degrees))), "units")
    assert len(found) == 6
    assert all(f.episodes == ("episode_0006",) and f.code == "units.degrees" for f in found), found


@pytest.mark.slow
def test_copy_but_for_rounding(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: Attributes) -> None:
        arrays["action"] = arrays["qpos"].round(4)

    found = _wrong(examine(copy(UR5E, tmp_path, fault)), "relation")
    assert len(found) >= 5
    assert all(finding.level == FAIL and finding.code == "relation.copy" for finding in found)
