import numpy as np
import pytest

from ate.data import DataSet, load
from ate.errors import InputError
from tests.data.formats.makers import NAMES, csv, truth


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_header_time_and_action(delimiter, tmp_path):
    episodes = load(csv(tmp_path / "set", delimiter=delimiter))
    assert episodes.joint_names == NAMES and episodes.rate_hz == 20.0
    assert episodes[0].attributes["action_names"] == NAMES


@pytest.mark.parametrize("end", ["\r\n", "\n", "\n\n\n", "", "\n  \n"])
def test_ends_of_lines_and_of_files(end, tmp_path):
    body = "\r\n" if end == "\r\n" else "\n"
    (tmp_path / "a.csv").write_bytes(("\ufeff" + body.join(["a,b", "1,2", "3,4"]) + end).encode())
    episode = load(tmp_path)[0]
    np.testing.assert_array_equal(episode.qpos, [[1, 2], [3, 4]])


def test_long_tables_are_read_in_windows(tmp_path):
    rows = np.arange(20_001 * 2).reshape(-1, 2)
    np.savetxt(tmp_path / "a.csv", rows, "%d", ",", header="a,b", comments="")
    episode = load(tmp_path)[0]
    assert len(episode) == 20_001
    for start, stop in ((0, 5), (4090, 4100), (4096, 8192), (8191, 8193), (19_990, 20_001), (0, 20_001)):
        np.testing.assert_array_equal(episode.read("qpos", start, stop), rows[start:stop])


def test_without_a_header_a_profile_names_the_columns(tmp_path):
    profile = tmp_path / "arm.toml"
    joints = ", ".join(f'{{ name = "{name}" }}' for name in NAMES)
    profile.write_text(f'name = "arm"\ntitle = "Arm"\nsource = "made up"\njoints = [{joints}]\n')
    folder = csv(tmp_path / "set", header=False)
    episodes = load(folder, robot=str(profile))
    assert episodes.joint_names == NAMES and episodes.robot == "arm"
    np.testing.assert_array_equal(episodes[0].qpos, next(truth(0)))
    with pytest.raises(InputError, match=r"without names.*name the robot"):
        load(folder)
    with pytest.raises(InputError, match=r"3 columns.*14, the joints of profile aloha"):
        load(folder, robot="aloha")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3,x\n", r"row 1, column 'b': got 'x'"),
        ("a,b\n1,2\n3\n", r"row 1: got 1 cells; expected 2"),
        ("a,b\n1,2\n\n3,4\n", r"row 1: got 0 cells"),
        ("a,b\n1,2,3\n", r"row 0: got 3 cells"),
        ("a;b\n1,5;2,5\n", r"row 0, column 'a': got '1,5'; expected a number with a decimal point"),
        ("a,b\n1,\n", r"row 0, column 'b': got ''"),
        ("a,b\n1,1e400\n", "NaN or infinite, the first at row 0, column 1"),
        ("a,b\n1,1e305\n", "beyond what float32 holds"),
    ],
)
def test_bad_cells_are_named(text, said, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        load(tmp_path)[0].read("qpos")


@pytest.mark.parametrize(
    "text", [b"", b"\n\n", b"a,b\n", b"a,a\n1,2\n", b"a,\n1,2\n", b"\0\0\0", b"\xff\xfea\0,\0", b"x" * 2**21]
)
def test_tables_without_names_or_rows_are_broken(text, tmp_path):
    (tmp_path / "a.csv").write_bytes(text)
    assert len(DataSet(str(tmp_path)).survey().broken) == 1
