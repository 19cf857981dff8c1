"""Cameras: the clips of an episode, wherever its layout keeps them, and why some cannot be shown.

Videos and pictures of LeRobot sets, arrays and compressed pictures in HDF5 files, arrays of zarr stores. They are
decoded where they are looked at, and only those.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from ate.data.clip import Clip
from ate.data.episodes import Episodes
from ate.data.video import FETCH, Video
from ate.errors import install


def clips(episodes: Episodes, index: int) -> Mapping[str, Clip]:
    """The clips of one episode that can be shown, by camera.

    Args:
        episodes: a set.
        index: which of its episodes.
    """
    return {name: clip for name, clip in _listed(episodes, index).items() if not _hindrance(clip)}


def unseen(episodes: Episodes, index: int) -> list[str]:
    """Cameras of one episode that cannot be shown, a sentence each way out; arguments as `clips`."""
    by_reason: dict[str, list[str]] = {}
    for name, clip in _listed(episodes, index).items():
        if reason := _hindrance(clip):
            by_reason.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: not shown, {reason}." for reason, names in by_reason.items()]


def short(name: str) -> str:
    """The name of a camera without what LeRobot puts before it."""
    return name.removeprefix("observation.images.").removeprefix("observation.image.")


def _hindrance(clip: Clip) -> str:
    """Why a clip cannot be shown; empty where it can."""
    if not isinstance(clip, Video):
        return "" if find_spec("PIL") else f"Pillow decodes pictures: {install('video')}"
    if not find_spec("av"):
        return f"PyAV decodes videos: {install('video')}"
    return "" if clip.file.is_file() else f"{clip.file} is not there. {FETCH}"


def _listed(episodes: Episodes, index: int) -> dict[str, Clip]:
    from ate.data.formats import hdf5, hdf5_pictures, lerobot_videos, parquet_pictures, zarr, zarr_pictures

    item, rate = episodes[index], episodes.rate_hz or 1.0
    if episodes.ledger.layout == "lerobot":
        seconds = (len(item) - 1) / rate
        videos = {
            name: Video(file, start, seconds, len(item)) for name, (file, start) in lerobot_videos.of(item).items()
        }
        return {**videos, **parquet_pictures.of(item, rate)}
    if episodes.ledger.layout == zarr.NAME:
        return dict(zarr_pictures.of(item, rate))
    return dict(hdf5_pictures.of(item, rate)) if item.path.suffix.lower() in hdf5.SUFFIXES else {}
