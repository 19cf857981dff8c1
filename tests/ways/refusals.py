"""Ways out of folders and files in which no recording is recognised."""

import json
import subprocess
from zipfile import ZipFile

import h5py
import numpy as np

from ate.data import load
from tests.data.formats import makers
from tests.data.formats.truth import NAMES, truth
from tests.ways.taking import read, way


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


@way("data/formats/layout.py refusing")
def _(p):
    file = makers.native(p.set) / "episode_0001.hdf5"
    whole = file.read_bytes()
    file.write_bytes(whole[:600])
    name = yield lambda: read(p.set), r"exclude (\S+)"
    p.without(name)
    yield lambda: read(p.set), "copy the file again"
    file.write_bytes(whole)
    read(p.set)


@way("data/formats/refusal.py unrecognised")
def _(p):
    p.set.mkdir()
    for number in range(2):
        with h5py.File(p.set / f"take_{number}.h5", "w") as handle:
            handle["arm/joint_positions"], handle["arm/commanded_positions"] = truth(number)
    keys = yield lambda: read(p.set), r"--layout '([^']+)'"
    read(p.set, layout=keys)
    p.ate("doctor", p.set, "--layout", keys)


@way("data/formats/reader.py reader_of")
def _(p):
    makers.native(p.set)
    name = yield lambda: load(p.path / "nowhere"), r"the folder that holds (\S+)"
    load(next(p.path.rglob(name)).parent)


@way("data/formats/layout.py confined")
def _(p):
    makers.lerobot_v2(p.set)
    (p.set / "data/chunk-001").rename(p.path / "kept")
    (p.set / "data/chunk-001").symlink_to(p.set / "data/chunk-001")
    yield lambda: read(p.set), "restore the file from the original set"
    (p.set / "data/chunk-001").unlink()
    (p.path / "kept").rename(p.set / "data/chunk-001")
    read(p.set)


@way("data/formats/layout.py confined#2")
def _(p):
    makers.lerobot_v2(p.set)
    (p.set / "data/chunk-001").rename(p.path / "elsewhere")
    (p.set / "data/chunk-001").symlink_to(p.path / "elsewhere")
    command = yield lambda: read(p.set), r"\((cp -rL)\)"
    subprocess.run([*command.split(), str(p.set), str(p.path / "copy")], check=True)
    read(p.path / "copy")
