"""Cameras: the right pictures of the right episode, decoded where they are looked at and not else."""

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import av
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ate.data import load
from ate.data.cameras import clips, unseen
from ate.data.clip import decoded
from ate.data.video import Video
from ate.errors import InputError
from ate.policies.recorded import Recorded
from ate.viz.figures.camera import camera_strip, png
from tests.data.formats.makers import LENGTHS, aloha, lerobot_v2, lerobot_v3, robomimic
from tests.data.formats.recorded import replay_buffer

RATE, KEY = 20, "observation.images.top"


def video(file, shades):
    """A film whose pictures are told by their shade of grey."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for shade in shades:
            picture = np.full((240, 320, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def described(folder, **more):
    file = folder / "meta/info.json"
    info = json.loads(file.read_text())
    info["features"][KEY] = {"dtype": "video", "shape": [240, 320, 3]}
    file.write_text(json.dumps({**info, **more}))


def shades(number):
    """From 40 on in the first episode and from 140 on in the second, five a row."""
    return [40 + 100 * number + 5 * row for row in range(LENGTHS[number])]


@pytest.fixture(params=["v2", "v3"])
def filmed(request, tmp_path):
    folder = tmp_path / "arm"
    if request.param == "v2":
        lerobot_v2(folder)
        for number in range(2):
            video(folder / f"videos/chunk-{number:03d}/{KEY}/episode_{number:06d}.mp4", shades(number))
    else:
        lerobot_v3(folder)
        video(folder / f"videos/{KEY}/chunk-000/file-000.mp4", [*shades(0), *shades(1)])
        file = folder / "meta/episodes/chunk-000/file-000.parquet"
        table = pq.read_table(file)
        for name, values in (
            ("chunk_index", [0, 0]),
            ("file_index", [0, 0]),
            ("from_timestamp", [0.0, LENGTHS[0] / RATE]),
        ):
            table = table.append_column(f"videos/{KEY}/{name}", pa.array(values))
        pq.write_table(table, file)
    described(folder, fps=RATE)
    return folder


def test_pictures_are_those_of_the_rows(filmed):
    episodes = load(filmed)
    for index in range(2):
        (clip,) = clips(episodes, index).values()
        pictures = clip.frames([0, 0.5, 1])
        assert pictures.shape == (3, 120, 160, 3)
        rows = np.array([0, (LENGTHS[index] - 1) / 2, LENGTHS[index] - 1])
        assert np.abs(pictures.mean(axis=(1, 2, 3)) - (40 + 100 * index + 5 * rows)).max() < 5
        every = clip.read(range(LENGTHS[index]))
        assert every.shape == (LENGTHS[index], 240, 320, 3)
        assert np.abs(every.mean(axis=(1, 2, 3)) - shades(index)).max() < 5
    figure = camera_strip(episodes, 1, moments=3)
    assert len(figure.data) == 3 and all(trace.source.startswith("data:image/png") for trace in figure.data)


def test_what_cannot_be_shown_is_said(filmed):
    episodes = load(filmed)
    (clip,) = clips(episodes, 0).values()
    clip.file.write_bytes(b"no film")
    with pytest.raises(InputError) as caught:
        clip.frames([0])
    assert str(clip.file) in caught.value.where
    with pytest.raises(InputError) as caught:
        Video(filmed / "gone.mp4", 0.0, 1.0, 21).frames([0])
    assert "hf download" in caught.value.fix


def test_a_film_that_cannot_be_decoded_stands_as_a_sentence(filmed):
    second = "observation.images.wrist"
    info = json.loads((filmed / "meta/info.json").read_text())
    info["features"][second] = info["features"][KEY]
    (filmed / "meta/info.json").write_text(json.dumps(info))
    for film in sorted((filmed / "videos").rglob("*.mp4")):
        other = Path(str(film).replace(KEY, second))
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(b"no film")
    episodes = load(filmed)
    assert list(clips(episodes, 0)) == [KEY, second]
    figure = camera_strip(episodes, 0, moments=3)
    assert len(figure.data) == 3
    sentences = [note.text for note in figure.layout.annotations]
    assert any(text.startswith("wrist: not shown") for text in sentences) and any(".mp4" in text for text in sentences)
    for clip in clips(episodes, 0).values():
        clip.file.write_bytes(b"no film")
    figure = camera_strip(episodes, 0, moments=3)
    assert not figure.data and any(note.text.startswith("top: not shown") for note in figure.layout.annotations)


def pictures(number, shape=(12, 16, 3)):
    """Pictures that are told by their red, which grows by five a row."""
    rows = np.zeros((LENGTHS[number], *shape), np.uint8)
    rows[..., 0] = np.asarray(shades(number))[:, None, None]
    return rows


def packed(picture, kind):
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, kind)
    return buffer.getvalue()


def robomimic_arrays(folder):
    with h5py.File(robomimic(folder) / "low_dim.hdf5", "a") as handle:
        for number, demo in enumerate(("demo_2", "demo_10")):
            for group in ("obs", "next_obs"):
                handle[f"data/{demo}/{group}/agentview_image"] = pictures(number)
            handle[f"data/{demo}/obs/agentview_depth"] = np.zeros((LENGTHS[number], 12, 16, 1), np.float32)
    return load(folder), "agentview_image"


def aloha_with(folder, write):
    aloha(folder)
    for number in range(2):
        with h5py.File(folder / f"episode_{number}.hdf5", "a") as handle:
            del handle["observations/images/cam_high"]
            write(handle, number)
    return load(folder), "cam_high"


def padded_jpegs(handle, number):
    """As ALOHA compresses: JPEGs padded with zeros to one length."""
    rows = [np.frombuffer(packed(picture, "JPEG"), np.uint8) for picture in pictures(number)]
    longest = max(map(len, rows))
    handle["observations/images/cam_high"] = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])


def fixed_strings(handle, number):
    """As RDT's own sets have them: byte strings of one length."""
    handle["observations/images/cam_high"] = np.array([packed(picture, "JPEG") for picture in pictures(number)])


