"""Ways out of tables, archives, stores and LeRobot sets that cannot be read."""

import io
import json
import subprocess
import sys
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ate.data import load
from ate.data.formats import archive, lerobot_v1, lerobot_writer, zarr
from tests.conftest import write_episode
from tests.data.formats import makers, recorded, variants
from tests.data.formats.truth import LENGTHS, NAMES, truth
from tests.ways.taking import read, way


def _header(file, line):
    rows = file.read_text().splitlines()
    file.write_text("\n".join([line, *rows[1:]]) + "\n")


@way("data/formats/csv.py _episodes")
def _(p):
    makers.csv(p.set)
    for file in p.set.iterdir():
        _header(file, "vel_a,vel_b,vel_c,effort_a,effort_b,effort_c,force_d")
    columns = yield lambda: read(p.set), r"--joints (\S+)"
    read(p.set, joints=columns.split(","))
    p.ate("doctor", p.set, "--joints", columns)


@way("data/formats/csv.py _names")
def _(p):
    makers.csv(p.set)
    file = p.set / "episode_1.csv"
    first = file.read_text().splitlines()[0]
    _header(file, first.replace("elbow", "shoulder"))
    yield lambda: read(p.set), "name the columns after the joints"
    _header(file, first)
    read(p.set)


@way("data/formats/csv.py _names#2")
def _(p):
    makers.csv(p.set, header=False)
    (p.path / "arm.toml").write_text(_PROFILE)
    parameter, option = yield lambda: read(p.set), r"\((\w+)=…, (--\w+)\)"
    read(p.set, **{parameter: str(p.path / "arm.toml")})
    p.ate("doctor", p.set, option, p.path / "arm.toml")
    yield lambda: read(p.set), "write a first line with the joints' names"
    for file in p.set.iterdir():
        file.write_text(",".join(NAMES) + "\n" + file.read_text())
    read(p.set)


_PROFILE = 'title = "An arm"\nsource = "a test"\n' + "".join(
    f'[[joints]]\nname = "{name}"\nunit = "rad"\n' for name in NAMES
)


@way("data/formats/csv.py _names#3")
def _(p):
    makers.csv(p.set, header=False)
    (p.path / "arm.toml").write_text(_PROFILE)
    yield lambda: read(p.set, robot="panda"), "name the profile of the robot that was recorded, or write a header"
    read(p.set, robot=str(p.path / "arm.toml"))
    for file in p.set.iterdir():
        file.write_text(",".join(NAMES) + "\n" + file.read_text())
    read(p.set, robot=str(p.path / "arm.toml"))


@way("data/formats/episode_ends.py by_number")
def _(p):
    file = variants.many_in_one_table(p.set) / "demos.csv"
    head, *rows = file.read_text().splitlines()
    file.write_text("\n".join([head, rows[-1], *rows[:-1]]) + "\n")
    yield lambda: read(p.set), "sort the rows by episode, then by time"
    file.write_text("\n".join([head, *sorted(rows, key=lambda row: [float(c) for c in row.split(",")[:2]])]) + "\n")
    read(p.set)


@way("data/formats/ros.py _joints")
def _(p):
    makers.csv(p.set)
    layout = yield lambda: read(p.set, layout="ros"), r"name the layout (\w+)"
    read(p.set, layout=layout)


@way("data/formats/ros.py _said")
def _(p):
    recorded.joint_states(p.set)
    file = p.set / "episode_1.csv"
    rows = file.read_text().splitlines()
    other = [row.replace("shoulder", "wheel") if i % 2 else row for i, row in enumerate(rows)]
    file.write_text("\n".join(other) + "\n")
    yield lambda: read(p.set), "keep the rows of one of them"
    file.write_text("\n".join([rows[0], *(row for row in other[1:] if "shoulder" in row)]) + "\n")
    read(p.set)


def _cells(p, change):
    file = makers.csv(p.set) / "episode_1.csv"
    rows = file.read_text().splitlines()
    file.write_text("\n".join(change(rows)) + "\n")
    return file


