"""Recording: layout, determinism, refusals, and the shipped sets."""

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

pytest.importorskip("mujoco", reason="the simulator is an extra")

from ate.cli.demos import demos as command
from ate.errors import InputError
from ate.robots.kinematic_table import ROBOTS, robot
from ate.robots.kinematics import Kinematics
from ate.sim import demos as recorder
from ate.sim.demos import ADAPT, PRETRAIN, Demo, first_seed, record, verify, write_checksums
from ate.sim.tasks import TASKS

DATA = Path(__file__).parents[2] / "data"


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_same_seed_same_bytes_whatever_the_threads(tmp_path):
    one = record(tmp_path / "one", "ur5e", "lift", 3, seed=4, threads=1)
    two = record(tmp_path / "two", "ur5e", "lift", 3, seed=4, threads=2)
    other = record(tmp_path / "other", "ur5e", "lift", 3, seed=5)
    assert digests(one) == digests(two) and len(digests(one)) == 4
    assert not set(digests(one).values()) & set(digests(other).values())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "other", "two"]


def test_layout(tmp_path):
    folder = record(tmp_path / "set", "gen3", "push", 2)
    files = sorted(folder.glob("*.hdf5"))
    assert [f.name for f in files] == ["episode_0000.hdf5", "episode_0001.hdf5"]
    assert max(f.stat().st_size for f in files) < 14_000
    with h5py.File(files[0]) as file:
        n = len(file["qpos"])
        shapes = {name: (item.shape, item.dtype.kind + str(item.dtype.itemsize)) for name, item in file.items()}
        assert shapes == {
            "qpos": ((n, 8), "f4"),
            "action": ((n, 8), "f4"),
            "state": ((n, 20), "f4"),
            "ee_pose": ((n, 7), "f4"),
            "phase": ((n,), "i1"),
        }
        attributes = dict(file.attrs)
        assert attributes["robot"] == b"gen3" and attributes["task"] == b"push" and attributes["units"] == b"rad"
        assert [name.decode() for name in attributes["joint_names"]] == list(robot("gen3").joint_names)
        assert len(attributes["state_names"]) == 20 and attributes["rate_hz"] == 20.0 and attributes["success"]
        assert attributes["seed"] == first_seed("gen3", 0)
        pose = file["ee_pose"][()]
        position, matrix = Kinematics.of("gen3").forward(file["qpos"][()])
        turn = Rotation.from_matrix(matrix).as_quat(scalar_first=True)
        assert np.allclose(pose[:, :3], position, atol=1e-5)
        assert np.allclose(np.abs((pose[:, 3:] * turn).sum(1)), 1.0, atol=1e-5)
        assert np.abs(np.diff(pose[:, 3:], axis=0)).max() < 0.3  # q and -q never alternate
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["episodes"] == 2 and manifest["attempts"] == 2 and manifest["failed_seeds"] == []


def test_failures_are_left_out_and_counted(tmp_path, monkeypatch):
    true = recorder.demonstrate

    def flaky(name, task_name, seeds, threads=None):
        demos = true(name, task_name, seeds, threads)
        return [Demo(d.seed, d.seed % 2 == 0, d.qpos, d.action, d.state, d.phase) for d in demos]

    monkeypatch.setattr(recorder, "demonstrate", flaky)
    folder = record(tmp_path / "set", "xarm6", "lift", 3)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["episodes"] == 3 and len(list(folder.glob("*.hdf5"))) == 3
    assert manifest["attempts"] == 3 + len(manifest["failed_seeds"]) and manifest["failed_seeds"]
    assert all(seed % 2 for seed in manifest["failed_seeds"])


def test_an_existing_set_is_never_overwritten(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "note.txt").write_text("mine")
    with pytest.raises(InputError) as caught:
        record(tmp_path / "set", "panda", "lift", 1)
    assert caught.value.where == str(tmp_path / "set")
    assert digests(tmp_path / "set").keys() == {"note.txt"}
    (tmp_path / "empty").mkdir()
    assert len(digests(record(tmp_path / "empty", "panda", "lift", 1))) == 2


def test_nothing_is_left_behind_when_writing_fails(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(recorder, "_write", broken)
    with pytest.raises(OSError, match="disk full"):
        record(tmp_path / "set", "panda", "lift", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [("pandda", "lift", 1), ("panda", "lifft", 1), ("panda", "lift", 0)])
def test_bad_requests_write_nothing(tmp_path, wrong):
    with pytest.raises(InputError):
        record(tmp_path / "set", *wrong)
    assert list(tmp_path.iterdir()) == []


def test_verify_counts_in_the_order_of_the_tables_whatever_the_processes():
    rows = verify(["xarm6", "gen3"], ["lift", "push"], seeds=2, processes=2)
    assert [(row.task, row.robot) for row in rows] == [
        ("lift", "xarm6"), ("lift", "gen3"), ("push", "xarm6"), ("push", "gen3"),
    ]  # fmt: skip
    assert all((row.seeds, row.expert, row.replay, row.measured) == (2, 2, 2, 2) for row in rows)
    with pytest.raises(InputError) as caught:
        verify(["xarm8"], ["lift"], seeds=1)
    assert caught.value.got == "'xarm8'"


def test_seeds_of_robots_never_meet():
    firsts = sorted(first_seed(name, seed) for name in ROBOTS for seed in (0, 1))
    assert np.diff(firsts).min() >= 10_000 and firsts[0] >= 1_000_000


def test_checksums_are_those_of_the_files(tmp_path):
    record(tmp_path / "lift" / "adapt" / "ur5e", "ur5e", "lift", 1)
    lines = write_checksums(tmp_path).read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_command_records_and_verifies(tmp_path):
    run = CliRunner().invoke
    made = run(command, ["--robot", "ur5e", "--task", "push", "--episodes", "2", "--out", str(tmp_path / "set")])
    assert made.exit_code == 0 and len(list((tmp_path / "set").glob("*.hdf5"))) == 2
    table = run(command, ["--verify", "--robot", "ur5e", "--task", "lift", "--episodes", "2", "--processes", "1"])
    assert table.exit_code == 0 and table.output.splitlines()[1].split() == ["lift", "ur5e", "2", "2", "2"]
    missing = run(command, ["--robot", "ur5e"])
    assert isinstance(missing.exception, InputError) and missing.exit_code != 0


def test_shipped_sets_are_complete_and_untouched():
    lines = [line.split("  ") for line in (DATA / "SHA256SUMS").read_text().splitlines()]
    wrong = [name for digest, name in lines if hashlib.sha256((DATA / name).read_bytes()).hexdigest() != digest]
    assert not wrong
    for what in TASKS:
        for role, robots, count in (("pretrain", PRETRAIN, 100), ("adapt", ADAPT, 50)):
            for name in robots:
                assert len(list((DATA / what / role / name).glob("episode_*.hdf5"))) == count
    sizes = {what: [p.stat().st_size for p in (DATA / what).rglob("*") if p.is_file()] for what in (*TASKS, "weights")}
    assert sum(sum(sizes[what]) for what in TASKS) < 20_000_000 and max(sizes["weights"]) < 2_000_000


def test_a_shipped_episode_comes_out_again():
    path = DATA / "lift" / "adapt" / "ur5e" / "episode_0000.hdf5"
    with h5py.File(path) as file:
        (demo,) = recorder.demonstrate("ur5e", "lift", [int(file.attrs["seed"])])
        # other processors may round differently, so not bit for bit here
        assert demo.qpos.shape == file["qpos"].shape and np.allclose(demo.qpos, file["qpos"], atol=1e-3)
        assert np.allclose(demo.action, file["action"], atol=1e-3)