def variable_bytes(handle, number):
    kind = h5py.vlen_dtype(np.uint8)
    dataset = handle.create_dataset("observations/images/cam_high", (LENGTHS[number],), kind)
    for row, picture in enumerate(pictures(number)):
        dataset[row] = np.frombuffer(packed(picture, "PNG"), np.uint8)


def channels_first(handle, number):
    handle["observation/cam_high/rgb"] = pictures(number).transpose(0, 3, 1, 2)


def lerobot_pictures(folder, version):
    """A set whose pictures are in its parquet files, in several row groups."""
    {"v2": lerobot_v2, "v3": lerobot_v3}[version](folder)
    for file in sorted((folder / "data").rglob("*.parquet")):
        table = pq.read_table(file)
        numbers = dict.fromkeys(table["episode_index"].to_pylist())
        rows = [{"bytes": packed(picture, "PNG"), "path": None} for number in numbers for picture in pictures(number)]
        pq.write_table(table.append_column(KEY, pa.array(rows)), file, row_group_size=5)
    file = folder / "meta/info.json"
    info = json.loads(file.read_text())
    info["features"][KEY] = {"dtype": "image", "shape": [12, 16, 3]}
    file.write_text(json.dumps({**info, "fps": RATE}))
    return load(folder), KEY


def zarr_arrays(folder, kind=np.float32):
    """As Diffusion Policy keeps PushT, brightness as float32; and a map of depth, which is no picture."""
    import zarr

    replay_buffer(folder)
    whole = np.concatenate([pictures(number) for number in range(2)])
    root = zarr.open_group(str(folder / "replay_buffer.zarr"), mode="a")
    root.create_array("data/img", data=whole.astype(kind), chunks=(5, 12, 16, 3))
    root.create_array("data/depth", data=whole.astype(np.float32) / 7, chunks=(5, 12, 16, 3))
    return load(folder), "img"


def zarr_of_bytes(folder):
    return zarr_arrays(folder, np.uint8)


