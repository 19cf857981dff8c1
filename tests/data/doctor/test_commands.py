"""`ate doctor`: the table, the exit codes, the exclude list and the JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.doctor import doctor
from ate.data import DataSet, excludes
from ate.errors import InputError
from tests.data.doctor.planted import DATA, Arrays, copy


def _short(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    if index == 4:
        for key, rows in arrays.items():
            arrays[key] = rows[:7]


def _nan(index: int, arrays: Arrays, attributes: dict[str, object]) -> None:
    if index == 2:
        arrays["qpos"][3, 0] = np.nan


@pytest.mark.slow
def test_clean_passes() -> None:
    result = CliRunner().invoke(doctor, [str(DATA / "place/adapt/ur5e")])
    assert result.exit_code == 0, result.output
    assert "PASS: 0 FAIL, 0 WARN" in result.output
    assert "50 episodes came in, 50 kept" in result.output


@pytest.mark.slow
def test_folder_of_robots_gives_one_report_each() -> None:
    result = CliRunner().invoke(doctor, [str(DATA / "place/adapt"), "--all"])
    assert result.output.count("PASS: 0 FAIL") == 2
    assert "shoulder_pan_joint" in result.output


@pytest.mark.slow
def test_failure_and_warning_have_their_exit_codes(tmp_path: Path) -> None:
    failing = CliRunner().invoke(doctor, [str(copy("lift/adapt/ur5e", tmp_path / "nan", _nan, 12))])
    assert failing.exit_code == 1
    assert "shoulder_pan_joint" in failing.output
    warned = CliRunner().invoke(doctor, [str(copy("lift/adapt/ur5e", tmp_path / "short", _short, 12))])
    assert warned.exit_code == 0
    assert "episode_0004" in warned.output


def test_bad_input_is_raised_for_the_caller(tmp_path: Path) -> None:
    result = CliRunner().invoke(doctor, [str(tmp_path / "nowhere")])
    # `ate.cli.main.main` prints it and exits with 2.
    assert isinstance(result.exception, InputError)


@pytest.mark.slow
def test_exclude_list_is_honoured(tmp_path: Path) -> None:
    path = copy("lift/adapt/ur5e", tmp_path / "set", _short, 12)
    out = tmp_path / "exclude.txt"
    CliRunner().invoke(doctor, [str(path), "--exclude-out", str(out)])
    names = excludes.read(out)
    assert "episode_0004" in names
    assert len(DataSet(str(path), exclude=tuple(names)).load()) == 12 - len(names)
    again = CliRunner().invoke(doctor, [str(path), "--exclude", str(out)])
    assert "PASS: 0 FAIL, 0 WARN" in again.output


def test_json_holds_what_the_table_shows(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    CliRunner().invoke(doctor, [str(copy("lift/adapt/ur5e", tmp_path / "set", _nan, 12)), "--json", str(out)])
    tree = json.loads(out.read_text())
    assert tree["level"] == "FAIL"
    failing = [(f["code"], f["check"], f["joint"]) for f in tree["findings"] if f["level"] == "FAIL"]
    assert failing == [("values.nan", "values", "shoulder_pan_joint")]
    assert tree["triage"][0]["oddness"] is None


def test_lines_fit_the_terminal() -> None:
    from ate.cli.doctor import findings_text
    from ate.data.doctor.finding import FAIL, Finding

    row = Finding(FAIL, "units.degrees", "a_joint" * 9, "word " * 60, "less", "do " * 80).row()
    text = findings_text([row], 90)
    assert all(len(line) <= 90 for line in text.split("\n"))
    assert text.count("word") == 60 and text.count("do ") + text.count("do\n") + text.endswith("do") == 80


def test_rows_that_differ_in_their_subject_alone_are_one_line() -> None:
    from ate.cli.doctor import findings_text
    from ate.data.doctor.finding import FAIL, Finding

    rows = [Finding(FAIL, "units.degrees", joint, "in degrees").row() for joint in ("elbow", "wrist")]
    _, line = findings_text(rows, 90).split("\n")
    assert line.split() == ["FAIL", "units", "elbow,", "wrist", "in", "degrees"]
