"""Findings of one cause are one row, and counts are counts of rows."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from ate.cli.doctor import doctor
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.doctor.grouping import CAUSES, grouped
from tests.data.doctor.planted import Arrays, copy


def degrees(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    for key in ("qpos", "action"):
        arrays[key][:, :7] *= 180 / np.pi


def test_seven_joints_in_degrees_are_one_row(tmp_path: Path) -> None:
    report = examine(copy("lift/pretrain/panda", tmp_path / "set", degrees, episodes=8))
    found = [f for f in report.findings if f.code == "units.degrees"]
    (one,) = [f for f in report.grouped if f.code == "units.degrees"]
    assert len(found) == 7 and one.got.startswith("7 joints in degrees: ")
    assert one.subject.split(", ") == [f.joint for f in found]
    assert "multiply each of them by π/180" in one.fix and "panda_joint1" not in one.fix
    counts, rows = report.counts(), report.rows(passed=True)
    assert {level: sum(row["level"] == level for row in rows) for level in counts} == counts and counts[FAIL] == 1


def test_command_and_json_count_the_rows_that_are_shown(tmp_path: Path) -> None:
    folder = copy("lift/pretrain/panda", tmp_path / "set", degrees, episodes=8)
    result = CliRunner().invoke(doctor, [str(folder), "--all", "--json", str(tmp_path / "r.json")])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    for level in (FAIL, WARN, PASS):
        shown = sum(line.startswith(f"{level} ") for line in lines)
        assert f"{shown} {level}" in lines[-3 if lines[-1] else -2] + result.output.partition("FAIL: ")[2]
    tree = json.loads((tmp_path / "r.json").read_text())
    assert tree["counts"][FAIL] == sum(row["level"] == FAIL for row in tree["rows"])
    assert len([f for f in tree["findings"] if f["code"] == "units.degrees"]) == 7


def finding(joint: str, code: str = "units.degrees", level: str = FAIL, **options: str) -> Finding:
    return Finding(
        level, code, joint, options.get("got", f"{joint}s range"), "radians", f"multiply {joint} by π/180", joint
    )


def test_other_causes_other_joints_and_single_findings_stay_apart() -> None:
    findings = [finding("a"), finding("b"), finding("c", "units.ticks"), finding("d", level=WARN)]
    assert [(f.level, f.code, f.subject) for f in grouped(findings)] == [
        (FAIL, "units.degrees", "a, b"), (FAIL, "units.ticks", "c"), (WARN, "units.degrees", "d"),
    ]  # fmt: skip
    assert grouped([finding("a")]) == [finding("a")]


def test_many_joints_are_counted_and_three_are_written_out() -> None:
    (one,) = grouped([finding(f"j{i}") for i in range(9)])
    assert (
        one.got.startswith("9 joints in degrees") and one.got.endswith("; and 6 more") and one.got.count("range") == 3
    )


def test_two_findings_of_one_joint_are_one_row_about_it() -> None:
    two = [finding("a", "motion.turns_apart", got="below"), finding("a", "motion.turns_apart", got="above")]
    (one,) = grouped(two)
    assert one.joint == "a" and "below" in one.got and "above" in one.got


def test_every_cause_is_a_code_that_the_doctor_has() -> None:
    source = "".join(file.read_text() for file in Path(grouped.__code__.co_filename).parent.glob("checks/*.py"))
    assert [code for code in CAUSES if f'"{code}"' not in source and f"{code.partition('.')[0]}." not in source] == []