STORED = {
    "robomimic": robomimic_arrays,
    "zarr": zarr_arrays,
    "zarr_uint8": zarr_of_bytes,
    **{
        write.__name__: lambda folder, write=write: aloha_with(folder, write)
        for write in (padded_jpegs, fixed_strings, variable_bytes, channels_first)
    },
    **{
        f"lerobot_{version}": lambda folder, version=version: lerobot_pictures(folder, version)
        for version in ("v2", "v3")
    },
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.slow
def test_stored_pictures_are_those_of_the_rows(tmp_path, kind):
    episodes, camera = STORED[kind](tmp_path / "arm")
    digests = []
    for index in range(2):
        clip = clips(episodes, index)[camera]
        assert list(clips(episodes, index)) == [camera] and not unseen(episodes, index)
        every = clip.read(range(LENGTHS[index]))
        assert every.shape == (LENGTHS[index], 12, 16, 3) and every.dtype == np.uint8
        assert np.abs(every[..., 0].mean(axis=(1, 2)) - shades(index)).max() < 3 and every[..., 1:].max() < 6
        assert np.array_equal(clip.read([2, 2, 5]), every[[2, 2, 5]])
        assert np.array_equal(clip.frames([0, 1]), every[[0, -1]])
        digests.append(clip.digest())
    assert digests[0] != digests[1] and digests[0] == clips(episodes, 0)[camera].digest()
    assert len(camera_strip(episodes, 0, moments=3).data) == 3


def test_any_policy_sees_the_pictures_of_a_recorded_row(tmp_path):
    episodes, _ = lerobot_pictures(tmp_path / "arm", "v3")
    seen = Recorded(episodes).observation(LENGTHS[0] + 4)["images"]
    assert np.array_equal(seen["top"], pictures(1)[4]) and list(seen) == ["top"]


def test_a_row_that_is_no_picture_is_refused(tmp_path):
    def broken(handle, number):
        fixed_strings(handle, number)
        rows = handle["observations/images/cam_high"][:]
        rows[3] = b"no picture"
        handle["observations/images/cam_high"][:] = rows

    episodes, camera = aloha_with(tmp_path / "arm", broken)
    with pytest.raises(InputError) as caught:
        clips(episodes, 0)[camera].read([1, 3])
    assert caught.value.where.endswith("row 3") and "episode_0.hdf5" in caught.value.where
    with pytest.raises(InputError) as caught:
        decoded(b"", "here")
    assert caught.value.where == "here"


def test_chunks_that_are_missing_are_no_black_pictures(tmp_path):
    episodes, camera = zarr_arrays(tmp_path / "arm")
    (clip,) = clips(episodes, 0).values()
    (chunk,) = (tmp_path / "arm").rglob("img/1.0.0.0")
    chunk.unlink()
    with pytest.raises(InputError) as caught:
        clip.read([0])
    assert camera in caught.value.where and "chunks" in caught.value.got


def test_brightness_beyond_255_is_refused(tmp_path):
    import zarr

    episodes, camera = zarr_arrays(tmp_path / "arm")
    zarr.open_group(str(tmp_path / "arm/replay_buffer.zarr"), mode="a")["data/img"][3] = 300.0
    with pytest.raises(InputError) as caught:
        clips(episodes, 0)[camera].read([2, 3])
    assert "uint8" in caught.value.fix


def test_values_that_lie_elsewhere_are_no_pictures(tmp_path):
    def virtual(handle, number):
        shape = (LENGTHS[number], 12, 16, 3)
        layout = h5py.VirtualLayout(shape, np.uint8)
        layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape)
        handle.create_virtual_dataset("observations/images/cam_high", layout)

    episodes, camera = aloha_with(tmp_path / "arm", virtual)
    with pytest.raises(InputError) as caught:
        clips(episodes, 0)[camera].read([0])
    assert camera in caught.value.where


def test_sets_without_videos_have_no_cameras(tmp_path, make_set):
    assert clips(make_set(), 0) == {} and unseen(make_set("other"), 0) == []
    listed = load(lerobot_v3(tmp_path / "arm"))
    assert clips(listed, 0) == {}
    (sentence,) = unseen(listed, 0)
    assert KEY in sentence and "hf download" in sentence


def test_a_picture_in_a_page_is_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    read = Image.open(BytesIO(b64decode(png(picture).split(",")[1])))
    assert np.array_equal(np.asarray(read), picture)
