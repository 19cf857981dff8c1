"""Clocks and rates: units of time stamps, rates against them, gaps, and rates believed where files say none."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ate.cli.main import cli
from ate.data import load
from ate.data.clock import Clock, is_clock
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, WARN, Finding
from ate.data.loading import DataSet
from ate.data.series import Series
from ate.experiments.settings import settings
from ate.robots.profile import BUILTIN
from tests.conftest import write_episode
from tests.data.doctor.planted import copy

UR5E = "lift/adapt/ur5e"
ARM = ["shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint"]
SINCE_1970 = 1_764_000_000.0


def arms(count: int = 6) -> list[np.ndarray]:
    return [item.qpos[:, :6] for item in load(Path(__file__).parents[2] / "data" / UR5E)][:count]


def csv(folder: Path, name: str, stamp: Callable[[int], np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for number, rows in enumerate(arms()):
        table = np.column_stack([stamp(len(rows)), rows])
        np.savetxt(folder / f"e{number}.csv", table, "%.9f", ",", header=",".join([name, *ARM]), comments="")
    return folder


def npz(folder: Path, name: str, stamp: Callable[[int], np.ndarray], **said: object) -> Path:
    folder.mkdir(parents=True)
    for number, rows in enumerate(arms()):
        np.savez(folder / f"e{number}.npz", **{"qpos": rows, name: stamp(len(rows)), "joint_names": ARM, **said})
    return folder


def hdf5(folder: Path, name: str, stamp: Callable[[int], np.ndarray], **said: object) -> Path:
    for number, rows in enumerate(arms()):
        write_episode(folder, number, rows, **{name: stamp(len(rows)), "joint_names": ARM, "units": "rad", **said})
    return folder


def lerobot(folder: Path, stamp: Callable[[int], np.ndarray], fps: float, count: int = 6) -> Path:
    """A set of version 2.1, from the layout's documentation."""
    (folder / "meta").mkdir(parents=True)
    (folder / "data/chunk-000").mkdir(parents=True)
    feature = {"dtype": "float32", "shape": [6], "names": ARM}
    info = {"codebase_version": "v2.1", "robot_type": "ur5e", "fps": fps, "chunks_size": 1000,
            "features": {"observation.state": feature}}  # fmt: skip
    (folder / "meta/info.json").write_text(json.dumps(info))
    lines = []
    for number, rows in enumerate(arms(count)):
        columns = {"observation.state": rows.tolist(), "timestamp": stamp(len(rows)).astype(np.float32),
                   "episode_index": np.full(len(rows), number)}  # fmt: skip
        pq.write_table(pa.table(columns), folder / f"data/chunk-000/episode_{number:06d}.parquet")
        lines.append(json.dumps({"episode_index": number, "length": len(rows)}))
    (folder / "meta/episodes.jsonl").write_text("\n".join(lines))
    return folder


def rates(report_of: Path | DataSet, **options: object) -> list[Finding]:
    return [finding for finding in examine(report_of, **options).of("rates") if finding.level != "PASS"]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("time", ""), ("t", ""), ("timestamp", ""), ("Time_ms", "ms"), ("timestamp_us", "us"), ("time (s)", "s"),
     ("stamp_nanoseconds", "ns"), ("timestamp_microseconds", "us"), ("elapsed_time", ""), ("%time", ""),
     ("header.stamp", ""), ("field.header.stamp.secs", "s")],
)  # fmt: skip
def test_names_of_clocks(name, unit):
    assert is_clock(name)
    if unit:
        assert Clock(name, Series.of(np.arange(5.0) * 7)).unit == unit


@pytest.mark.parametrize(
    "name", ["shoulder", "wrist_t1", "joint_t", "left", "status", "tool", "timer_joint", "q_time_ratio"]
)
def test_joints_are_no_clocks(name):
    assert not is_clock(name)


