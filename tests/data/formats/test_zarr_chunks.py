"""Chunks of zarr stores: one that was cut off anywhere is refused, whatever packed it."""

import numcodecs
import numpy as np
import pytest

from ate.data import load
from ate.errors import InputError
from tests.data.formats import recorded

# The outermost codec of a chunk; None leaves the numbers as they are.
CODECS = {
    "blosc lz4": numcodecs.Blosc("lz4"), "blosc zstd": numcodecs.Blosc("zstd", shuffle=numcodecs.Blosc.BITSHUFFLE),
    "blosc zlib": numcodecs.Blosc("zlib"), "lz4": numcodecs.LZ4(), "zstd": numcodecs.Zstd(), "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(), "bz2": numcodecs.BZ2(), "lzma": numcodecs.LZMA(), "none": None,
}  # fmt: skip


def values(folder):
    return [item.read("qpos") for item in load(folder, "qpos")]


def refused(folder, chunk):
    """The lengths at which a chunk that was cut off is read all the same."""
    whole, read = chunk.read_bytes(), []
    for length in range(len(whole)):
        chunk.write_bytes(whole[:length])
        try:
            values(folder)
        except InputError as error:
            assert "robot_joint" in str(error) or str(folder) in str(error)
        else:
            read.append(length)
    chunk.write_bytes(whole)
    return read


@pytest.mark.slow
@pytest.mark.parametrize("name", CODECS)
def test_a_chunk_that_was_cut_off_is_refused_at_every_length(name, tmp_path):
    import zarr

    recorded.replay_buffer(tmp_path)
    root = zarr.open_group(str(tmp_path / "replay_buffer.zarr"), mode="r+")
    qpos = root["data/robot_joint"][:]
    del root["data/robot_joint"]
    root.create_array("data/robot_joint", data=qpos, chunks=(7, 3), compressors=CODECS[name])
    assert np.array_equal(np.concatenate(values(tmp_path)), qpos)
    assert refused(tmp_path, tmp_path / "replay_buffer.zarr/data/robot_joint/1.0") == []
    assert np.array_equal(np.concatenate(values(tmp_path)), qpos)


@pytest.mark.parametrize("codec", ["BloscCodec", "ZstdCodec", "GzipCodec"])
def test_so_is_one_of_zarr_3(codec, tmp_path):
    import zarr

    recorded.replay_buffer_v3(tmp_path)
    root = zarr.open_group(str(tmp_path / "replay_buffer.zarr"), mode="r+")
    qpos = root["data/robot_joint"][:]
    del root["data/robot_joint"]
    root.create_array("data/robot_joint", data=qpos, chunks=(7, 3), compressors=getattr(zarr.codecs, codec)())
    assert refused(tmp_path, tmp_path / "replay_buffer.zarr/data/robot_joint/c/1/0") == []
    assert np.array_equal(np.concatenate(values(tmp_path)), qpos)
