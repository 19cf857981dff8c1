"""Ways out of npz archives and zarr stores that cannot be read."""

import io
import subprocess
from zipfile import ZipFile

import numpy as np

from ate.data import load
from ate.data.formats import archive, zarr_chunks
from tests.data.formats import makers, recorded
from tests.data.formats.truth import LENGTHS, NAMES, truth
from tests.ways.taking import read, way


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


@way("data/formats/zarr_chunks.py check_whole")
def _(p):
    root = _store(p)
    root["data/timestamp"][:] = 1 + np.arange(sum(LENGTHS))
    p.patch.setattr(zarr_chunks, "_MOST_CHUNK", 60)
    yield lambda: read(p.set), "save the store again, in smaller chunks"
    for name in ("data/robot_joint", "data/action", "data/timestamp", "meta/episode_ends"):
        values = root[name][:]
        del root[name]
        root.create_array(name, data=values, chunks=(1, *values.shape[1:]))
    read(p.set)


@way("data/formats/zarr_chunks.py check_whole#2")
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


@way("data/formats/zarr_chunks.py _check_lengths")
def _(p):
    _store(p)
    chunk = p.set / "replay_buffer.zarr/data/robot_joint/1.0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-10])
    yield lambda: read(p.set), "copy the store again, whole"
    chunk.write_bytes(whole)
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
