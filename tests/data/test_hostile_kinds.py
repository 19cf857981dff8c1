"""More of the kinds that people have met: ends of episodes, values filled in, scaled arms, tables of other programs."""

import json

import h5py
import numpy as np
import pytest

from ate.data import load
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL
from ate.errors import InputError
from tests.conftest import write_episode
from tests.data.formats.makers import robomimic
from tests.data.test_clocks import ARM, arms, lerobot

LENGTHS = [len(rows) for rows in arms()]
ENDS = np.cumsum(LENGTHS)
LAST = np.isin(np.arange(ENDS[-1]), ENDS - 1)
FIRST = np.isin(np.arange(ENDS[-1]), [0, *ENDS[:-1]])


def codes(folder, level=FAIL):
    return [finding.code for finding in examine(folder).findings if finding.level == level]


def edited(folder, change):
    for number, rows in enumerate(arms()):
        rows = np.array(rows)
        write_episode(folder, number, change(number, rows), joint_names=ARM, rate_hz=20.0)
    return folder


@pytest.mark.parametrize("form", ["npz", "hdf5"])
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("truncations", LAST), ("masks", (~LAST).astype("f4")), ("discount", (~LAST).astype("f8")),
        ("is_first", FIRST),
        ("episode_lengths", np.array(LENGTHS)), ("episode_starts", np.array([0, *ENDS[:-1]])),
        ("episode_starts", FIRST),
        ("frame_index", np.concatenate([np.arange(n) for n in LENGTHS])),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_ends_of_episodes_under_other_names(form, key, values, tmp_path):
    qpos = np.concatenate(arms())
    if form == "npz":
        np.savez(tmp_path / "all.npz", qpos=qpos, joint_names=ARM, **{key: values})
    else:
        write_episode(tmp_path, 0, qpos, **{key: values})
    assert list(load(tmp_path).lengths) == LENGTHS


@pytest.mark.parametrize(
    ("key", "values"),
    [("masks", np.ones(ENDS[-1])), ("episode_lengths", np.array(LENGTHS) + 1), ("discount", np.full(ENDS[-1], 0.99)),
     ("is_first", FIRST & (np.arange(ENDS[-1]) == 0))],
)  # fmt: skip
def test_arrays_that_end_nothing(key, values, tmp_path):
    np.savez(tmp_path / "all.npz", qpos=np.concatenate(arms()), **{key: values})
    assert list(load(tmp_path).lengths) == [ENDS[-1]]


@pytest.mark.parametrize("value", [-1.0, -999.0, 1e3])
@pytest.mark.parametrize(("rows", "place"), [(slice(7, 8), "middle"), (slice(-6, None), "tail"), (slice(0, 3), "head")])
@pytest.mark.slow
def test_values_that_a_program_filled_in_are_named_and_nothing_follows(value, rows, place, tmp_path):
    def filled(_, values):
        values[rows] = value
        return values

    clean = codes(edited(tmp_path / "clean", lambda _, values: values), "WARN")
    report = examine(edited(tmp_path / "set", filled))
    (finding,) = [item for item in report.findings if item.level == FAIL]
    assert finding.code == f"values.filled_{place}" and f"exactly {value:g}" in finding.got
    assert codes(tmp_path / "set", "WARN") == clean


def test_one_joint_that_falls_to_zero_for_a_row_is_a_lost_value(tmp_path):
    def dropped(_, values):
        values[10, 2], values[20, 3] = 0, 0
        return values

    report = examine(edited(tmp_path, dropped))
    found = [item for item in report.findings if item.level == FAIL]
    assert [item.code for item in found] == ["values.zeros_middle"] * 2
    assert {name for name in ARM if any(name in item.got for item in found)} == {ARM[2], ARM[3]}


def test_a_joint_that_passes_zero_is_no_lost_value(tmp_path):
    def through(_, values):
        values[:, 2] -= values[len(values) // 2, 2]
        return values

    assert "values.zeros_middle" not in codes(edited(tmp_path, through))


@pytest.mark.slow
def test_arms_scaled_by_their_own_range(tmp_path):
    whole = np.concatenate(arms())
    low, high = whole.min(0), whole.max(0)
    assert "units.normalised" in codes(edited(tmp_path / "a", lambda _, v: 2 * (v - low) / (high - low) - 1))
    assert "units.normalised" in codes(edited(tmp_path / "b", lambda _, v: (v - low) / (high - low)))
    assert "units.shares" in codes(edited(tmp_path / "c", lambda _, v: (v + 4) / 8), "WARN")


def text(folder, write):
    folder.mkdir()
    for number, rows in enumerate(arms()):
        lines = [[f"{value:.6f}" for value in row] for row in rows]
        (folder / f"e{number}.csv").write_text("\n".join(write(lines)) + "\n")
    return folder


@pytest.mark.parametrize(
    "write",
    [
        lambda rows: ["|".join(ARM), *("|".join(row) for row in rows)],
        lambda rows: ["# robot log", "# 2026, lab 3", ",".join(ARM), *(",".join(row) for row in rows)],
        lambda rows: ["# made by hand", "# " + ",".join(ARM), *(",".join(row) for row in rows)],
    ],
    ids=["bars", "comments", "names in a comment"],
)
@pytest.mark.slow
def test_tables_of_other_programs_are_read(write, tmp_path):
    episodes = load(text(tmp_path / "set", write))
    assert episodes.joint_names == tuple(ARM) or set(episodes.joint_names) == set(ARM)
    for item, rows in zip(episodes, arms(), strict=True):
        places = [episodes.joint_names.index(name) for name in ARM]
        np.testing.assert_allclose(item.qpos[:, places], rows, atol=1e-6)


@pytest.mark.parametrize(
    ("write", "fix"),
    [
        (lambda rows: [";".join(ARM), *(";".join(row).replace(".", ",") for row in rows)], "decimal=','"),
        (lambda rows: [",".join(ARM), ",".join(["rad"] * 6), *(",".join(row) for row in rows)], "line of words"),
    ],
    ids=["decimal commas", "a line of units"],
)
def test_cells_that_are_no_numbers_are_refused_with_their_cause(write, fix, tmp_path):
    with pytest.raises(InputError) as caught:
        load(text(tmp_path / "set", write))[0].read("qpos")
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    "names", [",".join(ARM), [{"name": name} for name in ARM], {"axes": {"left": ARM}}, [[{"name": n}] for n in ARM]]
)
def test_names_of_lerobot_in_other_forms(names, tmp_path):
    folder = lerobot(tmp_path / "set", lambda n: np.arange(n) / 20, 20)
    info = json.loads((folder / "meta/info.json").read_text())
    info["features"]["observation.state"]["names"] = names
    (folder / "meta/info.json").write_text(json.dumps(info))
    assert load(folder).joint_names == tuple(ARM)


def test_a_mask_of_demonstrations_that_are_not_there_is_named(tmp_path):
    robomimic(tmp_path)
    with h5py.File(tmp_path / "low_dim.hdf5", "r+") as handle:
        handle["mask/train"] = np.array([b"demo_2", b"demo_99"])
    lines = load(tmp_path).ledger.lines()
    assert any("demo_99" in line and "demo_2," not in line for line in lines)
