"""Ways out of tables and JSON files that cannot be read."""

import json
import subprocess
import sys

from ate.data import load
from tests.data.formats import makers, recorded, variants
from tests.data.formats.truth import NAMES, truth
from tests.ways.taking import excluding, read, way


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


@way("data/formats/ros.py _listed")
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


@excluding("data/formats/table.py _odd")
def _(p):
    _cells(p, lambda rows: [*rows[:3], rows[3] + ",1", *rows[4:]])


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
