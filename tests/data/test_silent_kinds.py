"""Kinds of faults that passed without a word: clocks of LeRobot, lines twice, takes run together, failures, padding."""

import json
import re

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ate.data import DataSet, load
from ate.data.convert import convert
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, PASS, WARN
from ate.errors import InputError
from tests.conftest import write_episode
from tests.data.formats.makers import robomimic
from tests.data.formats.recorded import maniskill
from tests.data.test_clocks import ARM, arms, lerobot

LENGTHS = [len(rows) for rows in arms()]


def found(folder, code, **options):
    return [item for item in examine(folder, **options).findings if item.code == code and item.level != PASS]


@pytest.mark.parametrize(("scale", "factor"), [(1e3, 1000), (1e9, 1e9)], ids=["ms", "ns"])
def test_a_clock_of_lerobot_that_is_not_in_seconds_is_named(scale, factor, tmp_path):
    folder = lerobot(tmp_path / "set", lambda n: np.arange(n) / 20 * scale, 20)
    (finding,) = found(folder, "rates.not_seconds")
    assert finding.level == WARN and len(finding.episodes) == 6 and load(folder).rate_hz == 20.0
    # The way out leads out.
    assert float(finding.fix.split()[-1].replace(",", "")) == factor
    for file in folder.rglob("*.parquet"):
        table = pq.read_table(file)
        stamps = pa.array(table["timestamp"].to_numpy() / np.float32(factor), pa.float32())
        pq.write_table(table.set_column(table.schema.get_field_index("timestamp"), "timestamp", stamps), file)
    assert not found(folder, "rates.not_seconds")


def test_equal_lines_of_one_episode_are_read_once_and_named(tmp_path):
    folder = lerobot(tmp_path / "set", lambda n: np.arange(n) / 20, 20)
    listing = folder / "meta/episodes.jsonl"
    lines = listing.read_text().splitlines()
    listing.write_text("\n".join([*lines[:3], lines[2], *lines[3:]]))
    episodes = load(folder)
    assert list(episodes.lengths) == LENGTHS and not episodes.ledger.dropped
    assert any("episode_000002" in line and "once" in line for line in episodes.ledger.lines())


def test_unequal_lines_of_one_episode_are_refused_with_both(tmp_path):
    folder = lerobot(tmp_path / "set", lambda n: np.arange(n) / 20, 20)
    listing = folder / "meta/episodes.jsonl"
    listing.write_text(listing.read_text() + "\n" + json.dumps({"episode_index": 2, "length": 7}))
    (entry,) = load(folder, strict=False).ledger.dropped
    assert entry.episode == "line 7" and "line 3" in entry.reason
    assert list(load(folder, exclude=["line 7"]).lengths) == LENGTHS


def padded(rows):
    whole = np.zeros((len(rows), max(map(len, rows)), rows[0].shape[1]))
    for number, values in enumerate(rows):
        whole[number, : len(values)] = values
    return whole