SCALES = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@pytest.mark.parametrize("start", [0.0, SINCE_1970], ids=["from 0", "since 1970"])
@pytest.mark.parametrize("unit", list(SCALES))
@pytest.mark.parametrize("hertz", [10.0, 20.0, 30.0, 60.0, 500.0])
def test_units_are_told_by_size_and_step(start, unit, hertz):
    stamps = np.round((start + np.arange(50) / hertz) * SCALES[unit], 6 if unit == "s" else 0)
    clock = Clock("timestamp", Series.of(stamps))
    assert clock.unit == unit and clock.rate == pytest.approx(hertz, rel=0.02)
    np.testing.assert_allclose(clock.seconds(), np.arange(50) / hertz, atol=6e-4)


@pytest.mark.parametrize("name", ["timestamp", "timestamp_ms"])
def test_a_clock_in_milliseconds_is_no_joint_and_gives_the_rate(tmp_path, name):
    folder = csv(tmp_path / "set", name, lambda n: SINCE_1970 * 1e3 + 50.0 * np.arange(n))
    episodes = load(folder)
    assert episodes.joint_names == tuple(ARM) and episodes.rate_hz == 20.0
    assert any("20 Hz" in line and "milliseconds" in line for line in episodes.ledger.lines())
    assert not [f for f in examine(folder).findings if f.level == FAIL]


