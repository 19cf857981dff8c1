"""Twelve planted faults in copies of shipped sets: each is named with the right joint or file and a fix, and the
clean copy shows no such finding."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ate.data.doctor import Report, examine
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from tests.data.doctor.planted import DATA, Arrays, copy, two_arms

UR5E = "lift/adapt/ur5e"
ARM = ["shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint"]
SHORT = (3, 17)


def degrees(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    arrays["qpos"][:, :6] *= 180 / np.pi
    arrays["action"][:, :6] *= 180 / np.pi


def one_in_degrees(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    arrays["qpos"][:, 2] *= 180 / np.pi
    arrays["action"][:, 2] *= 180 / np.pi


def per_cent(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    arrays["qpos"][:, 6] *= 100
    arrays["action"][:, 6] *= 100


def inverted(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    arrays["qpos"][:, 6] = 1 - arrays["qpos"][:, 6]
    arrays["action"][:, 6] = 1 - arrays["action"][:, 6]


def inverted_blindly(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    """Without phases and commands the columns alone cannot tell."""
    inverted(index, arrays, attributes)
    del arrays["phase"], arrays["action"]


def constant(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    arrays["qpos"][:, 3] = -1.25


def nan(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    if index == 5:
        arrays["qpos"][11, 4] = np.nan


def lagged(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    late = arrays["action"].copy()
    late[4:], late[:4] = arrays["action"][:-4], arrays["action"][0]
    arrays["action"] = late


def copied(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    arrays["action"] = arrays["qpos"].copy()


def swapped(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    for key in ("qpos", "action"):
        arrays[key] = np.concatenate([arrays[key][:, 7:], arrays[key][:, :7]], axis=1)


def doubled(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    if index == 9:
        for key, rows in arrays.items():
            arrays[key] = np.repeat(rows, 2, axis=0)


def short(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    if index in SHORT:
        for key, rows in arrays.items():
            arrays[key] = rows[:9]


def rates(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    if index in (2, 30):
        attributes["rate_hz"] = 10.0
        for key, rows in arrays.items():
            arrays[key] = rows[::2]


def hidden_rates(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    """The attribute goes on saying 20 Hz."""
    rates(index, arrays, attributes)
    attributes["rate_hz"] = 20.0


@dataclass(frozen=True)
class Planted:
    """A fault and what must be reported: the finding's code, its joints and its episodes."""

    fault: Callable[..., None]
    code: str
    joints: list[str] = field(default_factory=list)
    episodes: list[str] = field(default_factory=list)
    fix: str = ""
    fails: bool = True
    against: str = ""
    options: dict[str, Any] = field(default_factory=dict)


PLANTED = {
    "degrees": Planted(degrees, "units.degrees", joints=ARM, fix="π/180"),
    "one joint in degrees": Planted(one_in_degrees, "units.degrees", joints=["elbow_joint"], fix="π/180"),
    "gripper 0-100": Planted(per_cent, "gripper.percent", joints=["gripper"], fix="divide by 100"),
    # With phases (or commands beside measurements) the set tells by itself; without them only its pre-training set can.
    "inverted gripper, phases": Planted(inverted, "gripper.inverted", joints=["gripper"], fix="1 − gripper"),
    "inverted gripper, against": Planted(
        inverted_blindly, "gripper.inverted", joints=["gripper"], fix="1 − gripper", against="lift/pretrain"
    ),
    "inverted gripper, alone": Planted(
        inverted_blindly, "gripper.starts_closed", joints=["gripper"], fix="1 − gripper", fails=False
    ),
    "constant joint": Planted(constant, "constants.constant", joints=["wrist_1_joint"], fix="leave it out"),
    "NaN": Planted(nan, "values.nan", joints=["wrist_2_joint"], episodes=["episode_0005"], fix="exclude episode_0005"),
    "lagged action": Planted(lagged, "lag.backwards", fix="shift the action earlier"),
    "action = state": Planted(copied, "relation.copy", joints=ARM, fix="source qpos"),
    "duplicated frames": Planted(
        doubled, "duplicate_frames.repeated", episodes=["episode_0009"], fix="drop rows", fails=False
    ),
    "short episodes": Planted(
        short, "chunks.short_episodes", episodes=["episode_0003", "episode_0017"], fix="exclude them", fails=False
    ),
    "mixed rates": Planted(rates, "rates.mixed", episodes=["episode_0002", "episode_0030"], fix="resample"),
    "hidden mixed rates": Planted(
        hidden_rates, "rates.pace", episodes=["episode_0002", "episode_0030"], fix="resample", fails=False
    ),
}  # fmt: skip