@way("data/formats/table.py _no_number")
def _(p):
    file = _cells(p, lambda rows: [*rows[:3], rows[3].replace(rows[3].split(",")[2], "x"), *rows[4:]])
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)
    rows = next(truth(1)).tolist()
    text = "\n".join(["a;b;c", *(";".join(str(x).replace(".", ",") for x in row) for row in rows)]) + "\n"
    file.write_text(text)
    command = yield lambda: read(p.set), r"python -c (\".*\")$"
    command = command.replace("IN.csv", str(file)).replace("OUT.csv", str(p.path / "out/episode_1.csv"))
    (p.path / "out").mkdir()
    subprocess.run(f"{sys.executable} -c {command}", shell=True, check=True)
    read(p.path / "out")
    makers.csv(p.set)
    whole = file.read_text().splitlines()
    file.write_text("\n".join([whole[0], ",".join(["s", *["rad"] * 6]), *whole[1:]]) + "\n")
    yield lambda: read(p.set), "delete this line of words"
    file.write_text("\n".join(whole) + "\n")
    read(p.set)


@way("data/formats/table.py _odd")
def _(p):
    _cells(p, lambda rows: [*rows[:3], rows[3] + ",1", *rows[4:]])
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)


@way("data/formats/json.py _parsed")
def _(p):
    recorded.json_lists(p.set)
    file = p.set / "episode_1.json"
    whole = file.read_text()
    episodes = load(p.set)
    file.unlink()
    name = yield lambda: episodes[1].read("qpos"), r"exclude (\S+)"
    read(p.set)
    yield lambda: episodes[1].read("qpos"), "restore the file"
    file.write_text(whole)
    p.without(name)
    episodes[1].read("qpos")
    read(p.set)


@way("data/formats/json.py _of")
def _(p):
    recorded.json_lists(p.set)
    file = p.set / "episode_1.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({"arm": content["qpos"], "note": "x"}))
    key = yield lambda: read(p.set), r"write \{'(\w+)': \[\[…\], …\]\}"
    file.write_text(json.dumps({**content, key: content["qpos"]}))
    read(p.set)


@way("data/formats/json.py _matrix")
def _(p):
    recorded.json_lists(p.set)
    file = p.set / "episode_1.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "qpos": [*content["qpos"][:-1], [1.0]]}))
    yield lambda: read(p.set), "as many numbers in every step"
    file.write_text(json.dumps(content))
    read(p.set)


@way("data/formats/jsonfile.py _unreadable")
def _(p):
    makers.lerobot_v2(p.set)
    file = p.set / "meta/info.json"
    whole = file.read_text()
    file.write_text(whole[:-5])
    yield lambda: read(p.set), "restore the file from the original set"
    file.write_text(whole)
    read(p.set)


def _resaved(file, **changed):
    arrays = dict(np.load(file, allow_pickle=True))
    np.savez(file, **{**arrays, **changed})


@way("data/formats/npz.py _episodes")
def _(p):
    makers.npz(p.set)
    rows = next(truth(1))
    np.savez(p.set / "episode_1.npz", x=rows)
    key = yield lambda: read(p.set), r"save them as '(\w+)', one row a step and one column a joint"
    np.savez(p.set / "episode_1.npz", **{key: rows}, joint_names=np.array(NAMES))
    read(p.set)


@way("data/formats/npz.py _episodes#2")
def _(p):
    p.set.mkdir()
    both = [next(truth(number)) for number in range(2)]
    ragged = np.empty(2, object)
    ragged[:] = both
    np.savez(p.set / "all.npz", qpos=ragged)
    ends = yield lambda: read(p.set), r"all rows in one array with '(\w+)'"
    np.savez(p.set / "all.npz", qpos=np.concatenate(both), **{ends: np.cumsum(LENGTHS)})
    read(p.set)
    np.savez(p.set / "all.npz", qpos=ragged)
    yield lambda: read(p.set), "save one archive an episode"
    (p.set / "all.npz").unlink()
    for number, rows in enumerate(both):
        np.savez(p.set / f"episode_{number}.npz", qpos=rows)
    read(p.set)


@way("data/formats/npz.py _ends")
def _(p):
    file = makers.npz_packed(p.set) / "all.npz"
    _resaved(file, episode_ends=np.array([5]))
    yield lambda: read(p.set), "write the row after the last of each episode"
    _resaved(file, episode_ends=np.cumsum(LENGTHS))
    read(p.set)


@way("data/formats/npz.py _padded")
def _(p):
    p.set.mkdir()
    for lengths in (np.array([9, 4]), None):
        more = {} if lengths is None else {"episode_lengths": lengths}
        np.savez(p.set / "all.npz", qpos=np.ones((2, 9, 3), "f4"), action=np.ones((2, 9, 3), "f4"), **more)
        line = yield lambda: read(p.set), r"^(import numpy.*?\))(?: \(put|$)"
        exec(line.replace("IN.npz", str(p.set / "all.npz")).replace("OUT.npz", str(p.set / "all.npz")), {})
        assert list(load(p.set).lengths) == ([9, 4] if lengths is not None else [9, 9])