def test_seconds_and_nanoseconds_of_one_stamp(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for number, rows in enumerate(arms()):
        stamps = np.arange(len(rows)) * 50_000_000 + 900_000_000
        table = np.column_stack([1_764_000_000 + stamps // 10**9, stamps % 10**9, rows])
        names = ["header.stamp.sec", "header.stamp.nanosec", *ARM]
        np.savetxt(folder / f"e{number}.csv", table, "%.9f", ",", header=",".join(names), comments="")
    episodes = load(folder)
    assert episodes.rate_hz == 20.0 and episodes.joint_names == tuple(ARM) and not rates(folder)
    clock = episodes[0].clock
    assert clock is not None
    np.testing.assert_allclose(clock.seconds(), 0.05 * np.arange(len(episodes[0])), atol=1e-6)


def test_numbers_of_rows_are_no_time(tmp_path):
    folder = csv(tmp_path / "set", "timestamp", lambda n: np.arange(n, dtype=float))
    assert load(folder).rate_hz is None and [f.code for f in rates(folder)] == ["rates.unknown"]


def test_a_rate_that_no_robot_has_fails(tmp_path):
    folder = csv(tmp_path / "set", "time_s", lambda n: 50.0 * np.arange(n))
    assert [(f.code, f.level) for f in rates(folder)] == [("rates.implausible", FAIL)]


def gap(n: int) -> np.ndarray:
    return 0.05 * np.arange(n) + 0.5 * (np.arange(n) > 16)


WRITERS = pytest.mark.parametrize(
    "write",
    [lambda f, s, r: lerobot(f, s, r), lambda f, s, r: hdf5(f, "timestamps", s, rate_hz=r),
     lambda f, s, r: npz(f, "time", s, rate_hz=r)], ids=["lerobot", "hdf5", "npz"],
)  # fmt: skip


@WRITERS
@pytest.mark.slow
def test_a_declared_rate_is_compared_with_the_clock(tmp_path, write):
    assert rates(write(tmp_path / "right", lambda n: np.arange(n) / 30, 30)) == []
    (found,) = rates(write(tmp_path / "wrong", lambda n: np.arange(n) / 50, 30))
    assert (found.code, found.level) == ("rates.timestamps", FAIL) and "50" in found.got and "30" in found.got


@WRITERS
@pytest.mark.slow
def test_a_gap_is_named_by_episode_and_row(tmp_path, write):
    folder = write(tmp_path / "set", gap, 20)
    (found,) = rates(folder)
    assert (found.code, found.level) == ("rates.gap", WARN) and "rows 16 and 17" in found.got and "0.55" in found.got
    assert len(found.episodes) == 6
    # Not lost by a conversion.
    CliRunner().invoke(cli, ["convert", str(folder), str(tmp_path / "out")], catch_exceptions=False)
    assert [f.code for f in rates(tmp_path / "out")] == ["rates.gap"]


def test_the_way_out_of_two_rates(tmp_path):
    folder = lerobot(tmp_path / "set", lambda n: np.arange(n) / 50, 30)
    file = folder / "meta/info.json"
    file.write_text(file.read_text().replace('"fps": 30', '"fps": 50'))
    assert rates(folder) == []


def test_one_episode_of_another_rate_can_be_left_out(tmp_path):
    folder = lerobot(tmp_path / "set", lambda n: np.arange(n) / 20, 20)
    name = "data/chunk-000/episode_000002.parquet"
    table = pq.read_table(folder / name)
    stamps = pa.array(np.arange(len(table)) / np.float32(40), pa.float32())
    pq.write_table(table.set_column(table.schema.get_field_index("timestamp"), "timestamp", stamps), folder / name)
    (found,) = rates(folder)
    assert found.exclude and found.episodes == ("episode_000002",)
    assert rates(DataSet(str(folder), exclude=("episode_000002",))) == []


def test_rows_that_come_when_they_come(tmp_path):
    random = np.random.default_rng(0)
    folder = hdf5(
        tmp_path / "set", "time", lambda n: np.cumsum(np.where(random.random(n) < 0.2, 0.4, 0.05)), rate_hz=20.0
    )
    assert "rates.irregular" in {f.code for f in rates(folder)}


@pytest.mark.parametrize(("stamp", "code"), [(lambda n: np.zeros(n), "rates.standing"),
                                             (lambda n: np.arange(n)[::-1] / 20.0, "rates.clock")])  # fmt: skip
def test_clocks_that_stand_or_run_back(tmp_path, stamp, code):
    assert code in {f.code for f in rates(hdf5(tmp_path / "set", "time", stamp, rate_hz=20.0))}


@pytest.mark.slow
def test_a_rate_is_believed_where_the_files_say_none(tmp_path):
    folder = tmp_path / "set"
    for number, rows in enumerate(arms()):
        write_episode(folder, number, rows, joint_names=ARM, units="rad")
    assert load(folder).rate_hz is None
    assert load(folder, rate=25.0).rate_hz == 25.0 and not rates(DataSet(str(folder), rate=25.0))
    text = (BUILTIN / "ur5e.toml").read_text().replace("joints = [", "rate_hz = 30.0\njoints = [", 1)
    (tmp_path / "mine.toml").write_text(text)
    known = load(folder, robot=str(tmp_path / "mine.toml"))
    assert known.rate_hz == 30.0 and any("30 Hz by profile" in line for line in known.ledger.lines())
    # What was given for these recordings wins over what is usual.
    assert load(folder, robot=str(tmp_path / "mine.toml"), rate=25.0).rate_hz == 25.0
    for words, rate in ((["--robot", str(tmp_path / "mine.toml")], 30.0), (["--rate", "25"], 25.0)):
        out = tmp_path / f"out{rate:g}"
        done = CliRunner().invoke(cli, ["convert", str(folder), str(out), *words], catch_exceptions=False)
        assert done.exit_code == 0 and list(load(out).lengths) == list(load(folder).lengths)
        with h5py.File(next(out.glob("*.hdf5"))) as handle:
            assert handle.attrs["rate_hz"] == rate
    chosen = settings({"adapt": str(folder), "rate": 25, "rate_pretrain": 50})
    assert chosen.adapt_data.load().rate_hz == 25.0 and chosen.pretrain_data.rate == 50.0


@pytest.mark.slow
def test_a_given_rate_is_compared_with_that_of_the_files(tmp_path):
    folder = copy(UR5E, tmp_path / "set", episodes=8)
    assert load(folder, rate=50.0).rate_hz == 20.0 and not rates(DataSet(str(folder), rate=20.0))
    assert [(f.code, f.level) for f in rates(DataSet(str(folder), rate=50.0))] == [("rates.declared", FAIL)]
    done = CliRunner().invoke(cli, ["doctor", str(folder), "--rate", "50"], catch_exceptions=False)
    assert done.exit_code == 1
