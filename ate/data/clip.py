"""Clip: what one camera saw in one episode, a picture a row, on disk until rows are asked for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import BytesIO
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError, library

# Pixels of the longer side of a picture that is shown.
WIDEST = 160


class Clip(ABC):
    """The pictures of one camera in one episode.

    Attributes:
        rows: of the episode; each has its picture.
        seconds: from the first picture to the last.
    """

    rows: int
    seconds: float

    @abstractmethod
    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Pictures `(n, height, width, 3)` of ascending rows, red, green and blue as recorded.

        Raises:
            InputError: a file is missing, or holds no such picture.
        """

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of what is stored, so that what was computed of the pictures is known again; nothing is decoded.

        Raises:
            InputError: a file is missing or cannot be read.
        """

    def frames(self, shares: Sequence[float]) -> NDArray[np.uint8]:
        """Pictures `(n, height, width, 3)` at ascending shares of the episode, the longer side at most 160 pixels.

        Raises:
            InputError: as `read`.
        """
        return shrunk(self.read([round(share * (self.rows - 1)) for share in shares]))


def imaging(where: str) -> ModuleType:
    """Pillow's module of pictures.

    Raises:
        InputError: it is not installed.
    """
    return library("PIL.Image", "video", where=where, use="is Pillow and decodes pictures")


def shrunk(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same pictures, the longer side at most 160 pixels."""
    _, height, width, _ = pictures.shape
    scale = WIDEST / max(width, height)
    if scale >= 1:
        return pictures
    image, size = imaging("pictures to show"), (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.stack([np.asarray(image.fromarray(picture).resize(size), np.uint8) for picture in pictures])


def decoded(data: bytes, where: str) -> NDArray[np.uint8]:
    """The picture `(height, width, 3)` of a JPEG, PNG or another file that Pillow knows.

    Raises:
        InputError: it is none, or Pillow is not installed.
    """
    image = imaging(where)
    try:
        with image.open(BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise InputError(
            f"{len(data):,} bytes that are no picture ({type(error).__name__})", where=where,
            expected="a JPEG or PNG in each row", fix="record the episode again, or exclude it",
        ) from error  # fmt: skip


def same_size(pictures: Sequence[NDArray[np.uint8]], where: str) -> NDArray[np.uint8]:
    """Pictures on top of one another.

    Raises:
        InputError: their sizes differ.
    """
    sizes = {picture.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        raise InputError(
            f"pictures of {len(sizes)} sizes, {', '.join(f'{w} × {h}' for h, w in sorted(sizes))}", where=where,
            expected="one size a camera", fix="exclude the episode, or write its pictures anew in one size",
        )  # fmt: skip
    return np.stack(pictures)