@way("data/formats/archive.py headers")
def _(p):
    p.patch.setattr(archive, "_MOST_MEMBERS", 3)
    makers.npz(p.set)
    yield lambda: read(p.set), "save fewer, larger arrays"
    for number in range(2):
        qpos, action = truth(number)
        np.savez(p.set / f"episode_{number}.npz", qpos=qpos, action=action)
    read(p.set)


@way("data/formats/archive.py headers#2")
def _(p):
    makers.npz(p.set)
    file = p.set / "episode_1.npz"
    whole = file.read_bytes()
    stream = io.BytesIO()
    np.save(stream, next(truth(1)))
    with ZipFile(file, "w") as handle:
        handle.writestr("qpos.npy", stream.getvalue()[:-10])
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)
    yield lambda: read(p.set), "save it again"
    file.write_bytes(whole)
    read(p.set)


@way("data/formats/archive.py _bytes")
def _(p):
    file = makers.npz(p.set) / "episode_1.npz"
    with archive.opened(file) as handle:
        header = archive.headers(handle, file)["qpos"]
    with ZipFile(file) as handle:
        stored = handle.read("qpos.npy")
    cut = io.BytesIO(stored[:-10])
    yield lambda: archive._bytes(cut, header, 0, header.bytes, file), "re-copy the file"
    assert archive._bytes(io.BytesIO(stored), header, 0, header.bytes, file)


def _store(p):
    import zarr as library

    recorded.replay_buffer(p.set)
    return library.open_group(str(p.set / "replay_buffer.zarr"), mode="r+")


@way("data/formats/zarr.py _checked")
def _(p):
    root = _store(p)
    root["data/timestamp"][:] = 1 + np.arange(sum(LENGTHS))
    p.patch.setattr(zarr, "_MOST_CHUNK", 60)
    yield lambda: read(p.set), "save the store again, in smaller chunks"
    for name in ("data/robot_joint", "data/action", "data/timestamp", "meta/episode_ends"):
        values = root[name][:]
        del root[name]
        root.create_array(name, data=values, chunks=(1, *values.shape[1:]))
    read(p.set)


@way("data/formats/zarr.py _checked#2")
def _(p):
    _store(p)
    chunk = p.set / "replay_buffer.zarr/data/robot_joint/0.0"
    whole = chunk.read_bytes()
    chunk.unlink()
    yield lambda: read(p.set), "copy the store again, whole"
    chunk.write_bytes(whole)
    read(p.set)
    # Rows of zeros, which zarr 3 does not write unless it is asked to.
    root = _store(p)
    del root["data/robot_joint"]
    zeros = np.zeros((sum(LENGTHS), 3), "f4")
    root.create_array("data/robot_joint", data=zeros, chunks=(7, 3))
    option = yield lambda: read(p.set), r"(config=\{.*\})"
    del root["data/robot_joint"]
    root.create_array("data/robot_joint", data=zeros, chunks=(7, 3), config=eval(option.removeprefix("config=")))
    read(p.set)


@way("data/formats/zarr.py _positions")
def _(p):
    root = _store(p)
    values = root["data/robot_joint"][:]
    del root["data/robot_joint"]
    key = yield lambda: read(p.set), r"save the positions in the store as '([\w/]+)', with a row a step"
    root.create_array(key, data=values, chunks=(7, 3))
    read(p.set)


@way("data/formats/zarr.py _width")
def _(p):
    import zarr as library

    p.set.mkdir()
    root = library.open_group(str(p.set / "umi.zarr"), mode="w", zarr_format=2)
    count = sum(LENGTHS)
    root.create_array("meta/episode_ends", data=np.cumsum(LENGTHS), chunks=(2,))
    root.create_array("data/robot0_eef_pos", data=np.ones((count, 3), "f4"), chunks=(7, 3))
    root.create_array("data/robot0_eef_rot_axis_angle", data=np.ones((3, 3), "f4"), chunks=(7, 3))
    yield lambda: read(p.set), "save the store again"
    del root["data/robot0_eef_rot_axis_angle"]
    root.create_array("data/robot0_eef_rot_axis_angle", data=np.ones((count, 3), "f4"), chunks=(7, 3))
    read(p.set)


@way("data/formats/zarr.py _ends")
def _(p):
    root = _store(p)
    root["meta/episode_ends"][:] = np.array([5, 9])
    yield lambda: read(p.set), "write the row after the last of each episode"
    root["meta/episode_ends"][:] = np.cumsum(LENGTHS)
    read(p.set)


