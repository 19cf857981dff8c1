"""Ways out of LeRobot sets that cannot be read."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ate.data import load
from ate.data.formats import lerobot_v1, lerobot_writer
from tests.conftest import write_episode
from tests.data.formats import makers, recorded, variants
from tests.data.formats.truth import LENGTHS, NAMES, truth
from tests.ways.taking import excluding, read, way


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


@excluding("data/formats/lerobot.py _series")
def _(p):
    makers.lerobot_v2(p.set)
    file = p.set / "data/chunk-001/episode_000001.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["observation.state"]), file)


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


@excluding("data/formats/lerobot_meta.py _empty")
def _(p):
    makers.lerobot_v2(p.set)
    _lines(p, _FIRST, {**_SECOND, "length": 0})


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


@excluding("data/formats/lerobot_rows.py _placed")
def _(p):
    makers.lerobot_v3(p.set)
    file = p.set / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(file).slice(0, 15), file)


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


@excluding("data/formats/lerobot_v1.py _width")
def _(p):
    recorded.lerobot_v1(p.set)
    file = next(p.set.glob("data/*.parquet"))
    pq.write_table(pa.table({"qpos": pa.array([[], []], pa.list_(pa.float32()))}), file.with_name("odd.parquet"))


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


@excluding("data/formats/parquet.py Window._wrong")
def _(p):
    makers.lerobot_v2(p.set)
    file = p.set / "data/chunk-001/episode_000001.parquet"
    table = pq.read_table(file)
    odd = table["observation.state"].to_pylist()
    odd[3] = [1.0]
    column = pa.array(odd, pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.column_names.index("observation.state"), "observation.state", column), file)