def _wrong(report: Report, check: str) -> list[Finding]:
    return [finding for finding in report.of(check) if finding.level != PASS]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    path = copy(UR5E, tmp_path_factory.mktemp("clean"))
    return cache(lambda against: examine(path, against=DATA / against if against else None))


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.slow
def test_found(name: str, tmp_path: Path, clean: Callable[[str], Report]) -> None:
    planted = PLANTED[name]
    against = DATA / planted.against if planted.against else None
    report = examine(copy(UR5E, tmp_path / "set", planted.fault), against=against, **planted.options)
    found = [finding for finding in report.findings if finding.code == planted.code]
    assert found, [f for f in report.findings if f.level != PASS]
    assert all(finding.level == (FAIL if planted.fails else WARN) for finding in found)
    if planted.joints:
        assert sorted({finding.joint for finding in found}) == sorted(planted.joints)
    if planted.episodes:
        assert sorted({e for finding in found for e in finding.episodes}) == planted.episodes
    assert all(planted.fix in finding.fix for finding in found), [finding.fix for finding in found]
    assert not _wrong(clean(planted.against), found[0].check)


@pytest.mark.slow
def test_nan_names_row_and_file(tmp_path: Path) -> None:
    report = examine(copy(UR5E, tmp_path, nan))
    (finding,) = _wrong(report, "values")
    assert "row 11 " in finding.got
    assert "episode_0005.hdf5" in finding.got
    assert report.triage[0].episode == "episode_0005"
    assert "episode_0005" in report.exclude
    # The others are examined all the same.
    assert len(report.triage) == 40
    assert report.of("units")


@pytest.mark.slow
def test_lag_is_measured(tmp_path: Path) -> None:
    """The same shift on one joint alone names that joint."""

    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        moved = arrays["action"][:, 1].copy()
        arrays["action"][4:, 1], arrays["action"][:4, 1] = moved[:-4], moved[0]

    report = examine(copy(UR5E, tmp_path, fault))
    assert {finding.joint for finding in _wrong(report, "lag")} == {"shoulder_lift_joint"}


@pytest.mark.slow
def test_left_and_right_swapped(tmp_path: Path) -> None:
    """A swap is only seen against a set that is right: both arms are within their limits either way."""
    arms = ("lift/adapt/ur5e", "lift/pretrain/xarm6")
    clean = two_arms(tmp_path / "clean", *arms)
    wrong = two_arms(tmp_path / "wrong", *arms, fault=swapped)
    report = examine(wrong, against=clean)
    found = _wrong(report, "against order")
    named = {finding.joint for finding in found}
    assert {"left_shoulder_lift_joint", "right_joint2", "left_elbow_joint", "right_joint3"} <= named
    assert all(finding.level == FAIL and finding.code == "against_order.left_right" for finding in found)
    assert all("move the column" in finding.fix for finding in found)
    assert not _wrong(examine(two_arms(tmp_path / "again", *arms), against=clean), "against order")