@way("data/formats/zarr.py _without_ends")
def _(p):
    root = _store(p)
    arrays = {name.split("/")[1]: root[name][:] for name in ("data/robot_joint", "data/action", "meta/episode_ends")}
    hidden = p.set / "replay_buffer.zarr/meta/episode_ends/.zarray"
    text = hidden.read_bytes()
    hidden.unlink()
    line = yield lambda: read(p.set), r"(np\.savez\(.*\))"
    for key, name in (("qpos", "robot_joint"), ("action", "action"), ("episode_ends", "episode_ends")):
        line = line.replace(f"{key}=…", f"{key}=arrays[{name!r}]")
    (p.path / "out").mkdir()
    exec(line.replace("all.npz", str(p.path / "out/all.npz")), {"np": np, "arrays": arrays})
    read(p.path / "out")
    command = yield lambda: read(p.set), r"\((cp -r)\b"
    hidden.write_bytes(text)
    subprocess.run([*command.split(), str(p.set), str(p.path / "copy")], check=True)
    read(p.path / "copy")


@way("data/formats/zarr.py _without_ends#2")
def _(p):
    root = _store(p)
    del root["meta/episode_ends"]
    yield lambda: read(p.set), "write the row after the last of each episode to it"
    root.create_array("meta/episode_ends", data=np.cumsum(LENGTHS), chunks=(2,))
    read(p.set)


@way("data/formats/companions.py pair")
def _(p):
    for number in range(2):
        write_episode(p.set, number, next(truth(number)))
    name, value = yield lambda: load(p.set, source="action"), r"use (\w+)='(\w+)', or record the commands"
    read(p.set, **{name: value})
    for number in range(2):
        qpos, action = truth(number)
        write_episode(p.set, number, qpos, action=action)
    read(p.set, source="action")


def _info(p, **changed):
    file = p.set / "meta/info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


@way("data/formats/lerobot.py _episode")
def _(p):
    makers.lerobot_v2(p.set)
    file = p.set / "data/chunk-001/episode_000001.parquet"
    whole = pq.read_table(file)
    pq.write_table(whole.slice(0, 4), file)
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)
    yield lambda: read(p.set), "fetch the file again"
    pq.write_table(whole, file)
    read(p.set)


@way("data/formats/lerobot.py _series")
def _(p):
    makers.lerobot_v2(p.set)
    file = p.set / "data/chunk-001/episode_000001.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["observation.state"]), file)
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)


@way("data/formats/lerobot.py _series#2")
def _(p):
    makers.lerobot_v2(p.set)
    info = json.loads((p.set / "meta/info.json").read_text())
    wide = json.loads(json.dumps(info["features"]))
    wide["observation.state"] = {"dtype": "float32", "shape": [10**6], "names": None}
    from ate.data.formats import lerobot

    p.patch.setattr(lerobot, "MOST_BYTES", 1000)
    _info(p, features=wide)
    yield lambda: read(p.set), "mend the metadata"
    _info(p, features=info["features"])
    read(p.set)


@way("data/formats/lerobot_features.py of")
def _(p):
    makers.lerobot_v2(p.set)
    for file in p.set.glob("data/*/*.parquet"):
        table = pq.read_table(file)
        renamed = {"observation.state": "arm.position"}
        pq.write_table(table.rename_columns([renamed.get(n, n) for n in table.column_names]), file)
    info = p.set / "meta/info.json"
    info.write_text(info.read_text().replace('"observation.state"', '"arm.position"'))
    keys = yield lambda: read(p.set), r"--layout '([^']+)'"
    read(p.set, layout=keys)
    p.ate("doctor", p.set, "--layout", keys)


def _lines(p, *lines):
    (p.set / "meta/episodes.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")


_FIRST, _SECOND = ({"episode_index": number, "tasks": ["lift"], "length": LENGTHS[number]} for number in range(2))


@way("data/formats/lerobot_meta.py _empty")
def _(p):
    makers.lerobot_v2(p.set)
    _lines(p, _FIRST, {**_SECOND, "length": 0})
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)


@way("data/formats/lerobot_meta.py _twice")
def _(p):
    makers.lerobot_v2(p.set)
    _lines(p, _FIRST, _SECOND, {**_SECOND, "length": 3})
    name = yield lambda: read(p.set), r"exclude '([^']+)'"
    p.without(name)
    yield lambda: read(p.set), "delete the line that does not have the rows of its file"
    _lines(p, _FIRST, _SECOND)
    read(p.set)


