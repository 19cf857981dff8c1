"""Columns by name: ROS order and usual order are one set, in slots, alignment and policy, to the bit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import ate.align
from ate.align import AlignConfig
from ate.data import Episodes, load
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL
from ate.data.space import spaces
from ate.policies import build
from ate.robots import unify
from ate.steer import finetune
from tests.data.doctor.planted import DATA, Arrays, copy

# As controllers publish them in /joint_states.
UR5E = (2, 1, 0, 3, 4, 5, 6)
PANDA = (7, 1, 4, 3, 5, 6, 0, 2)
TINY = AlignConfig(
    chunk=8, latent=4, layers=3, heads=1, feedforward=8, pretrain_steps=4, adapt_steps=4, unit="steps", batch=8
)


def permuted(name: str, folder: Path, order: tuple[int, ...], episodes: int = 4, only: int = -1) -> Path:
    """A shipped set with its columns in another order; only one episode of it where `only` names its number."""

    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        if only in (-1, index):
            for key in ("qpos", "action"):
                arrays[key] = arrays[key][:, list(order)]
            attributes["joint_names"] = np.asarray(attributes["joint_names"])[list(order)]

    return copy(name, folder, fault, episodes)


@pytest.mark.parametrize(("name", "order"), [("lift/adapt/ur5e", UR5E), ("lift/pretrain/panda", PANDA)])
def test_ros_order_takes_the_same_slots_and_values(name: str, order: tuple[int, ...], tmp_path: Path) -> None:
    usual = load(copy(name, tmp_path / "usual", episodes=4))
    ros = load(permuted(name, tmp_path / "ros", order))
    a, b = spaces([usual, ros])
    assert dict(zip(a.joint_names, a.embodiment.slots, strict=True)) == dict(
        zip(b.joint_names, b.embodiment.slots, strict=True)
    )
    assert usual.digest == ros.digest
    np.testing.assert_array_equal(usual[0].read("action"), ros[0].read("action"))
    assert any("columns by name" in line for line in ros.ledger.lines())
    assert not usual.ledger.notes


@pytest.mark.slow
def test_alignment_and_policy_are_equal_to_the_bit(tmp_path: Path) -> None:
    pretrain = load(copy("lift/pretrain/panda", tmp_path / "panda", episodes=4))
    results = []
    for folder in (
        copy("lift/adapt/ur5e", tmp_path / "a", episodes=4),
        permuted("lift/adapt/ur5e", tmp_path / "b", UR5E),
    ):
        adapt = load(folder)
        alignment = ate.align.fit((pretrain,), adapt, preset=TINY)
        policy = build([pretrain], 8, seed=0, width=alignment.space.width, hidden=16)
        trained = finetune(policy, adapt, steps=3, batch=4).policy
        networks = (alignment.pretrain_vae, alignment.vae, trained)
        results.append([value for network in networks for value in network.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_one_episode_in_another_order_is_read_by_name(tmp_path: Path) -> None:
    usual = load(copy("lift/adapt/ur5e", tmp_path / "usual", episodes=4))
    mixed = permuted("lift/adapt/ur5e", tmp_path / "mixed", UR5E, only=2)
    assert load(mixed).digest == usual.digest
    assert [f for f in examine(mixed).findings if f.level == FAIL] == []


@dataclass(frozen=True)
class Recording:
    robot: str
    joint_names: tuple[str, ...]


def test_names_that_no_profile_knows_follow_the_first_set() -> None:
    one = Recording("a", ("base", "upper", "fore", "hand_roll", "gripper"))
    other = Recording("b", ("gripper", "fore", "extra", "BASE", "hand_roll", "upper"))
    a, b = unify([one, other])
    slots = dict(zip(other.joint_names, b.slots, strict=True))
    assert a.slots == (0, 1, 2, 3, 5)
    assert slots == {"gripper": 5, "fore": 2, "extra": 4, "BASE": 0, "hand_roll": 3, "upper": 1}


def test_numbers_for_names_keep_their_columns() -> None:
    gen3 = Recording("gen3", tuple(f"joint_{i}" for i in range(1, 8)))
    plain = Recording("plain", tuple(f"joint_{i}" for i in range(7)))
    assert [body.slots for body in unify([gen3, plain])] == [tuple(range(7))] * 2


def test_commands_in_another_order_than_joints_are_paired_by_name(tmp_path: Path) -> None:
    order = list(UR5E)

    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        arrays["action"] = arrays["action"][:, order]
        attributes["action_names"] = np.asarray(attributes["joint_names"])[order]

    usual = load(copy("lift/adapt/ur5e", tmp_path / "usual", episodes=2))
    other = load(copy("lift/adapt/ur5e", tmp_path / "other", fault, episodes=2))
    np.testing.assert_array_equal(usual[1].read("action"), other[1].read("action"))


def _ur5e(folder: Path) -> Path:
    return copy("lift/adapt/ur5e", folder, episodes=3)


def test_a_profile_that_knows_no_column_fails_and_its_way_out_leads_out(tmp_path: Path) -> None:
    folder = _ur5e(tmp_path / "set")
    (finding,) = examine(folder, robot="panda").of("names")
    assert (finding.level, finding.code) == (FAIL, "names.other_robot")
    assert "elbow_joint" in finding.got and "panda_joint1" in finding.expected
    robot = finding.fix.rpartition("--robot ")[2]
    assert robot == "ur5e" and not [f for f in examine(folder, robot=robot).findings if f.level == FAIL]


def test_two_columns_of_one_joint_fail(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        names = [name.decode() for name in np.asarray(attributes["joint_names"], "S")]
        attributes["joint_names"] = np.array(["elbow" if name == "wrist_1_joint" else name for name in names], "S")

    findings = examine(copy("lift/adapt/ur5e", tmp_path / "set", fault, episodes=3)).of("names")
    assert [(f.level, f.code) for f in findings] == [(FAIL, "names.doubled")]


def test_case_and_marks_of_positions_do_not_hide_a_joint(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        names = [name.decode() for name in np.asarray(attributes["joint_names"], "S")]
        attributes["joint_names"] = np.array([f"q_{name}".upper() for name in names], "S")

    report = examine(copy("lift/adapt/ur5e", tmp_path / "set", fault, episodes=3))
    assert report.notes["profile"] == "ur5e" and {f.level for f in report.of("names")} == {"PASS"}


@pytest.mark.slow
def test_shipped_sets_keep_their_slots() -> None:
    for folder in sorted((DATA / "lift").glob("*/*")):
        episodes: Episodes = load(folder)
        assert unify([episodes])[0].slots == tuple(range(episodes.dof)) and not episodes.ledger.notes


def test_files_that_name_another_robot_than_their_columns(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        attributes["robot"] = "panda"

    folder = copy("lift/adapt/ur5e", tmp_path / "set", fault, episodes=3)
    (finding,) = examine(folder).of("names")
    assert (finding.level, finding.code) == (FAIL, "names.other_robot") and "--robot ur5e" in finding.fix
    assert not [f for f in examine(folder, robot="ur5e").findings if f.level == FAIL]


def test_numbered_joints_are_no_other_robots(tmp_path: Path) -> None:
    def fault(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
        attributes["joint_names"] = np.array([f"joint_{i}.pos" for i in range(1, 8)] + ["gripper.pos"], "S")

    folder = copy("lift/pretrain/panda", tmp_path / "set", fault, episodes=3)
    assert {f.level for f in examine(folder).of("names")} == {"PASS"}
    assert [f.code for f in examine(folder, robot="panda").of("names")] == ["names.unknown"]
