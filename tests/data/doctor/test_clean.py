"""The shipped sets are clean: nothing fails, alone and against their pre-training sets."""

import pytest

from ate.data import DataSet
from ate.data.doctor import examine, examine_sets
from ate.data.doctor.finding import FAIL, PASS
from tests.data.doctor.planted import DATA

TASKS = ("lift", "push", "place")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("role", ["pretrain", "adapt"])
def test_nothing_fails(task: str, role: str) -> None:
    for report in examine_sets(DATA / task / role):
        assert [f for f in report.findings if f.level == FAIL] == []
        # One jerky episode among 1,800 is worth a look; nothing else is.
        assert {f.check for f in report.findings if f.level != PASS} <= {"outliers"}
        assert report.exclude == {}
        assert len(report.triage) == len(report.ledger.entries)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_nothing_fails_against_pretraining(task: str) -> None:
    for report in examine_sets(DATA / task / "adapt", against=DATA / task / "pretrain"):
        assert [f for f in report.findings if f.level == FAIL] == []
        assert report.of("against range")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.slow
def test_nothing_fails_in_commands(task: str) -> None:
    """Commands stand still where measurements do not: worth a warning at most."""
    report = examine(DataSet(str(DATA / task / "adapt/ur5e"), source="action"))
    assert [f for f in report.findings if f.level == FAIL] == []
    assert [f.joint for f in report.of("constants") if "wrist_2" in f.joint and f.level != PASS]


@pytest.mark.slow
def test_every_joint_is_told() -> None:
    report = examine(DATA / "lift/adapt/ur5e")
    for check in ("values", "constants", "relation"):
        assert {finding.joint for finding in report.of(check)} == set(report.joint_names)
    assert {finding.joint for finding in report.of("units")} == set(report.joint_names) - {"gripper"}
    assert [finding.joint for finding in report.of("gripper")] == ["gripper"]