@way("data/formats/lerobot_meta.py _odd")
def _(p):
    makers.lerobot_v2(p.set)
    _lines(p, _FIRST, _SECOND, {"episode_index": "x"})
    name = yield lambda: read(p.set), r"exclude '([^']+)'"
    p.without(name)
    _info(p, codebase_version="v9")
    yield lambda: read(p.set), "restore the metadata from the original set"
    _info(p, codebase_version="v2.1")
    p.without(name)


@way("data/formats/lerobot_rows.py _placed")
def _(p):
    makers.lerobot_v3(p.set)
    file = p.set / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(file).slice(0, 15), file)
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)


@way("data/formats/lerobot_v1.py index")
def _(p):
    recorded.lerobot_v1(p.set)
    file = next(p.set.glob("data/*.parquet"))
    table = pq.read_table(file)
    file.unlink()
    line = yield lambda: read(p.set), r"(datasets\.load_from_disk\(.*\))$"
    assert line.startswith("datasets.load_from_disk('train').to_parquet(")
    pq.write_table(table, p.set / line.split("'")[3])
    read(p.set)


@way("data/formats/lerobot_v1.py _episodes")
def _(p):
    p.set.mkdir()
    rows = next(truth(0))
    file = p.set / "train.parquet"
    pq.write_table(pa.table({name: rows[:, j] for j, name in enumerate(NAMES)}), file)
    line = yield lambda: read(p.set), r"(pandas\..*\))$"
    import pandas

    exec(line, {"pandas": pandas, "FILE": str(file)})
    file.unlink()
    read(p.set)
    for table in p.set.iterdir():
        table.unlink()
    pq.write_table(pa.table({"joints": rows.tolist()}), file)
    yield lambda: read(p.set), "name the column of positions so"
    pq.write_table(pa.table({"qpos": rows.tolist()}), file)
    read(p.set)


@way("data/formats/lerobot_v1.py _episodes#2")
def _(p):
    variants.lone_parquet(p.set)
    p.patch.setattr(lerobot_v1, "_MOST_ROWS", 15)
    yield lambda: read(p.set), "write a file for each part of the set"
    file = p.set / "train.parquet"
    whole = pq.read_table(file)
    for number, (start, count) in enumerate(((0, LENGTHS[0]), LENGTHS)):
        pq.write_table(whole.slice(start, count), p.set / f"train-{number}.parquet")
    file.unlink()
    read(p.set)


@way("data/formats/lerobot_v1.py _parts")
def _(p):
    file = variants.lone_parquet(p.set) / "train.parquet"
    table = pq.read_table(file)
    table = table.append_column("frame_index", pa.array([*range(LENGTHS[0]), *range(LENGTHS[1])]))
    pq.write_table(pa.concat_tables([table.slice(15), table.slice(0, 15)]), file)
    columns = yield lambda: read(p.set), r"sort the table by (\w+) and (\w+)"
    pq.write_table(pq.read_table(file).sort_by([(name, "ascending") for name in columns]), file)
    read(p.set)


@way("data/formats/lerobot_v1.py _width")
def _(p):
    recorded.lerobot_v1(p.set)
    file = next(p.set.glob("data/*.parquet"))
    pq.write_table(pa.table({"qpos": pa.array([[], []], pa.list_(pa.float32()))}), file.with_name("odd.parquet"))
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)


@way("data/formats/lerobot_v1.py _series")
def _(p):
    file = variants.lone_parquet(p.set) / "train.parquet"
    p.patch.setattr(lerobot_v1, "MOST_BYTES", 10 * 3 * 8)
    yield lambda: read(p.set), "cut the recording into episodes"
    whole = pq.read_table(file).drop_columns(["episode_index"])
    number = pa.array(np.arange(len(whole)) // 5)
    pq.write_table(whole.append_column("episode_index", number), file)
    read(p.set)


@way("data/formats/lerobot_writer.py write")
def _(p):
    qpos, action = truth(0)
    write_episode(p.set, 0, qpos, action=action, robot="arm")
    (p.path / "out").mkdir()
    key = yield lambda: lerobot_writer.write(load(p.set), p.path / "out"), r"record (\w+), or write the native format"
    p.ate("convert", p.set, p.path / "native")
    read(p.path / "native")
    write_episode(p.set, 0, qpos, action=action, robot="arm", **{key: 20.0})
    lerobot_writer.write(load(p.set), p.path / "out")
    read(p.path / "out")


@way("data/formats/parquet.py Window._wrong")
def _(p):
    makers.lerobot_v2(p.set)
    file = p.set / "data/chunk-001/episode_000001.parquet"
    table = pq.read_table(file)
    odd = table["observation.state"].to_pylist()
    odd[3] = [1.0]
    column = pa.array(odd, pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.column_names.index("observation.state"), "observation.state", column), file)
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)


