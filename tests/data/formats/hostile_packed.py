"""Hostile sets of the packed layouts, LeRobot and npz; see `hostile`."""

import io
import json
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.data.formats import makers

V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_FILE = "data/chunk-001/episode_000001.parquet"
V3_FILE = "data/chunk-000/file-000.parquet"
STATE = "observation.state"


def odd_info(draw, folder):
    makers.lerobot_v2(folder)
    deep = draw(st.integers(20_000, 200_000))
    odd = st.sampled_from([None, -1, 0, "x", [], {}, [[]], 1.5, 10**30, True])
    feature = {"dtype": "float32", "names": None}
    shapes = st.sampled_from([[4], [-3], [10**9], [3, 1], [], None, 3, ["3"], [True], [3.0]])
    said = draw(
        st.one_of(
            st.sampled_from(["", "[]", "3", "{", "[" * deep, '{"a":' * deep, '{"a": ' + "9" * 9_000 + "}", "\ufeff{}"]),
            odd.map(lambda value: makers.info("v2.1", V2, codebase_version=value)),
            odd.filter(lambda v: v is not None).map(lambda value: makers.info("v2.1", V2, features=value)),
            st.sampled_from([None, 0, -1, "x", [], 1.5, 10**30]).map(lambda v: makers.info("v2.1", V2, chunks_size=v)),
            shapes.map(lambda shape: makers.info("v2.1", V2, features={STATE: {**feature, "shape": shape}})),
        )
    )
    (folder / "meta" / "info.json").write_text(said)
    return "qpos"


def odd_template(draw, folder):
    makers.lerobot_v2(folder)
    for number in range(2):
        pq.write_table(makers.frames(number), folder.parent / f"{number}.parquet")
    outside = str(folder.parent)
    template = draw(
        st.sampled_from(
            ["../{episode_index}.parquet", outside + "/{episode_index}.parquet", "data/../../{episode_index}.parquet",
             "{episode_index.__class__}", "{episode_index!r}", "{0}", "{}", "{", "}", "{episode_index:>999999999}",
             "data/{video_key}.parquet", "a\0", 7, [], {"a": 1}, "x" * 5000, "data", ".", "~/{episode_index}.parquet"]
        )
    )  # fmt: skip
    (folder / "meta" / "info.json").write_text(makers.info("v2.1", template))
    return "qpos"


def odd_listing(draw, folder):
    makers.lerobot_v2(folder)
    listing = folder / "meta" / "episodes.jsonl"
    odd = st.sampled_from([None, -1, 1.5, "1", [], True, 10**30, 10**13, float("nan")])
    entry = st.fixed_dictionaries({"episode_index": st.one_of(st.just(1), odd), "length": odd})
    line = draw(st.one_of(entry.map(json.dumps), st.sampled_from(["{", "[]", "7", "[" * 50_000, '{"a":' * 50_000])))
    first = listing.read_text().splitlines()[0]
    listing.write_text(f"{first}\n{line}\n")
    return "qpos"


def odd_places(draw, folder):
    makers.lerobot_v3(folder)
    odd = st.sampled_from([None, -1, 1.5, "0", [], 10**12, 10**18])
    key = draw(st.sampled_from(["episode_index", "length", "data/chunk_index", "data/file_index"]))
    value = draw(odd)
    row = {"episode_index": [0], "length": [12], "data/chunk_index": [0], "data/file_index": [0]}
    if draw(st.booleans()):
        row[key] = [value]
    else:
        # Columns that are missing, or rows of the data that no episode owns.
        del row[key]
    pq.write_table(pa.table(row), folder / "meta/episodes/chunk-000/file-000.parquet")
    return "qpos"


def odd_rows(draw, folder):
    version = draw(st.sampled_from([2, 3]))
    if version == 2:
        makers.lerobot_v2(folder)
        file, table = folder / V2_FILE, makers.frames(1)
    else:
        makers.lerobot_v3(folder)
        file, table = folder / V3_FILE, pa.concat_tables([makers.frames(n) for n in range(2)])
    n = len(table)
    rows = np.zeros((n, 3)).tolist()
    rows[draw(st.integers(0, n - 1))] = draw(
        st.sampled_from(
            [
                [0.0] * 2,
                [0.0] * 4,
                [],
                None,
                [0.0, None, 0.0],
                [0.0, 0.0, float("nan")],
                [float("inf")] * 3,
                [1e305] * 3,
            ]
        )
    )
    kind = draw(
        st.sampled_from(["rows", "strings", "truths", "numbers", "structs", "deep", "short", "long", "gone", "other"])
    )
    made = {
        "rows": lambda: pa.array(rows, pa.list_(pa.float64())),
        "strings": lambda: pa.array([["a"] * 3] * n),
        "truths": lambda: pa.array([[True] * 3] * n),
        "numbers": lambda: pa.array([0.0] * n),
        "structs": lambda: pa.array([{"x": 1.0}] * n),
        "deep": lambda: pa.array([[[0.0]] * 3] * n),
    }
    column = table.schema.get_field_index(STATE)
    if kind in made:
        table = table.set_column(column, STATE, made[kind]())
    elif kind == "gone":
        table = table.remove_column(column)
    elif kind == "other":
        owners = pa.array(np.full(n, draw(st.integers(7, 10**12))))
        table = table.set_column(table.schema.get_field_index("episode_index"), "episode_index", owners)
    else:
        keep = draw(st.integers(0, n - 1))
        table = table.slice(0, keep) if kind == "short" else pa.concat_tables([table, table.slice(0, keep + 1)])
    pq.write_table(table, file, row_group_size=draw(st.integers(1, 40)))
    return "qpos"


