"""Refusals of `attach` name the cause that fits, and what they advise is accepted."""

import re

import numpy as np
import pytest

from ate.steer.fit import STATE
from tests.steer.test_attachment_mistakes import Loop, chunks_of, refused, right

WRIST, GRIPPER = 3, 6


def column(index, change):
    """Chunks of episodes of which one column is changed."""

    def changed(rows):
        rows = rows.copy()
        rows[:, index] = change(rows[:, index])
        return rows

    return changed


def deltas(rows):
    return np.diff(rows, axis=0, append=rows[-1:])


@pytest.mark.parametrize(
    ("index", "change", "words"),
    [
        (WRIST, np.rad2deg, r"wrist_1_joint alone is in degrees"),
        (GRIPPER, lambda x: 2 * x - 1, r"gripper is -1 \(closed\) to 1 \(open\)"),
        (GRIPPER, lambda x: 100 * x, "gripper is per cent of the opening,"),
        (GRIPPER, lambda x: 0.08 * x, "gripper is metres of a finger"),
    ],
    ids=["degrees", "-1 to 1", "per cent", "metres"],
)
@pytest.mark.slow
def test_one_column_in_another_unit(recordings, alignment, index, change, words):
    loop = Loop(chunks_of(recordings, column(index, change)))
    fix = refused(loop, alignment, **right(loop, alignment)).fix
    assert re.search(words, fix)
    factors = [float(number) for number in re.findall(r"([\d.]+) times as much", fix)]
    more = float(number[1]) if (number := re.search(r"([\d.]+) more", fix)) else 0.0
    center, half = (part.copy() for part in loop.statistics)
    center[index], half[index] = factors[0] * center[index] + more, factors[-1] * half[index]
    known = {"joints": alignment.joint_names, "statistics": (center, half)}
    assert loop.guided(alignment, 5, **known).steps == 5


@pytest.mark.parametrize(
    ("index", "change", "turned"),
    [(WRIST, np.negative, "−wrist_1_joint"), (GRIPPER, lambda x: 1 - x, "1 − gripper"),
     (GRIPPER, lambda x: 1 - 2 * x, "0.5 − 0.5 · gripper"), (GRIPPER, lambda x: 100 - 100 * x, "1 − 0.01 · gripper")],
)  # fmt: skip
@pytest.mark.slow
def test_one_column_of_the_other_sense(recordings, alignment, index, change, turned):
    loop = Loop(chunks_of(recordings, column(index, change)))
    fix = refused(loop, alignment, **right(loop, alignment)).fix
    assert f"train on {turned}, or align" in fix


def test_some_joints_that_are_relative_are_named(recordings, alignment):
    chunks = chunks_of(recordings)
    state = chunks[:, 0].copy()
    state[:, 3:] = 0
    loop = Loop(chunks - state[:, None])
    error = refused(loop, alignment, **right(loop, alignment))
    assert error.fix.endswith(STATE)
    assert re.findall(r"'(\w+)'", error.fix) == list(alignment.joint_names[:3])


@pytest.mark.parametrize(("scale", "words"), [(1, "changes from row to row"), (20, "speeds")])
def test_changes_and_speeds_are_no_positions(recordings, alignment, scale, words):
    loop = Loop(chunks_of(recordings, lambda rows: scale * deltas(rows)))
    assert words in refused(loop, alignment, **right(loop, alignment)).fix


@pytest.mark.slow
def test_the_starts_of_episodes_are_not_relative(recordings, alignment):
    starts = np.stack([recordings.series(i)[:16].astype("f8") for i in range(len(recordings))])
    generator = np.random.default_rng(0)
    loop = Loop(np.concatenate([starts + 1e-3 * generator.normal(size=starts.shape) for _ in range(6)]))
    assert loop.guided(alignment, 70, **right(loop, alignment)).steps == 70


@pytest.mark.slow
def test_the_rate_of_a_few_chunks_is_judged_once_they_repeat(recordings, alignment):
    loop = Loop(chunks_of(recordings, lambda rows: rows[::2]))
    assert len(loop.chunks) < 128
    error = refused(loop, alignment, steps=70, **right(loop, alignment))
    assert "0.8 s" in error.expected and "--rate" in error.fix


def test_statistics_that_cannot_be_read_say_what_to_do(recordings, alignment):
    loop = Loop(chunks_of(recordings))
    (center, half), names = loop.statistics, alignment.joint_names
    low, high = center - half, center + half
    nested = {"observation.state": {"mean": center, "std": half}, "action": {"min": low, "max": high}}
    line = refused(loop, alignment, joints=names, statistics=nested).fix
    given = eval(re.search(r"statistics=(.*)$", line)[1], {"statistics": nested})
    assert loop.guided(alignment, 5, joints=names, statistics=given).steps == 5
    padded = tuple(np.pad(part, (0, 25)) for part in loop.statistics)
    count = int(re.search(r"the first (\d+) values", refused(loop, alignment, joints=names, statistics=padded).fix)[1])
    assert count == len(names)
    error = refused(loop, alignment, joints=names, statistics={"min": high, "max": low})
    assert "spread" in error.got and "column 0" in error.got and "min" in error.fix