@way("data/formats/refusal.py nothing")
def _(p):
    rows = next(truth(0))
    folder = p.set
    folder.mkdir()
    np.save(folder / "a.npy", rows)
    line = yield lambda: read(folder), r"^(np\.savez\(.*?\)\)),"
    exec(line, {"np": np, "FILE": str(folder / "a.npy")})
    read(folder)
    (folder / "a.npz").unlink()
    (folder / "a.npy").unlink()
    table = "\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in rows.tolist())]) + "\n"
    for suffix in ("txt", "tsv"):
        (folder / f"a.{suffix}").write_text(table.replace(",", "\t") if suffix == "tsv" else table)
        command = yield lambda: read(folder), r"(for f in .*done)"
        subprocess.run(["bash", "-c", command], cwd=folder, check=True)
        read(folder)
        for file in folder.iterdir():
            file.unlink()
    steps = [{"qpos": row} for row in rows.tolist()]
    (folder / "a.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    line = yield lambda: read(folder), r"(json\.dump\(.*\))$"
    exec(line, {"json": json, "FILE": str(folder / "a.jsonl"), "OUT": str(folder / "a.json")})
    read(folder)


@way("data/formats/refusal.py nothing")
def _(p):
    import torch

    inside = makers.csv(p.path / "inside")
    p.set.mkdir()
    for packing, suffix in ((["tar", "-cf"], "tar"), (["tar", "-czf"], "tar.gz"), (["zip", "-rq"], "zip")):
        file = p.set / f"set.{suffix}"
        if suffix == "zip":
            with ZipFile(file, "w") as handle:
                for path in inside.iterdir():
                    handle.write(path, path.name)
        else:
            subprocess.run([*packing, str(file), *(path.name for path in inside.iterdir())], cwd=inside, check=True)
        command = yield lambda: read(p.set), r"\b(tar -xz?f FILE|unzip)\b"
        if command.startswith("tar"):
            subprocess.run(command.replace("FILE", file.name).split(), cwd=p.set, check=True)
        else:
            # What the program unzip does; it is not installed everywhere.
            ZipFile(file).extractall(p.set)
        read(p.set)
        for path in p.set.iterdir():
            path.unlink()
    rows = torch.from_numpy(next(truth(0)))
    torch.save({"q": rows}, p.set / "a.pt")
    opened, saved = yield lambda: read(p.set), r"^(torch\.load\(.*?\)), then save (np\.savez\(.*?\)),"
    content = eval(opened, {"torch": torch, "FILE": str(p.set / "a.pt")})
    saved = saved.replace("qpos=…", "qpos=content['q']").replace(", action=…", "")
    exec(saved.replace("'episode", f"'{p.set}/episode"), {"np": np, "content": content})
    read(p.set)
    for path in p.set.iterdir():
        path.unlink()
    import scipy.io

    scipy.io.savemat(p.set / "a.mat", {"q": rows.numpy()})
    opened, saved = yield lambda: read(p.set), r"^(scipy\.io\.loadmat\(.*?\)), then save (np\.savez\(.*?\)),"
    content = eval(opened, {"scipy": scipy, "FILE": str(p.set / "a.mat")})
    saved = saved.replace("qpos=…", "qpos=content['q']").replace(", action=…", "")
    exec(saved.replace("'episode", f"'{p.set}/episode"), {"np": np, "content": content})
    read(p.set)


@way("data/formats/refusal.py nothing#2")
def _(p):
    makers.native(p.set)
    (p.set / "notes.md").write_text("x")
    yield lambda: load(p.set / "notes.md"), "name the folder of one robot's episodes"
    read(p.set)


@way("data/formats/refusal.py nothing#3")
def _(p):
    makers.native(p.set / "one/inside")
    yield lambda: load(p.set), "name the folder of one robot's episodes"
    read(p.set / "one/inside")
    yield lambda: load(p.set), "else copy them into one"
    (p.path / "one").mkdir()
    for file in (p.set / "one/inside").iterdir():
        (p.path / "one" / file.name).write_bytes(file.read_bytes())
    read(p.path / "one")