def odd_footer(draw, folder):
    """Bytes of a parquet footer changed: whatever is then promised, the values are not there."""
    makers.lerobot_v2(folder)
    file = folder / V2_FILE
    raw = bytearray(file.read_bytes())
    size = draw(st.sampled_from([0, 1, len(raw), 2**31 - 1, 2**32 - 1]))
    raw[-8:-4] = struct.pack("<I", size)
    file.write_bytes(raw)
    return "qpos"


def linked_out(draw, folder):
    makers.lerobot_v2(folder)
    outside = makers.lerobot_v2(folder.parent / "outside")
    name = draw(st.sampled_from(["data", "data/chunk-001", V2_FILE]))
    here = folder / name
    here.rename(folder.parent / "moved")
    here.symlink_to(draw(st.sampled_from([outside / name, here, folder.parent / "nowhere"])))
    return "qpos"


def _npy(shape, descr="<f4", body=0, fortran=False):
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(body)


def odd_header(draw, folder):
    """Headers of arrays that promise other sizes, types or shapes than are stored, or are no headers."""
    folder.mkdir()
    n = draw(st.integers(1, 400))
    rows = 10 ** draw(st.integers(4, 18))
    raw = draw(
        st.sampled_from(
            [_npy(f"({rows}, 7)", body=n), _npy(f"({n}, 3)", body=12 * n - 1), _npy(f"({n}, 3)", body=12 * n + 1),
             _npy(f"(-{n}, 3)", body=n), _npy(f"({n}, -3)"), _npy(f"({2**63}, {2**63})"), _npy("()", body=4),
             _npy(f"({n},)", body=4 * n), _npy("(0, 3)"), _npy(f"({n}, 0)"), _npy(f"({n}, 3, 1)", body=12 * n),
             _npy(f"({n}, 3)", "|O", 24 * n), _npy(f"({n}, 3)", "<U4", 48 * n), _npy(f"({n}, 3)", "|V4", 12 * n),
             _npy(f"({n}, 3)", [("a", "<f4")], 12 * n), _npy(f"({n}, 3)", "<c8", 24 * n),
             _npy(f"({n}, 3)", "|b1", 3 * n),
             _npy(f"({n}, 3)", "nonsense"), _npy("(" * n), _npy("[" * 90 + "]" * 90), _npy("__import__('os').getpid()"),
             _npy(f"({n}, 'x')"), _npy(f"({n}, 3.0)"), _npy(f"({n}, 3), 'more': 1, 'a': (1,)"), b"", b"\x93NUMPY",
             b"\x93NUMPY\x09\x00" + bytes(n), b"not numpy" * n, b"\x93NUMPY\x01\x00\xff\xff" + b"{" * n,
             b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * n]
        )
    )  # fmt: skip
    packed = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    with zipfile.ZipFile(folder / "a.npz", "w", packed) as handle:
        handle.writestr("qpos.npy", raw)
    return "qpos"


def odd_archive(draw, folder):
    """Archives whose directory lies about their members, or whose arrays are not what is asked for."""
    folder.mkdir()
    n = draw(st.integers(2, 50))
    stream = io.BytesIO()
    np.savez_compressed(stream, qpos=np.arange(n * 3.0).reshape(n, 3))
    raw = bytearray(stream.getvalue())
    directory = raw.rindex(b"PK\x01\x02")
    kind = draw(st.sampled_from(["size", "flag", "method", "offset", "body", "names", "values", "ends", "objects"]))
    arrays = {}
    if kind == "size":
        struct.pack_into("<I", raw, directory + 24, draw(st.sampled_from([0, 1, 2**31, 2**32 - 2])))
    elif kind == "flag":
        raw[directory + 8] |= 1
    elif kind == "method":
        struct.pack_into("<H", raw, directory + 10, draw(st.sampled_from([0, 1, 12, 14, 93, 99])))
    elif kind == "offset":
        struct.pack_into("<I", raw, directory + 42, draw(st.sampled_from([1, 7, 2**20, 2**32 - 2])))
    elif kind == "body":
        start = draw(st.integers(60, 120))
        raw[start : start + 20] = b"\xff" * 20
    elif kind == "names":
        names = st.sampled_from(["../qpos", "qpos.npy/../x", "/qpos", "", "a" * 300, "actions", "QPOS"])
        arrays = {draw(names): np.zeros((n, 3))}
    elif kind == "values":
        qpos = np.zeros((n, 3))
        qpos[draw(st.integers(0, n - 1)), 1] = draw(st.sampled_from([np.nan, np.inf, 1e305, -1e39]))
        arrays = {"qpos": qpos}
    elif kind == "ends":
        ends = draw(
            st.sampled_from([[n - 1], [n + 1], [-1, n], [n, n], [1, 0, n], [float(n)], [], [[n]], ["a"], [2**62]])
        )
        arrays = {"qpos": np.zeros((n, 3)), "episode_ends": np.array(ends)}
    else:
        ragged = np.empty(n, object)
        ragged[:] = [np.zeros((k + 1, 3)) for k in range(n)]
        arrays = {"qpos": ragged}
    (folder / "a.npz").write_bytes(raw)
    if arrays:
        np.savez(folder / "a.npz", **arrays)
    return "qpos"


def no_action(draw, folder):
    folder.mkdir()
    n = draw(st.integers(2, 50))
    bad = draw(st.sampled_from([None, np.zeros((n + 1, 3)), np.zeros(n), np.zeros((n, 0)), np.full((n, 3), "x")]))
    np.savez(folder / "a.npz", qpos=np.zeros((n, 3)), **({} if bad is None else {"action": bad}))
    return "action"
