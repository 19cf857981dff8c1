"""What holds for every layout: the truth comes out, whole and in windows, and nothing is written."""

import pickle

import numpy as np
import pytest

from ate.data import load
from ate.data.formats import LAYOUTS
from ate.errors import InputError
from tests.data.formats.makers import MAKERS, all_sets, written
from tests.data.formats.recorded import WITHOUT_ACTION
from tests.data.formats.truth import LENGTHS, truth

SETS = pytest.mark.parametrize(("layout", "maker"), all_sets(), ids=lambda value: getattr(value, "__name__", value))


def test_every_layout_has_a_maker():
    assert set(MAKERS) == set(LAYOUTS)


@SETS
def test_values_are_the_recorded_ones(layout, maker, tmp_path):
    episodes = load(maker(tmp_path / "set"))
    assert episodes.ledger.layout == layout and list(episodes.lengths) == list(LENGTHS)
    for number, item in enumerate(episodes):
        qpos, action = truth(number)
        np.testing.assert_array_equal(item.read("qpos"), qpos)
        if layout not in WITHOUT_ACTION:
            np.testing.assert_array_equal(item.read("action"), action)


@SETS
def test_windows_are_rows_of_the_whole(layout, maker, tmp_path):
    source = "qpos" if layout in WITHOUT_ACTION else "action"
    for number, item in enumerate(load(maker(tmp_path / "set"), source=source)):
        rows = dict(zip(("qpos", "action"), truth(number), strict=True))[source]
        for start, stop in ((0, 1), (3, 8), (len(rows) - 1, len(rows)), (4, 4)):
            np.testing.assert_array_equal(item.read(source, start, stop), rows[start:stop])


@SETS
def test_choosing_the_layout_gives_the_same(layout, maker, tmp_path):
    folder = maker(tmp_path / "set")
    told, asked = load(folder), load(folder, layout=layout)
    assert told.digest == asked.digest and asked.ledger.evidence == "as asked for"


@SETS
def test_a_set_crosses_to_another_process(layout, maker, tmp_path):
    item = load(maker(tmp_path / "set"))[1]
    again = pickle.loads(pickle.dumps(item))
    np.testing.assert_array_equal(again.qpos, item.qpos)


@SETS
def test_reading_writes_nothing(layout, maker, tmp_path):
    folder = maker(tmp_path / "set")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written(folder)}
    for item in load(folder):
        item.read("qpos")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written(tmp_path)} == before


@SETS
def test_the_ledger_says_what_was_found(layout, maker, tmp_path):
    ledger = load(maker(tmp_path / "set")).ledger
    assert [entry.steps for entry in ledger.entries] == list(LENGTHS) and all(e.kept for e in ledger.entries)
    assert all(entry.keys.found for entry in ledger.entries)


@SETS
def test_another_layout_says_no(layout, maker, tmp_path):
    folder = maker(tmp_path / "set")
    for other in LAYOUTS:
        # What ROS writes is a table as well.
        if other != layout and (layout, other) != ("ros", "csv"):
            with pytest.raises(InputError):
                load(folder, layout=other)
