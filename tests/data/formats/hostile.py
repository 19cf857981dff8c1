"""Hostile sets: each case spoils a good set in one way that makes it unreadable, so that only an error can be right.

A case is a function `(draw, folder) → source`: it writes a set to `folder`, with what hypothesis draws, and gives the
series to ask for.
"""

import json
from functools import partial

import h5py
import numpy as np
from hypothesis import strategies as st

from tests.data.formats import makers, recorded

# Layout → its maker, a file of it, and the dataset that holds joint positions.
HDF5 = {
    "native": (makers.native, "episode_0001.hdf5", "qpos"),
    "aloha": (makers.aloha, "episode_1.hdf5", "observations/qpos"),
    "robomimic": (makers.robomimic, "low_dim.hdf5", "data/demo_10/obs/robot0_joint_pos"),
    "robosuite": (makers.robosuite, "demo.hdf5", "data/demo_2/states"),
    "libero": (recorded.libero, "pick_up_the_bowl_demo.hdf5", "data/demo_1/obs/joint_states"),
    "isaaclab": (recorded.isaaclab, "dataset.hdf5", "data/demo_1/states/articulation/robot/joint_position"),
    "maniskill": (recorded.maniskill_states, "trajectory.h5", "traj_1/env_states/articulations/arm"),
    "robotwin": (partial(recorded.robotwin, vector=False), "episode1.hdf5", "joint_action/left_arm"),
    "droid": (recorded.droid, "Sat_Jul__8_10:11:00_2023/trajectory.h5", "observation/robot_state/joint_positions"),
    "agibot": (recorded.agibot, "648643/proprio_stats.h5", "state/joint/position"),
    "robomind": (recorded.robomind, "1017_163121/data/trajectory.hdf5", "puppet/joint_position_left"),
}
ACTIONS = {
    "native": "action",
    "aloha": "action",
    "robomimic": "data/demo_10/actions",
    "robosuite": "data/demo_2/actions",
    "libero": "data/demo_1/actions",
    "isaaclab": "data/demo_1/actions",
    "maniskill": "traj_1/actions",
    "droid": "action/joint_position",
    "agibot": "action/joint/position",
    "robomind": "master/joint_position_left",
}
TREES = {"robomimic": "env_args", "robosuite": "env_info", "libero": "env_args", "isaaclab": "env_args"}
ROWS = 9


def _read(layout, file):
    """Whether a file is read whole, so that what is wrong with it must show."""
    if layout == "zarr":
        return bool({"robot_joint", "episode_ends"} & set(file.parts)) and file.name != ".zattrs"
    # Tasks are not read, and a list of episodes may be cut between two lines.
    return file.name not in ("tasks.parquet", "episodes.jsonl")


def _file(draw, folder, besides):
    layout, maker = draw(st.sampled_from([pair for pair in makers.all_sets() if pair[0] not in besides]))
    maker(folder)
    return draw(st.sampled_from([file for file in makers.written(folder) if _read(layout, file)]))


def truncated(draw, folder):
    file = _file(draw, folder, ("csv", "ros"))
    whole = file.read_bytes()
    file.write_bytes(whole[: draw(st.integers(0, len(whole.rstrip()) - 1))])
    return "qpos"


def overwritten(draw, folder):
    # No letter or digit first: never a table, nor JSON.
    _file(draw, folder, ("csv", "ros", "robosuite")).write_bytes(b"!" + draw(st.binary(max_size=300)))
    return "qpos"


def _opened(draw, folder):
    layout = draw(st.sampled_from(sorted(HDF5)))
    maker, name, key = HDF5[layout]
    maker(folder)
    return layout, folder / name, key


def bare(draw, folder):
    layout, file, key = _opened(draw, folder)
    # Without one of its trajectories, a file of many is whole.
    above = "traj_1/env_states" if layout == "maniskill" else key.split("/")[0]
    with h5py.File(file, "r+") as handle:
        del handle[draw(st.sampled_from([key, above]))]
    return "qpos"


def promised(draw, folder):
    _, file, key = _opened(draw, folder)
    rows, width = 10 ** draw(st.integers(4, 15)), draw(st.integers(1, 60))
    with h5py.File(file, "r+") as handle:
        del handle[key]
        chunks = (1024, width) if draw(st.booleans()) else None
        handle.create_dataset(key, (rows, width), draw(st.sampled_from(["f4", "f8", "i2"])), chunks=chunks)
    return "qpos"


def odd_shape(draw, folder):
    _, file, key = _opened(draw, folder)
    n = draw(st.integers(1, 40))
    with h5py.File(file, "r+") as handle:
        del handle[key]
        handle[key] = draw(
            st.sampled_from(
                [np.float32(n), np.zeros(n), np.zeros((0, n)), np.zeros((n, 0)), np.zeros((2, 3, n)), h5py.Empty("f4")]
            )
        )
    return "qpos"


