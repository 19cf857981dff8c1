"""What is written for the rerun viewer, with a stand-in for rerun-sdk, which is too large to be installed for tests."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.rerun import rerun
from ate.data import load
from ate.errors import InputError
from ate.robots.chain import pose
from ate.robots.kinematic_table import robot
from ate.viz.figures.footage import episode_pictures
from ate.viz.rerun_file import sdk, write_episodes, write_rollouts
from tests.viz.samples import rolled_out

PUSH = Path(__file__).parents[2] / "data" / "push" / "adapt" / "ur5e"


@pytest.fixture
def streams(monkeypatch):
    made = []

    class Stream:
        def __init__(self, application, recording_id):
            self.logged, self.columns, self.step, self.id = [], {}, 0, recording_id
            made.append(self)

        def save(self, file):
            file.write_bytes(b"RRF2")

        def send_recording_name(self, name):
            self.name = name

        def send_columns(self, path, times, values):
            self.columns[path] = (times, values)

        def set_time(self, timeline, sequence=None, duration=None):
            self.step = self.step if sequence is None else sequence

        def log(self, path, value, static=False):
            self.logged.append((path, self.step, value))

        def flush(self):
            self.flushed = True

    class Image:
        def __init__(self, picture):
            self.picture = picture

        def compress(self, quality):
            return self.picture.shape

    given = SimpleNamespace(
        RecordingStream=Stream, Image=Image, Scalars=SimpleNamespace(columns=lambda scalars: scalars),
        TimeColumn=lambda name, sequence=None, duration=None: (name, sequence if duration is None else duration),
        LineStrips3D=lambda strips, radii, colors: strips[0], Points3D=lambda points, radii, colors: points[0],
        ViewCoordinates=SimpleNamespace(RIGHT_HAND_Z_UP="up"),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "rerun", given)
    return made


def test_an_episode_has_curves_arm_object_goal_and_pictures(streams, tmp_path, monkeypatch):
    monkeypatch.setattr("ate.viz.rerun_file.episode_pictures", partial(episode_pictures, side=32))
    episodes = load(PUSH).select(range(1))
    (file,) = write_episodes(episodes, [0], tmp_path)
    assert file == tmp_path / "episode_0000.rrd" and file.is_file()
    (stream,) = streams
    qpos, state = episodes[0].qpos, episodes[0].read("state")
    assert set(stream.columns) == {f"{kind}/{name}" for kind in ("qpos", "action") for name in episodes.joint_names}
    times, values = stream.columns[f"qpos/{episodes.joint_names[2]}"]
    np.testing.assert_array_equal(values, qpos[:, 2])
    assert times[1][0] == "seconds" and times[1][1][20] == pytest.approx(1.0)
    arm = robot("ur5e")
    tool, _ = pose(arm, np.asarray(qpos, float)[:, :-1])
    for path, step, value in stream.logged:
        if path == "arm":
            np.testing.assert_allclose(value[-1], tool[step], atol=1e-6)
        if path in ("object", "goal"):
            columns = slice(9, 12) if path == "object" else slice(14, 17)
            np.testing.assert_allclose(value, state[step, columns] - arm.base, atol=1e-6)
        if path == "film":
            assert value == (32, 32, 3)
    paths = [path for path, *_ in stream.logged]
    assert all(paths.count(name) == len(qpos) for name in ("arm", "tool", "object", "goal", "film"))


def test_rollouts_end_where_they_succeed(streams, tmp_path):
    files = write_rollouts(rolled_out(), range(2), tmp_path, pictures=False)
    assert [file.name for file in files] == ["start_0003_succeeds.rrd", "start_0004_fails.rrd"]
    assert [len(stream.columns["qpos/gripper"][1]) for stream in streams] == [25, 61]
    assert "film" not in {path for path, *_ in streams[0].logged}


@pytest.mark.slow
def test_the_command_takes_episodes_by_name(streams, tmp_path):
    out = ["--out", str(tmp_path / "out"), "--no-pictures"]
    done = CliRunner().invoke(rerun, [str(PUSH), "--episode", "episode_0003", *out])
    assert done.exit_code == 0 and [file.name for file in (tmp_path / "out").iterdir()] == ["episode_0003.rrd"]
    done = CliRunner().invoke(rerun, [str(PUSH), "--episode", "episode_003", *out])
    assert isinstance(done.exception, InputError) and "episode_0003" in done.exception.fix


def test_without_rerun_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(InputError) as error:
        sdk()
    assert "[rerun]" in error.value.fix
