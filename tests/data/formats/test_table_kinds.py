"""Tables as controllers and people write them: columns that are no joints, many episodes in one, blanks for commas."""

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.convert import convert
from ate.cli.doctor import doctor
from ate.data import DataSet, load
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL
from ate.errors import InputError
from tests.conftest import write_episode

JOINTS = ("elbow_joint", "shoulder_lift_joint", "shoulder_pan_joint", "wrist_1_joint")


def rows(count=40, width=4, seed=0):
    """Smooth motions, `(count, width)` rad."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, count)[:, None]
    return rng.uniform(-1, 1, width) + rng.uniform(0.5, 1, width) * np.sin(2 * time + np.arange(width))


def table(file, header, columns, delimiter=","):
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, np.column_stack(columns), "%.6f", delimiter, header=delimiter.join(header), comments="")
    return file


def log(folder, files=3):
    """A log with velocities, efforts and commands, the commands in another order than the joints."""
    for number in range(files):
        q = rows(seed=number)
        header = ["time", *(f"q_{n}" for n in JOINTS), *(f"cmd_{n}" for n in reversed(JOINTS)),
                  *(f"qd_{n}" for n in JOINTS), *(f"effort_{n}" for n in JOINTS), "robot_mode"]  # fmt: skip
        columns = [np.arange(40) * 0.05, q, q[:, ::-1] + 0.01, np.gradient(q, 0.05, axis=0), 30 * q, np.full(40, 7.0)]
        table(folder / f"ep_{number}.csv", header, columns)
    return folder


def test_velocities_and_efforts_are_left_out_and_commands_pair_up(tmp_path):
    folder = log(tmp_path / "set")
    episodes = load(folder)
    assert {name.removeprefix("q_") for name in episodes.joint_names} == set(JOINTS)
    assert episodes[0].column_names("action") == episodes.joint_names
    np.testing.assert_allclose(episodes[0].read("action"), episodes[0].qpos + 0.01, atol=1e-5)
    left = episodes.ledger.entries[0].keys.ignored
    assert len(left) == 9 and "qd_elbow_joint (velocity)" in left and "effort_elbow_joint (force or current)" in left
    assert [f for f in examine(folder).findings if f.level == FAIL] == []


@pytest.mark.parametrize("command", ["doctor", "convert"])
def test_joints_by_pattern_in_doctor_and_convert(command, tmp_path):
    folder, runner = log(tmp_path / "set"), CliRunner()
    if command == "doctor":
        result = runner.invoke(doctor, [str(folder), "--joints", "q_wrist*,q_elbow*"])
        assert result.exit_code == 0 and "2 columns of qpos" in result.output
        return
    result = runner.invoke(convert, [str(folder), str(tmp_path / "out"), "--joints", "q_*"])
    assert result.exit_code == 0, result.output
    assert load(tmp_path / "out").dof == 4 and load(tmp_path / "out").has("action")


def test_a_column_named_in_joints_is_a_joint_whatever_its_name(tmp_path):
    table(tmp_path / "set" / "a.csv", ["load", "speed_axis", "c"], [rows(width=3)])
    assert load(tmp_path / "set").joint_names == ("c",)
    assert load(tmp_path / "set", joints=("speed_axis", "c")).joint_names == ("speed_axis", "c")


def test_a_table_without_joints_is_refused_and_its_way_out_leads_out(tmp_path):
    folder = table(tmp_path / "set" / "a.csv", ["qd_a", "qd_b"], [rows(width=2)]).parent
    with pytest.raises(InputError) as caught:
        load(folder)
    joints = caught.value.fix.rpartition("--joints ")[2].split(",")
    assert load(folder, joints=joints).dof == 2


def test_text_in_columns_that_nobody_reads(tmp_path):
    (tmp_path / "a.csv").write_text('phase,a,b,comment\nreach,1,2,"well, good"\nlift,3,4,\n')
    np.testing.assert_array_equal(load(tmp_path)[0].qpos, [[1, 2], [3, 4]])
    (tmp_path / "a.csv").write_text("phase,a,b\nreach,1,2\nlift,3\n")
    with pytest.raises(InputError, match="row 1: got 2 cells; expected 3"):
        load(tmp_path)[0].read("qpos")


def stacked(folder, column, values):
    """Three episodes of 30, 40 and 20 rows in one table."""
    lengths = (30, 40, 20)
    parts = [rows(n, 3, seed) for seed, n in enumerate(lengths)]
    number = np.concatenate([np.asarray(values(i, n), float) for i, n in enumerate(lengths)])
    table(folder / "all.csv", [column, "time", "a", "b", "c"], [number, np.arange(90) * 0.05, np.concatenate(parts)])
    return folder, parts


@pytest.mark.parametrize(
    ("column", "values", "names"),
    [
        ("episode", lambda i, n: [i] * n, [0, 1, 2]),
        ("episode_index", lambda i, n: [i + 7] * n, [7, 8, 9]),
        ("traj_id", lambda i, n: [i] * n, [0, 1, 2]),
        ("demo", lambda i, n: [i + 1] * n, [1, 2, 3]),
        ("done", lambda i, n: [0] * (n - 1) + [1], [0, 1, 2]),
        ("step", lambda i, n: range(n), [0, 1, 2]),
        ("frame_index", lambda i, n: range(1, n + 1), [0, 1, 2]),
    ],
)
def test_one_table_of_many_episodes(column, values, names, tmp_path):
    folder, parts = stacked(tmp_path / "set", column, values)
    episodes = load(folder)
    assert [item.name for item in episodes] == [f"episode_{i:06d}" for i in names]
    assert episodes.joint_names == ("a", "b", "c") and episodes.rate_hz == 20.0
    for item, part in zip(episodes, parts, strict=True):
        np.testing.assert_allclose(item.qpos, part, atol=1e-5)
    np.testing.assert_allclose(episodes[1].read("qpos", 3, 9), parts[1][3:9], atol=1e-5)
    assert len(load(folder, exclude=[episodes[1].name])) == 2


def test_episodes_named_in_words_and_rows_that_lie_apart(tmp_path):
    (tmp_path / "a.csv").write_text("demo,a\nopen,1\nopen,2\nclose,3\nclose,4\n")
    assert [item.name for item in load(tmp_path)] == ["open", "close"]
    (tmp_path / "a.csv").write_text("demo,a\nopen,1\nclose,2\nopen,3\n")
    (broken,) = DataSet(str(tmp_path)).survey().broken
    assert "again from 2 on" in broken.error.got and "sort the rows" in broken.error.fix


def test_one_number_for_a_whole_table_keeps_the_name_of_the_file(tmp_path):
    for number in range(2):
        table(tmp_path / f"take_{number}.csv", ["episode", "a"], [np.full(9, number), rows(9, 1)])
    assert [item.name for item in load(tmp_path)] == ["take_0", "take_1"]


@pytest.mark.parametrize("gap", [" ", "   "])
@pytest.mark.parametrize("mark", ["", "# "])
def test_cells_parted_by_blanks(gap, mark, tmp_path):
    values = rows(20, 3)
    header = gap.join(["timestamp", "actual_q_0", "actual_q_1", "actual_q_2", "target_q_0", "target_q_1", "target_q_2"])
    columns = np.column_stack([1e5 + np.arange(20) * 0.05, values, values + 0.1])
    np.savetxt(tmp_path / "a.csv", columns, "%.6f", gap, header=header, comments=mark)
    episodes = load(tmp_path)
    np.testing.assert_allclose(episodes[0].qpos, values, atol=1e-5)
    np.testing.assert_allclose(episodes[0].read("action"), values + 0.1, atol=1e-5)
    assert episodes.rate_hz == 20.0


def test_blanks_around_commas_part_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("left a, right b\n1, 2\n3, 4\n")
    episodes = load(tmp_path)
    assert episodes.joint_names == ("left a", "right b")
    np.testing.assert_array_equal(episodes[0].qpos, [[1, 2], [3, 4]])


def test_other_layouts_name_columns_that_are_no_joints(tmp_path):
    """No advice to turn torques into radians, and a way out that leads out."""
    names = [*JOINTS, "effort_elbow_joint", "wrist_1_vel"]
    for number in range(3):
        values = np.column_stack([rows(40, 4, number), 30 * rows(40, 2, number)])
        write_episode(tmp_path / "set", number, values.astype(np.float32), joint_names=names, rate_hz=20.0)
    failed = [f for f in examine(tmp_path / "set").findings if f.level == FAIL]
    assert [f.code for f in failed] == ["names.no_joints"]
    joints = failed[0].fix.rpartition("--joints ")[2].split(",")
    report = examine(DataSet(str(tmp_path / "set"), joints=tuple(joints)))
    assert report.joint_names and set(report.joint_names) == set(JOINTS)
    assert [f for f in report.findings if f.level == FAIL] == []


def test_text_under_any_name_and_the_index_of_pandas(tmp_path):
    (tmp_path / "a.csv").write_text(",operator,a,b\n0,ann,1,2\n1,ann,3,4\n2,bob,5,6\n")
    episodes = load(tmp_path)
    assert episodes.joint_names == ("a", "b") and len(episodes) == 1
    assert episodes.ledger.entries[0].keys.ignored == ("index (number of a step)", "operator (text)")


def test_tables_of_plotjuggler_are_matched_with_the_profile(tmp_path):
    names = [f"/joint_states/{name}/{kind}" for name in JOINTS for kind in ("position", "velocity")]
    table(tmp_path / "set" / "a.csv", ["__time", *names], [np.arange(40) * 0.05, rows(width=8)])
    episodes = load(tmp_path / "set", robot="ur5e")
    assert episodes.joint_names == tuple(JOINTS[i] for i in (2, 1, 0, 3)) and episodes.ledger.layout == "ros"