def odd_type(draw, folder):
    _, file, key = _opened(draw, folder)
    n = draw(st.integers(1, 40))
    ragged = np.empty((n, 2), object)
    ragged[:] = [[np.zeros(draw(st.integers(0, 3)), np.float32) for _ in range(2)] for _ in range(n)]
    kinds = {
        "bytes": lambda h: h.create_dataset(key, data=np.full((n, 3), b"1.5")),
        "strings": lambda h: h.create_dataset(key, (n, 3), h5py.string_dtype()),
        "pairs": lambda h: h.create_dataset(key, (n, 3), np.dtype([("a", "f4"), ("b", "i4")])),
        "ragged": lambda h: h.create_dataset(key, data=ragged, dtype=h5py.vlen_dtype(np.float32)),
        "complex": lambda h: h.create_dataset(key, data=np.ones((n, 3), complex)),
        "truths": lambda h: h.create_dataset(key, data=np.ones((n, 3), bool)),
        "opaque": lambda h: h.create_dataset(key, data=np.zeros((n, 3), "V8")),
        "references": lambda h: h.create_dataset(key, (n, 3), h5py.ref_dtype),
        "arrays": lambda h: h.create_dataset(key, (n, 3), np.dtype(("f4", (2,)))),
        "group": lambda h: h.create_group(key),
        "type": lambda h: h.__setitem__(key, np.dtype("f4")),
    }
    with h5py.File(file, "r+") as handle:
        del handle[key]
        kinds[draw(st.sampled_from(sorted(kinds)))](handle)
    return "qpos"


def linked(draw, folder):
    layout, file, key = _opened(draw, folder)
    good = HDF5[layout][0](folder.parent / "outside") / HDF5[layout][1]
    with h5py.File(file, "r+") as handle:
        # A group on the way as well as the dataset itself.
        key = draw(st.sampled_from(["/".join(key.split("/")[: n + 1]) for n in range(key.count("/") + 1)]))
        old = handle[key]
        kept = old[()] if isinstance(old, h5py.Dataset) else None
        del handle[key]
        kinds = ["soft circle", "soft pair", "soft nowhere", "hard circle", "external", "external circle"]
        kind = draw(st.sampled_from(kinds + (["stored", "virtual"] if kept is not None else [])))
        if kind == "soft circle":
            handle[key] = h5py.SoftLink("/" + key)
        elif kind == "soft pair":
            handle[key], handle["other"] = h5py.SoftLink("/other"), h5py.SoftLink("/" + key)
        elif kind == "soft nowhere":
            handle[key] = h5py.SoftLink("/" + draw(st.text("ab./", min_size=1, max_size=60)) + "/z")
        elif kind == "hard circle":
            # For groups on the way there is no dataset at the end of it; for the dataset there is a group.
            handle[key] = handle["/"]
        elif kind == "external":
            handle[key] = h5py.ExternalLink(draw(st.sampled_from([str(good), "../outside/" + HDF5[layout][1]])), key)
        elif kind == "external circle":
            handle[key] = h5py.ExternalLink(file.name, "/" + key)
        elif kind == "stored":
            raw = folder.parent / "raw.bin"
            kept.astype("f4").tofile(raw)
            handle.create_dataset(key, kept.shape, "f4", external=[(str(raw), 0, h5py.h5f.UNLIMITED)])
        else:
            source = h5py.VirtualSource(str(good), key, shape=kept.shape)
            virtual = h5py.VirtualLayout(kept.shape, "f4")
            virtual[:] = source
            handle.create_virtual_dataset(key, virtual)
    return "qpos"


def poisoned(draw, folder):
    layout, file, key = _opened(draw, folder)
    value = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e305, -1e39]))
    with h5py.File(file, "r+") as handle:
        rows = handle[key][()].astype("f8")
        # Of simulator states only the columns of the robot's joints are read, and no row after the last action.
        columns = {"robosuite": (9, 11), "maniskill": (13, 15)}.get(layout, (0, rows.shape[1] - 1))
        rows[draw(st.integers(0, len(rows) - 1 - (layout == "maniskill"))), draw(st.integers(*columns))] = value
        del handle[key]
        handle[key] = rows
    return "qpos"


def no_action(draw, folder):
    layout = draw(st.sampled_from(sorted(ACTIONS)))
    maker, name, _ = HDF5[layout]
    file, key = maker(folder) / name, ACTIONS[layout]
    # ManiSkill observes once more than it acts.
    n = draw(st.integers(1, 60).filter(lambda count: count not in (ROWS, ROWS + (layout == "maniskill"))))
    bad = draw(
        st.sampled_from(
            [None, np.zeros((n, 3)), np.zeros(()), np.full((ROWS, 3), b"x"), np.zeros((ROWS, 0)), np.zeros(ROWS)]
        )
    )
    with h5py.File(file, "r+") as handle:
        del handle[key]
        if bad is not None:
            handle[key] = bad
    return "action"


