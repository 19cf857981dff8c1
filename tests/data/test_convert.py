import os
import stat

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.convert import convert as command
from ate.data import load
from ate.data.convert import convert
from ate.errors import InputError
from ate.robots.profile import profile
from tests.conftest import write_episode
from tests.data.formats.makers import LENGTHS, all_sets, robomimic, truth
from tests.data.formats.recorded import WITHOUT_ACTION

SETS = pytest.mark.parametrize(("layout", "maker"), all_sets(), ids=lambda value: getattr(value, "__name__", value))


@SETS
def test_the_native_copy_has_the_same_values_names_and_rate(layout, maker, tmp_path):
    source = load(maker(tmp_path / "set"))
    ledger = convert(source, tmp_path / "out", root=tmp_path / "set")
    copy = load(tmp_path / "out")
    assert copy.ledger.layout == "native" and ledger.layout == layout
    assert [item.name for item in copy] == ["episode_0000", "episode_0001"]
    told = (source.robot, source.joint_names, source.rate_hz, source.task)
    assert (copy.robot, copy.joint_names, copy.rate_hz, copy.task) == told
    for number, item in enumerate(copy):
        for name, rows in zip(("qpos", "action"), truth(number), strict=True):
            if name in source[number].series or layout not in WITHOUT_ACTION:
                np.testing.assert_array_equal(item.read(name), rows)
                assert item.read(name).dtype == np.float32
        with h5py.File(item.path) as handle:
            assert handle["qpos"].dtype == np.float32 and "converted" not in handle.attrs
            assert handle.attrs["origin"] == f"{source[number].path}, episode {source[number].name}"


def test_a_profile_converts_what_it_declares_and_says_so(tmp_path):
    names = [*(f"panda_joint{i + 1}" for i in range(7)), "panda_finger_joint1"]
    qpos = np.full((4, 8), 0.5)
    qpos[:, 7] = [0.0, 0.01, 0.02, 0.04]
    write_episode(tmp_path / "set", 0, qpos, action=np.ones((4, 3)), joint_names=names)
    convert(load(tmp_path / "set"), tmp_path / "out", profile("panda"))
    item = load(tmp_path / "out")[0]
    # Fingers of 0 to 0.04 m become an opening of 0 to 1; joints in rad and an action that names none stay.
    np.testing.assert_allclose(item.qpos[:, 7], [0, 0.25, 0.5, 1], rtol=1e-6)
    np.testing.assert_array_equal(item.qpos[:, :7], 0.5)
    np.testing.assert_array_equal(item.read("action"), 1)
    with h5py.File(item.path) as handle:
        said = handle.attrs["converted"]
        assert "panda" in said and "panda_finger_joint1 of qpos from m" in said and "action as recorded" in said
        assert handle.attrs["units"] == "rad, fraction"


def test_a_profile_of_another_robot_is_refused(tmp_path):
    write_episode(tmp_path / "set", 0, np.ones((4, 2)), joint_names=["x", "y"])
    with pytest.raises(InputError, match="joints of profile panda"):
        convert(load(tmp_path / "set"), tmp_path / "out", profile("panda"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["set", "set/inner", "set/a/b", ".", "full", "file", "link"])
def test_nothing_is_overwritten_nor_written_among_the_recordings(place, tmp_path):
    write_episode(tmp_path / "set", 0, np.ones((4, 2)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("kept")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError):
        convert(load(tmp_path / "set"), tmp_path / place, root=tmp_path / "set")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_and_new_parents_are_used(tmp_path):
    write_episode(tmp_path / "set", 0, np.ones((4, 2)))
    episodes = load(tmp_path / "set")
    (tmp_path / "empty").mkdir()
    for place in ("empty", "a/b/c"):
        convert(episodes, tmp_path / place)
        assert len(load(tmp_path / place)) == 1
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o777 & ~mask


def test_a_fault_in_the_last_episode_leaves_nothing(tmp_path):
    for number in range(3):
        rows = np.ones((4, 2))
        rows[3, 1] = np.nan if number == 2 else 1
        write_episode(tmp_path / "set", number, rows)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="episode_0002"):
        convert(load(tmp_path / "set"), tmp_path / "deep" / "out")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_companion_that_is_no_number_is_refused(tmp_path):
    write_episode(tmp_path / "set", 0, np.ones((4, 2)), state=np.full((4, 2), b"x"))
    with pytest.raises(InputError, match="state"):
        convert(load(tmp_path / "set"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["..", "demo_;rm", "CON", "a\nb", "episode_0001.hdf5"])
def test_foreign_names_never_become_file_names(name, tmp_path):
    convert(load(robomimic(tmp_path / "set", ("demo_1", name))), tmp_path / "out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"episode_0000.hdf5", "episode_0001.hdf5"}


@SETS
def test_the_command_prints_the_ledger(layout, maker, tmp_path):
    maker(tmp_path / "set")
    first = load(tmp_path / "set")[0].name
    arguments = [str(tmp_path / "set"), str(tmp_path / "out"), "--exclude", first, "--layout", layout]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "2 episodes came in, 1 kept, 1 dropped" in result.output
    assert f"dropped {first}" in result.output and "keys found" in result.output
    assert list(load(tmp_path / "out").lengths) == [LENGTHS[1]]
