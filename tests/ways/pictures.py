"""Ways out of pictures and videos that cannot be read."""

import h5py
import numpy as np
import pyarrow.parquet as pq

from ate.data import load
from ate.data.cameras import clips
from tests.data import test_cameras as made
from tests.ways.taking import way


def _seen(p, **named):
    """Read the pictures of every camera of every episode."""
    episodes = load(p.set, **named)
    for index in range(len(episodes)):
        for clip in clips(episodes, index).values():
            clip.read(range(clip.rows))
    return len(episodes)


@way("data/clip.py decoded", "data/clip.py same_size")
def _(p):
    odd = b"no picture" if p.site.endswith("decoded") else made.packed(np.zeros((6, 8, 3), np.uint8), "PNG")

    def spoiled(handle, number):
        made.variable_bytes(handle, number)
        if number == 1:
            handle["observations/images/cam_high"][3] = np.frombuffer(odd, np.uint8)

    made.aloha_with(p.set, spoiled)
    again = "record the episode again" if p.site.endswith("decoded") else "write its pictures anew in one size"
    yield lambda: _seen(p), again
    named = yield lambda: _seen(p), r"(exclude) (?:it|the episode)"
    assert _seen(p, **{named: ["episode_1"]}) == 1
    with h5py.File(p.set / "episode_1.hdf5", "r+") as handle:
        handle["observations/images/cam_high"][3] = np.frombuffer(made.packed(made.pictures(1)[3], "PNG"), np.uint8)
    assert _seen(p) == 2


@way("data/formats/hdf5_pictures.py Hdf5Clip._dataset")
def _(p):
    episodes, camera = made.aloha_with(p.set, made.variable_bytes)
    clip = clips(episodes, 0)[camera]
    with h5py.File(clip.file, "r+") as handle:
        handle.move(clip.key, "observations/images/cam_low")
    yield lambda: clip.read([0]), "load the set again"
    assert list(clips(load(p.set), 0)) == ["cam_low"]
    _seen(p)


@way("data/formats/parquet_pictures.py ParquetClip._odd")
def _(p):
    episodes, camera = made.lerobot_pictures(p.set, "v2")
    file = clips(episodes, 1)[camera].file
    whole = file.read_bytes()
    pq.write_table(pq.read_table(file).drop_columns([camera]), file)
    named = yield lambda: _seen(p), r"or (exclude) the episode"
    assert _seen(p, **{named: [episodes[1].name]}) == 1
    yield lambda: _seen(p), "fetch the file again"
    file.write_bytes(whole)
    assert _seen(p) == 2


@way("data/formats/zarr_pictures.py ZarrClip.read")
def _(p):
    import zarr

    episodes, camera = made.zarr_arrays(p.set)
    root = zarr.open_group(str(p.set / "replay_buffer.zarr"), mode="a")
    root[f"data/{camera}"][-1] = 300.0
    named = yield lambda: _seen(p), r"or (exclude) the episode"
    assert _seen(p, **{named: [episodes[1].name]}) == 1
    kind = yield lambda: _seen(p), r"save the pictures as (\w+)"
    del root[f"data/{camera}"]
    whole = np.concatenate([made.pictures(number) for number in range(2)])
    root.create_array(f"data/{camera}", data=whole.astype(kind), chunks=(5, 12, 16, 3))
    assert _seen(p) == 2


@way("data/video.py Video._opened", "data/video.py Video._missing")
def _(p):
    made.lerobot_v2(p.set)
    files = [p.set / f"videos/chunk-{n:03d}/{made.KEY}/episode_{n:06d}.mp4" for n in range(2)]
    for number, file in enumerate(files):
        made.video(file, made.shades(number))
    made.described(p.set, fps=made.RATE)
    episodes = load(p.set)
    clip, whole = clips(episodes, 0)["observation.images.top"], files[0].read_bytes()
    if p.site.endswith("_opened"):
        files[0].write_bytes(b"no film")
        yield lambda: clip.read([0]), "fetch the file again"
    else:
        files[0].unlink()
        yield lambda: clip.read([0]), r"hf download USER/REPO --repo-type dataset"
    # The file as the hub has it.
    files[0].write_bytes(whole)
    assert _seen(p) == 2
