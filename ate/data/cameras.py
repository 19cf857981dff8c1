"""Cameras: where the pictures of an episode lie, and the few of them that are looked at.

Nothing is trained on pictures. They are decoded by PyAV, from the nearest key frame on, and only those that are shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episodes
from ate.errors import InputError, install

# Pixels of the longer side of a picture that is shown.
WIDEST = 160
FETCH = "download=true leaves videos out; hf download USER/REPO --repo-type dataset fetches them"


@dataclass(frozen=True)
class Clip:
    """The pictures of one camera in one episode.

    Attributes:
        file: a video, maybe of many episodes.
        start: seconds from its start to the episode's first picture.
        seconds: that the episode lasts.
    """

    file: Path
    start: float
    seconds: float

    def frames(self, shares: Sequence[float]) -> NDArray[np.uint8]:
        """Pictures (n, height, width, 3) at ascending shares of the episode, the longer side at most 160 pixels.

        Raises:
            InputError: the file is missing or no video.
        """
        import av

        if not self.file.is_file():
            raise InputError("no file", where=str(self.file), expected="the video that the data set lists", fix=FETCH)
        try:
            with av.open(str(self.file)) as container:
                stream = container.streams.video[0]
                return np.stack([_at(container, stream, self.start + share * self.seconds) for share in shares])
        except (av.FFmpegError, IndexError, StopIteration) as error:
            raise InputError(
                f"{type(error).__name__}: {error}"[:200], where=str(self.file), expected="a video that PyAV decodes",
                fix="fetch the file again",
            ) from error  # fmt: skip


def clips(episodes: Episodes, index: int) -> Mapping[str, Clip]:
    """The clips of one episode that can be shown, by camera; of LeRobot sets alone.

    Args:
        episodes: a set.
        index: which of its episodes.
    """
    listed = _listed(episodes, index) if find_spec("av") else {}
    return {name: clip for name, clip in listed.items() if clip.file.is_file()}


def unseen(episodes: Episodes, index: int) -> list[str]:
    """Cameras of one episode that cannot be shown, a sentence each with the way out; arguments as `clips`."""
    listed = _listed(episodes, index)
    if listed and not find_spec("av"):
        return [f"{', '.join(listed)}: not shown, PyAV decodes videos: {install('video')}."]
    return [
        f"{name}: not shown, {clip.file} is not there. {FETCH}."
        for name, clip in listed.items()
        if not clip.file.is_file()
    ]


def _listed(episodes: Episodes, index: int) -> dict[str, Clip]:
    from ate.data.formats import lerobot_videos

    item = episodes[index]
    if episodes.ledger.layout != "lerobot":
        return {}
    rate = episodes.rate_hz or 1.0
    return {name: Clip(file, start, (len(item) - 1) / rate) for name, (file, start) in lerobot_videos.of(item).items()}


def _at(container: Any, stream: Any, seconds: float) -> NDArray[np.uint8]:
    """The picture that is shown at a time, small."""
    container.seek(max(0, int(seconds / stream.time_base)), stream=stream)
    picture = None
    # Half a picture of tolerance: time stamps are rounded.
    slack = 0.5 / float(stream.average_rate or 30)
    for frame in container.decode(stream):
        if picture is not None and float(frame.pts * stream.time_base) > seconds + slack:
            break
        picture = frame
    if picture is None:
        raise StopIteration(f"no picture at {seconds:.2f} s")
    scale = min(1.0, WIDEST / max(picture.width, picture.height))
    size = {"width": max(2, round(picture.width * scale)), "height": max(2, round(picture.height * scale))}
    return np.asarray(picture.reformat(**size, format="rgb24").to_ndarray(), np.uint8)