@pytest.mark.slow
def test_sign_flip_between_sets(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        arrays["qpos"][:, 1] *= -1
        arrays["action"][:, 1] *= -1

    report = examine(copy(UR5E, tmp_path, fault), against=DATA / UR5E)
    found = _wrong(report, "against sign")
    assert [finding.joint for finding in found] == ["shoulder_lift_joint"]
    assert "negate shoulder_lift_joint" in found[0].fix


@pytest.mark.slow
def test_quaternion_sign_flip(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        if index == 7:
            arrays["ee_pose"][20:, 3:] *= -1

    found = _wrong(examine(copy(UR5E, tmp_path / "set", fault)), "quaternions")
    assert [finding.episodes for finding in found] == [("episode_0007",)]
    assert "row 20" in found[0].got
    assert "columns 3–6" in found[0].subject


@pytest.mark.slow
def test_raw_ticks(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        attributes["robot"] = "homemade"
        for key in ("qpos", "action"):
            arrays[key] = (arrays[key] / (2 * np.pi) * 4096 + 2048).round().astype(np.int32)

    found = _wrong(examine(copy(UR5E, tmp_path, fault)), "units")
    assert {finding.joint for finding in found} == set(ARM)
    assert all(finding.code == "units.ticks" and "4096" in finding.fix for finding in found)


@pytest.mark.parametrize("size", [1e305, 1e20])
@pytest.mark.slow
def test_absurd_magnitudes(size: float, tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        arrays["qpos"] = arrays["qpos"].astype(np.float64)
        if index == 2:
            arrays["qpos"][4, 0] = size

    found = _wrong(examine(copy(UR5E, tmp_path, fault)), "values")
    code = "values.huge"
    assert [(f.level, f.code, f.joint) for f in found] == [(FAIL, code, "shoulder_pan_joint")]
    assert found[0].episodes == ("episode_0002",)


@pytest.mark.slow
def test_copies_of_an_episode(tmp_path: Path) -> None:
    kept: Arrays = {}

    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        if index == 1:
            kept.update({key: rows.copy() for key, rows in arrays.items()})
        if index == 8:
            arrays.update(kept)

    found = _wrong(examine(copy(UR5E, tmp_path, fault)), "duplicate episodes")
    assert [(finding.code, finding.episodes) for finding in found] == [("duplicate_episodes.equal", ("episode_0008",))]


def test_mask_without_slot_50() -> None:
    from ate.robots import check_slot_mask

    odd = check_slot_mask([0, 1, 2, 3, 4, 5, 10, 51, 52, 53, 54, 55, 60])
    assert any(50 in oddity.slots and "left_arm_joint_0" in oddity.text for oddity in odd)
    whole = check_slot_mask([0, 1, 2, 3, 4, 5, 10, 50, 51, 52, 53, 54, 55, 60])
    assert not any(50 in oddity.slots for oddity in whole)


@pytest.mark.parametrize(("name", "joint"), [("place/adapt/gen3", 2), ("push/adapt/ur5e", 5)])
@pytest.mark.slow
def test_sign_of_a_joint_that_hardly_moves(name: str, joint: int, tmp_path: Path) -> None:
    """A joint near π that is negated is as well a full turn off: either is told, with the joint."""

    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        arrays["qpos"][:, joint] *= -1

    report = examine(copy(name, tmp_path, fault), against=DATA / name)
    assert [finding.joint for finding in _wrong(report, "against sign")] == [report.joint_names[joint]]


@pytest.mark.slow
def test_joint_frozen_in_every_episode(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        arrays["qpos"][:, 2] = arrays["qpos"][0, 2]

    (found,) = _wrong(examine(copy(UR5E, tmp_path, fault)), "constants")
    assert (found.level, found.code, found.joint) == (FAIL, "constants.frozen", "elbow_joint")


@pytest.mark.slow
def test_columns_swapped(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        for key in ("qpos", "action"):
            arrays[key][:, [3, 5]] = arrays[key][:, [5, 3]]

    found = _wrong(examine(copy(UR5E, tmp_path, fault), against=DATA / UR5E), "against order")
    assert {finding.joint for finding in found} == {"wrist_1_joint", "wrist_3_joint"}
