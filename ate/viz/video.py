"""Films: pictures as an mp4 that stands in the page itself and plays without a network."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError, install

# Constant rate factor of x264: 18 looks lossless, 28 is visibly coarse.
QUALITY = "24"
# Of one part of a film on a page, pixels.
WIDTH = 360


@dataclass(frozen=True)
class Film:
    """A film with the words that belong to it.

    Attributes:
        name: of the file, without number and ending.
        data: the mp4.
        title: above it.
        caption: below it: what is seen, and how to read it.
        labels: above its parts, from left to right.
    """

    name: str
    data: bytes
    title: str
    caption: str
    labels: tuple[str, ...] = ()


def mp4(pictures: NDArray[np.uint8], rate: float) -> bytes:
    """Pictures (T, height, width, 3) as H.264, `rate` a second; an odd last row or column is cut off.

    Raises:
        InputError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise InputError("no module named av", where="films", expected="PyAV, which writes mp4",
                         fix=install("video")) from error  # fmt: skip
    even = pictures[:, : pictures.shape[1] // 2 * 2, : pictures.shape[2] // 2 * 2]
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("libx264", rate=round(rate), options={"crf": QUALITY, "preset": "medium"})
        stream.height, stream.width, stream.pix_fmt = *even.shape[1:3], "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def video_html(data: str | bytes, labels: Sequence[str] = (), width: int = 0) -> str:
    """A player for an mp4 (bytes, or its base64): it loops without sound, with controls, below its labels.

    Without a width it has `WIDTH` pixels for each label, for the films are 288 pixels high.
    """
    text = data if isinstance(data, str) else b64encode(data).decode()
    heads = "".join(f'<span style="flex:1;text-align:center">{escape(label)}</span>' for label in labels)
    head = f'<div style="display:flex;font-weight:600;padding-bottom:4px">{heads}</div>' if heads else ""
    most = width or WIDTH * max(len(labels), 1)
    return (
        f'<div class="film" style="max-width:{most}px">{head}<video controls muted loop autoplay playsinline '
        f'style="width:100%;display:block" src="data:video/mp4;base64,{text}"></video></div>'
    )