@pytest.mark.parametrize("key", ["lengths", "episode_lengths", ""])
@pytest.mark.slow
def test_padded_archives_are_refused_with_a_program_that_works(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    whole = padded(arms())
    np.savez("set/all.npz", qpos=whole, actions=whole + 0.01, **({key: np.array(LENGTHS)} if key else {}))
    with pytest.raises(InputError) as caught:
        load("set")
    assert f"{len(LENGTHS)} episodes" in caught.value.got
    program = caught.value.fix.split(" (put")[0].replace("IN.npz", "set/all.npz").replace("OUT.npz", "set/all.npz")
    exec(program)
    episodes = load("set")
    assert list(episodes.lengths) == (LENGTHS if key else [whole.shape[1]] * len(whole))
    np.testing.assert_allclose(episodes[2].read("action")[: LENGTHS[2]], arms()[2] + 0.01, atol=1e-6)


@pytest.mark.parametrize("suffix", [".txt", ".tsv"])
def test_texts_are_refused_with_a_line_that_works(suffix, tmp_path):
    import subprocess

    for number, rows in enumerate(arms()):
        np.savetxt(tmp_path / f"e {number}{suffix}", rows, delimiter="\t", header="\t".join(ARM), comments="")
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    subprocess.run(["sh", "-c", re.search("for .*done", caught.value.fix)[0]], cwd=tmp_path, check=True)
    assert list(load(tmp_path).lengths) == LENGTHS and load(tmp_path).joint_names == tuple(ARM)


def test_takes_in_one_archive_that_nothing_parts_fail(tmp_path):
    rows = np.concatenate(arms())
    np.savez(tmp_path / "all.npz", qpos=rows, joint_names=ARM)
    (finding,) = found(tmp_path, "motion.takes_together")
    assert finding.level == FAIL and not found(tmp_path, "motion.jumps")
    # The way out leads out.
    lengths = [int(count) for count in re.search(r"tell: ([\d, ]+)\)", finding.fix)[1].split(",")]
    assert lengths == LENGTHS
    np.savez(tmp_path / "all.npz", qpos=rows, joint_names=ARM, episode_lengths=lengths)
    assert not found(tmp_path, "motion.takes_together") and list(load(tmp_path).lengths) == LENGTHS


@pytest.mark.slow
def test_takes_in_sets_that_are_sampled_fail(tmp_path, monkeypatch):
    monkeypatch.setattr("ate.data.doctor.facts.MOST_ROWS", 100)
    np.savez(tmp_path / "all.npz", qpos=np.concatenate(arms()), joint_names=ARM)
    (finding,) = found(tmp_path, "motion.takes_together")
    assert [int(n) for n in re.search(r"tell: ([\d, ]+)\)", finding.fix)[1].split(",")] == LENGTHS
    (tmp_path / "all.npz").unlink()
    for number, rows in enumerate(arms()):
        np.savez(tmp_path / f"{number}.npz", qpos=rows, joint_names=ARM)
    assert not found(tmp_path, "motion.takes_together")


@pytest.mark.parametrize("store", ["npz", "npz of one", "rows", "zarr"])
@pytest.mark.slow
def test_episodes_that_an_array_marks_as_failures_are_named(store, tmp_path):
    marks = np.arange(len(LENGTHS)) != 1
    failures = {1}
    if store == "npz of one":
        for number, rows in enumerate(arms()):
            np.savez(tmp_path / f"e{number}.npz", qpos=rows, joint_names=ARM, success=marks[number])
    elif store == "zarr":
        import zarr

        root = zarr.open_group(str(tmp_path / "all.zarr"), mode="w")
        whole = {"data/qpos": np.concatenate(arms()), "meta/episode_ends": np.cumsum(LENGTHS), "meta/success": marks}
        for name, values in whole.items():
            root.create_array(name, data=values, config={"write_empty_chunks": True})
    else:
        given = np.repeat(marks, LENGTHS) if store == "rows" else marks
        lengths = {"episode_lengths": np.array(LENGTHS), "success": given}
        np.savez(tmp_path / "all.npz", qpos=np.concatenate(arms()), joint_names=ARM, **lengths)
    episodes = load(tmp_path)
    assert {i for i, item in enumerate(episodes) if item.attributes["success"] is False} == failures
    (finding,) = found(tmp_path, "files.failures")
    assert finding.episodes == (episodes[1].name,) and finding.exclude
    assert len(load(tmp_path, exclude=finding.episodes)) == len(LENGTHS) - 1
    assert not any("success" in key for key in episodes[0].keys.ignored)


def test_lost_frames_are_no_takes(tmp_path):
    # Out and back twice: no return to a start.
    for number, rows in enumerate(arms()):
        rows = np.array(rows)
        rows[10:12] += 1.0 * (number == 0)
        rows[20:22] -= 1.0 * (number == 0)
        np.savez(tmp_path / f"e{number}.npz", qpos=rows, joint_names=ARM)
    assert not found(tmp_path, "motion.takes_together")


@pytest.mark.slow
def test_a_gripper_in_metres_under_a_profile_of_openings_fails(tmp_path):
    from ate.robots.profile import BUILTIN
    from tests.data.doctor.planted import copy

    def fault(_, arrays, attributes):
        arrays["action"][:, -1] = 1 - 2 * arrays["action"][:, -1]
        arrays["qpos"][:, -1] *= 0.04
        attributes.pop("units")

    text = re.sub(r", closed = [-\d.]+, open = [-\d.]+", "", (BUILTIN / "panda.toml").read_text())
    (tmp_path / "mine.toml").write_text(text)
    folder = copy("lift/pretrain/panda", tmp_path / "set", fault, 12)
    (metres,) = found(folder, "gripper.metres", robot=str(tmp_path / "mine.toml"))
    (command,) = found(folder, "gripper.command", robot=str(tmp_path / "mine.toml"))
    assert metres.level == FAIL and "stays as it is" not in command.got
    # The ways out of both lead out.
    commands = re.search("command_closed = .*?, command_open = -?1", command.fix)[0]
    ends = f"{re.search('closed = [^)]+', metres.fix)[0]}, {commands}"
    declared = text.replace('unit = "fraction"', f'unit = "fraction", {ends}')
    (tmp_path / "ends.toml").write_text(declared)
    assert not [f for f in examine(folder, robot=str(tmp_path / "ends.toml")).of("gripper") if f.level != PASS]


@pytest.mark.slow
def test_demonstrations_marked_as_failures_are_named(tmp_path):
    for number, rows in enumerate(arms()):
        write_episode(tmp_path / "native", number, rows, joint_names=ARM, rate_hz=20.0, success=number not in (1, 4))
    robomimic(tmp_path / "robomimic")
    with h5py.File(tmp_path / "robomimic/low_dim.hdf5", "r+") as handle:
        names = sorted(handle["data"])
        for number, name in enumerate(names):
            handle["data"][name].attrs["success"] = number != 0
    (native,), (other,) = (found(tmp_path / folder, "files.failures") for folder in ("native", "robomimic"))
    assert native.episodes == ("episode_0001", "episode_0004") and other.episodes == (names[0],)
    # Not lost by a conversion.
    convert(load(tmp_path / "native"), tmp_path / "out")
    assert len(found(tmp_path / "out", "files.failures")[0].episodes) == 2
    # The way out leads out.
    assert not found(DataSet(str(tmp_path / "native"), exclude=native.episodes), "files.failures")


def test_failures_that_maniskill_lists_are_named(tmp_path):
    maniskill(tmp_path)
    (file,) = tmp_path.glob("*.h5")
    listing = file.with_suffix(".json")
    whole = json.loads(listing.read_text()) if listing.is_file() else {}
    listing.write_text(json.dumps({**whole, "episodes": [{"episode_id": 0, "success": False}]}))
    (finding,) = found(tmp_path, "files.failures")
    assert finding.episodes == ("traj_0",)
