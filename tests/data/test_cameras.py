"""Cameras of LeRobot sets: the right pictures of the right episode, decoded where they are looked at and not else."""

import json
from base64 import b64decode
from io import BytesIO

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ate.data import load
from ate.data.cameras import Clip, clips, unseen
from ate.errors import InputError
from ate.viz.figures.camera import camera_strip, png
from tests.data.formats.makers import LENGTHS, lerobot_v2, lerobot_v3

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
        Clip(filmed / "gone.mp4", 0.0, 1.0).frames([0])
    assert "hf download" in caught.value.fix


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
