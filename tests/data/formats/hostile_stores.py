"""Hostile sets of zarr, JSON and the parquet of LeRobot v1; see `hostile`."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.data.formats import makers, recorded
from tests.data.formats.truth import LENGTHS

STORE = "replay_buffer.zarr"


def odd_array(draw, folder):
    """Metadata of an array that does not fit what is stored."""
    recorded.replay_buffer(folder)
    file = folder / STORE / "data" / "robot_joint" / ".zarray"
    said = json.loads(file.read_text())
    field, value = draw(
        st.sampled_from(
            [
                ("shape", [10**12, 3]), ("shape", [-1, 3]), ("shape", [21]), ("shape", [20, 3]), ("shape", "x"),
                ("shape", [21, 0]), ("chunks", [10**9, 3]), ("chunks", [0, 3]), ("chunks", [10**15, 10**15]),
                ("chunks", None), ("dtype", "|O"), ("dtype", "<U8"), ("dtype", "x"), ("dtype", None), ("dtype", "|b1"),
                ("dtype", "<M8[s]"), ("compressor", {"id": "gone"}), ("compressor", 3), ("order", "Z"),
                ("zarr_format", 9), ("filters", [{"id": "gone"}]), ("filters", [{"id": "pickle"}]), ("fill_value", []),
            ]
        )
    )  # fmt: skip
    file.write_text(json.dumps({**said, field: value}))
    return "qpos"


def lost_chunk(draw, folder):
    """What is not there would be read as zeros."""
    maker = draw(st.sampled_from([recorded.replay_buffer, recorded.replay_buffer_v3]))
    maker(folder)
    files = [file for file in makers.written(folder / STORE / "data" / "robot_joint") if file.name[0].isdigit()]
    draw(st.sampled_from(files)).unlink()
    return "qpos"


def odd_ends(draw, folder):
    import zarr

    recorded.replay_buffer(folder)
    root = zarr.open_group(str(folder / STORE), mode="a", zarr_format=2)
    del root["meta/episode_ends"]
    bad = draw(st.sampled_from([None, [12], [21, 12], [0, 21], [12, 22], [-1, 21], [[12, 21]], [12.0, 21.0], []]))
    if bad is not None:
        root.create_array("meta/episode_ends", data=np.array(bad))
    return "qpos"


def linked_store(draw, folder):
    """Arrays that lie outside of the store."""
    recorded.replay_buffer(folder)
    outside = recorded.replay_buffer(folder.parent / "outside") / STORE
    name = draw(st.sampled_from(["data", "data/robot_joint", "meta", "meta/episode_ends"]))
    moved = folder / STORE / name
    moved.rename(folder.parent / "moved")
    moved.symlink_to(draw(st.sampled_from([outside / name, folder.parent, moved])))
    return "qpos"


def odd_steps(draw, folder):
    """JSON whose steps are no rows of numbers."""
    recorded.json_lists(folder)
    rows = [[0.0, 1.0, 2.0]] * LENGTHS[1]
    bad = draw(
        st.sampled_from(
            [
                [], [[]], [1.0, 2.0], [*rows, [1.0, 2.0]], [*rows, None], [["1", "2", "3"]], [[True, False, True]],
                [[[1.0, 2.0, 3.0]]], [[10**400, 1, 2]], [{"a": 1}], "qpos", None, {"a": [1]}, [*rows, [1.0, 2.0, None]],
                [[float("nan"), 1.0, 2.0]], [[float("inf"), 1.0, 2.0]],
            ]
        )
    )  # fmt: skip
    key = draw(st.sampled_from(["qpos", "state", "positions"]))
    said = draw(st.sampled_from([{key: bad}, [{key: row} for row in bad] if isinstance(bad, list) else bad, bad]))
    (folder / "episode_1.json").write_text(json.dumps(said))
    return "qpos"


def odd_nesting(draw, folder):
    recorded.unitree(folder)
    deep = draw(st.integers(20_000, 200_000))
    said = draw(
        st.sampled_from(["", "[" * deep, '{"data":' * deep, "9" * 9_000, "\ufeff{}", '{"data": [{}]}', "[[1,2],[3]]"])
    )
    (folder / "episode_0001" / "data.json").write_text(said)
    return "qpos"


def odd_owners(draw, folder):
    """LeRobot v1: rows that belong to no episode, or come back to an earlier one."""
    recorded.lerobot_v1(folder)
    file = folder / "data/train-00000-of-00001.parquet"
    table = pq.read_table(file)
    n = len(table)
    owners = draw(st.sampled_from([[0, 1] * (n // 2) + [0], [-1] * n, [0.5] * n, [None] * n, [float("nan")] * n]))
    place = table.schema.get_field_index("episode_index")
    pq.write_table(table.set_column(place, "episode_index", pa.array(owners)), file)
    return "qpos"


def odd_column(draw, folder):
    """LeRobot v1: positions that are no rows of equally many numbers."""
    recorded.lerobot_v1(folder)
    file = folder / "data/train-00000-of-00001.parquet"
    table = pq.read_table(file)
    n = len(table)
    rows = draw(
        st.sampled_from(
            [
                [[1.0]] * (n - 1) + [[1.0, 2.0]], [[]] * n, [None] * n, [1.0] * n, ["x"] * n, [["x"]] * n,
                [[1.0, None]] * n, [[float("nan"), 1.0]] * n, [[True]] * n, [[[1.0]]] * n,
            ]
        )
    )  # fmt: skip
    place = table.schema.get_field_index("observation.state")
    pq.write_table(table.set_column(place, "observation.state", pa.array(rows)), file)
    return "qpos"


def odd_joint_state(draw, folder):
    """Tables of ROS: a position that is no number, or a row of other joints."""
    file = recorded.plotjuggler(folder) / "episode_1.csv"
    lines = file.read_text().splitlines()
    row = draw(st.integers(1, len(lines) - 1))
    cells = lines[row].split(",")
    cells[draw(st.integers(1, 3))] = draw(st.sampled_from(["", "x", "NaN", "inf", "1e305", "1e400", "--1", "0x1p3_"]))
    lines[row] = ",".join(draw(st.sampled_from([cells, cells[:3], [*cells, "1"]])))
    file.write_text("\n".join(lines))
    return "qpos"


CASES = (odd_array, lost_chunk, odd_ends, linked_store, odd_steps, odd_nesting, odd_owners, odd_column, odd_joint_state)
