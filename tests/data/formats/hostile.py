"""Hostile sets: each case spoils a good set in one way that makes it unreadable, so that only an error can be right.

A case is a function `(draw, folder) → source`: it writes a set to `folder`, with what hypothesis draws, and gives the
series to ask for.
"""

import json

import h5py
import numpy as np
from hypothesis import strategies as st

from tests.data.formats import makers

# Layout → its maker, a file of it, and the dataset that holds joint positions.
HDF5 = {
    "native": (makers.native, "episode_0001.hdf5", "qpos"),
    "aloha": (makers.aloha, "episode_1.hdf5", "observations/qpos"),
    "robomimic": (makers.robomimic, "low_dim.hdf5", "data/demo_10/obs/robot0_joint_pos"),
    "robosuite": (makers.robosuite, "demo.hdf5", "data/demo_2/states"),
}
ACTIONS = {
    "native": "action",
    "aloha": "action",
    "robomimic": "data/demo_10/actions",
    "robosuite": "data/demo_2/actions",
}
ROWS = 9


def truncated(draw, folder):
    _, maker = draw(st.sampled_from([pair for pair in makers.all_sets() if pair[0] != "csv"]))
    maker(folder)
    # Tasks are not read, and a list of episodes may be cut between two lines.
    files = [file for file in makers.written(folder) if file.name not in ("tasks.parquet", "episodes.jsonl")]
    file = draw(st.sampled_from(files))
    whole = file.read_bytes()
    file.write_bytes(whole[: draw(st.integers(0, len(whole.rstrip()) - 1))])
    return "qpos"


def overwritten(draw, folder):
    _, maker = draw(st.sampled_from([pair for pair in makers.all_sets() if pair[0] not in ("csv", "robosuite")]))
    maker(folder)
    files = [file for file in makers.written(folder) if file.name != "tasks.parquet"]
    # No letter or digit first: never a table, nor JSON.
    draw(st.sampled_from(files)).write_bytes(b"!" + draw(st.binary(max_size=300)))
    return "qpos"


def _opened(draw, folder):
    layout = draw(st.sampled_from(sorted(HDF5)))
    maker, name, key = HDF5[layout]
    maker(folder)
    return layout, folder / name, key


def bare(draw, folder):
    _, file, key = _opened(draw, folder)
    with h5py.File(file, "r+") as handle:
        del handle[draw(st.sampled_from([key, key.split("/")[0]]))]
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
    good = HDF5[layout][0](folder.parent / "outside") / file.name
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
            handle[key] = h5py.ExternalLink(draw(st.sampled_from([str(good), "../outside/" + file.name])), key)
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
        # Of simulator states only the columns of driven joints are read: the ninth to the eleventh.
        column = draw(st.integers(9, 11) if layout == "robosuite" else st.integers(0, rows.shape[1] - 1))
        rows[draw(st.integers(0, len(rows) - 1)), column] = value
        del handle[key]
        handle[key] = rows
    return "qpos"


def no_action(draw, folder):
    layout, file, _ = _opened(draw, folder)
    key = ACTIONS[layout]
    n = draw(st.integers(1, 60).filter(lambda count: count != ROWS))
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
    layout = draw(st.sampled_from(["robomimic", "robosuite"]))
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
    layout = draw(st.sampled_from(["robomimic", "robosuite"]))
    maker, name, _ = HDF5[layout]
    maker(folder)
    said = draw(st.sampled_from(["{", "[" * 50_000, '{"a":' * 9_000, "nul", "", "1" * 5000, '"\\ud8"', "\x01"]))
    with h5py.File(folder / name, "r+") as handle:
        attributes = handle["data"].attrs
        attributes["env_args" if layout == "robomimic" else "env_info"] = said
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