def odd_demo(draw, folder):
    layout = draw(st.sampled_from(sorted(TREES)))
    maker, name, _ = HDF5[layout]
    maker(folder)
    called = draw(st.sampled_from(["..", "...", "demo_3", "x" * 3000, "démo", "\n", "demo_" + "9" * 5000]))
    with h5py.File(folder / name, "r+") as handle:
        what = draw(st.sampled_from(["group", "dataset", "link", "outside"]))
        if what == "group":
            handle["data"].create_group(called)
        elif what == "dataset":
            handle["data"][called] = np.zeros((3, 3))
        elif what == "link":
            handle["data"][called] = h5py.SoftLink("/data/" + called)
        else:
            handle["data"][called] = h5py.ExternalLink("/etc/hostname", "/")
    return "qpos"


def odd_environment(draw, folder):
    layout = draw(st.sampled_from(sorted(TREES)))
    maker, name, _ = HDF5[layout]
    maker(folder)
    said = draw(st.sampled_from(["{", "[" * 50_000, '{"a":' * 9_000, "nul", "", "1" * 5000, '"\\ud8"', "\x01"]))
    with h5py.File(folder / name, "r+") as handle:
        attributes = handle["data"].attrs
        attributes[TREES[layout]] = said
    return "qpos"


def odd_model(draw, folder):
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    models = [
        "", "<", "<mujoco/>", "<a>" * draw(st.integers(1, 20_000)), f"<!DOCTYPE m [<!ENTITY a0 'x'>{bomb}]><m>&a9;</m>",
        '<!DOCTYPE m SYSTEM "file:///etc/hostname"><m/>', makers.MODEL.replace("shoulder", "s", 1),
        makers.MODEL.replace("<freejoint", "<joint type='ball'"), makers.MODEL[: draw(st.integers(1, 300))],
    ]  # fmt: skip
    beside = draw(st.booleans())
    makers.robosuite(folder)
    said = draw(st.sampled_from(models))
    (folder / "models" / "m.xml").write_text(said)
    if not beside:
        with h5py.File(folder / "demo.hdf5", "r+") as handle:
            outside = [
                "../demo.hdf5",
                "/etc/hostname",
                "../../outside.xml",
                np.bytes_(b"n\0ul"),
                "~/m.xml",
                "models",
                ".",
                "",
            ]
            handle["data/demo_1"].attrs["model_file"] = draw(st.sampled_from([*outside, said[:60_000] or "gone"]))
    return "qpos"


def odd_table(draw, folder):
    makers.csv(folder)
    file = folder / "episode_1.csv"
    lines = file.read_text().splitlines()
    row = draw(st.integers(1, len(lines) - 1))
    cells = lines[row].split(",")
    column = draw(st.integers(1, len(cells) - 1))
    bad = draw(st.sampled_from(["", "x", "1,2", "NaN", "inf", "1e305", "1e400", '"', '"a\nb"', "0x1p3_", "--1", "1\0"]))
    cells[column] = bad
    lines[row] = ",".join(draw(st.sampled_from([cells, cells, cells[:column], []])))
    # A line cut out of the end is no fault: rows before it are whole.
    file.write_text("\n".join([*lines, lines[1] if lines[1].count(",") == 6 and row != 1 else "0,0,0,0,0,0,0"]))
    return draw(st.sampled_from(["qpos", "action"])) if bad not in ("NaN", "inf", "1e305", "1e400") else _side(column)


def _side(column):
    return "qpos" if column < 4 else "action"


def odd_text(draw, folder):
    folder.mkdir()
    head = draw(
        st.sampled_from(["", "\n", "a,b\n", "a,a\n1,2\n", ",\n1,2\n", "\0", "1,2\n3,4\n", '"a,b\n1,2\n', "x" * 2**21])
    )
    (folder / "a.csv").write_text(head)
    return "qpos"


def odd_place(draw, folder):
    folder.mkdir()
    kind = draw(st.sampled_from(["empty", "folders", "circle", "text", "self"]))
    if kind == "folders":
        (folder / "a.hdf5").mkdir()
    elif kind == "circle":
        (folder / draw(st.sampled_from(["a.hdf5", "a.npz", "a.csv", "meta"]))).symlink_to(folder / "b")
        (folder / "b").symlink_to(folder / "a.hdf5")
    elif kind == "text":
        (folder / "a.txt").write_text(json.dumps(draw(st.lists(st.integers(), max_size=3))))
    elif kind == "self":
        folder.rmdir()
        folder.symlink_to(folder)
    return "qpos"
