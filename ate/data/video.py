"""Video: a clip in a film file, decoded by PyAV from the nearest key frame on."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.data.clip import WIDEST, Clip
from ate.errors import InputError
from ate.runs.files import file_digest

FETCH = "download=true leaves videos out; hf download USER/REPO --repo-type dataset fetches them"


@dataclass(frozen=True)
class Video(Clip):
    """A clip.

    Attributes:
        file: a video, maybe of many episodes.
        start: seconds from its start to the episode's first picture.
        seconds: from the episode's first picture to its last.
        rows: of the episode.
    """

    file: Path
    start: float
    seconds: float
    rows: int

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Pictures `(n, height, width, 3)` of ascending rows; errors as `Clip.read`."""
        step = self.seconds / max(1, self.rows - 1)
        with self._opened() as (container, stream):
            pictures = _run(container, stream, [self.start + row * step for row in rows])
            return np.stack([np.asarray(picture.to_ndarray(format="rgb24"), np.uint8) for picture in pictures])

    def frames(self, shares: Sequence[float]) -> NDArray[np.uint8]:
        """As of any clip; goes from key frame to key frame, since shares lie far apart."""
        with self._opened() as (container, stream):
            wanted = [self.start + share * self.seconds for share in shares]
            return np.stack([_small(next(_run(container, stream, [moment]))) for moment in wanted])

    def digest(self) -> str:
        """SHA-256 of the whole file and of what of it is the episode's."""
        if not self.file.is_file():
            raise self._missing()
        status = self.file.stat()
        whole = _file_digest(self.file, status.st_mtime_ns, status.st_size)
        return hashlib.sha256(repr((whole, self.start, self.seconds, self.rows)).encode()).hexdigest()

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        import av

        if not self.file.is_file():
            raise self._missing()
        try:
            with av.open(str(self.file)) as container:
                yield container, container.streams.video[0]
        except (av.FFmpegError, IndexError, EOFError) as error:
            raise InputError(
                f"{type(error).__name__}: {error}"[:200], where=str(self.file), expected="a video that PyAV decodes",
                fix="fetch the file again",
            ) from error  # fmt: skip

    def _missing(self) -> InputError:
        return InputError("no file", where=str(self.file), expected="the video that the data set lists", fix=FETCH)


@lru_cache(256)
def _file_digest(file: Path, *_: int) -> str:
    """Of many episodes in one file; what else is given is when it was written, and its size."""
    return file_digest(file)


def _run(container: Any, stream: Any, wanted: Sequence[float]) -> Iterator[Any]:
    """The pictures that are shown at these ascending times, decoded in one run from the first of them on."""
    container.seek(max(0, int(wanted[0] / stream.time_base)), stream=stream)
    # Half a picture of tolerance: time stamps are rounded.
    slack = 0.5 / float(stream.average_rate or 30)
    shown, place = None, 0
    for frame in container.decode(stream):
        moment = float(frame.pts * stream.time_base)
        while shown is not None and place < len(wanted) and moment > wanted[place] + slack:
            yield shown
            place += 1
        if place == len(wanted):
            return
        shown = frame
    if shown is None:
        raise EOFError(f"no picture at {wanted[place]:.2f} s")
    for _ in wanted[place:]:
        yield shown


def _small(picture: Any) -> NDArray[np.uint8]:
    scale = min(1.0, WIDEST / max(picture.width, picture.height))
    size = {"width": max(2, round(picture.width * scale)), "height": max(2, round(picture.height * scale))}
    return np.asarray(picture.reformat(**size, format="rgb24").to_ndarray(), np.uint8)
