"""Camera strip: pictures at a few moments, a row a camera or rollout, a column a moment."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from ate.data.cameras import clips, short
from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.viz.style import finish

MOMENTS = 6
# Pixels of a picture's row, and around the strip.
ROW, AROUND = 150, 70
# Pixels of a line of text.
LINE = 20
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def camera_strip(episodes: Episodes, index: int, moments: int = MOMENTS) -> go.Figure:
    """What each camera saw of one episode, from its first to its last row; in place of pictures that cannot be decoded,
    which nothing else depends on, why.

    Args:
        episodes: a set with cameras (`ate.data.cameras.clips`).
        index: which of its episodes.
        moments: columns.
    """
    shares = np.linspace(0, 1, moments).tolist()
    cameras = clips(episodes, index)
    seconds = next(iter(cameras.values())).seconds
    pictures: dict[str, NDArray[np.uint8]] = {}
    reasons: list[str] = []
    for name, clip in cameras.items():
        try:
            pictures[short(name)] = clip.frames(shares)
        except InputError as error:
            reasons += [f"{short(name)}: not shown, {error.got}", f"{error.where}: {error.fix}"]
    if not pictures:
        figure = (
            finish(go.Figure(), AROUND + LINE * len(reasons)).update_xaxes(visible=False).update_yaxes(visible=False)
        )
    else:
        figure = picture_strip(pictures, [f"{share * seconds:.1f} s" for share in shares])
    return _with_reasons(figure, reasons)


def _with_reasons(figure: go.Figure, reasons: Sequence[str]) -> go.Figure:
    """The same figure with lines of text below it."""
    below = LINE * len(reasons)
    figure.update_layout(height=figure.layout.height + below, margin_b=(figure.layout.margin.b or 0) + below)
    for line, reason in enumerate(reasons):
        figure.add_annotation(
            text=escape(reason), x=0, y=0, xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False,
            yshift=-LINE * line, align="left",
        )  # fmt: skip
    return figure


def picture_strip(rows: dict[str, NDArray[np.uint8]], titles: Sequence[str]) -> go.Figure:
    """Pictures in a grid.

    Args:
        rows: name → pictures (n, height, width, 3).
        titles: n, above the columns.
    """
    figure = make_subplots(
        rows=len(rows), cols=len(titles), column_titles=list(titles), row_titles=list(rows), horizontal_spacing=0.01,
        vertical_spacing=0.02,
    )  # fmt: skip
    for row, pictures in enumerate(rows.values(), 1):
        for col, picture in enumerate(pictures, 1):
            figure.add_trace(go.Image(source=png(picture), hoverinfo="skip"), row=row, col=col)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return finish(figure, AROUND + ROW * len(rows))


def png(picture: NDArray[np.uint8]) -> str:
    """A picture (height, width, 3) as the address of a PNG that stands in the page itself."""
    height, width, _ = picture.shape
    # Every row begins with its filter, 0: none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return f"data:image/png;base64,{b64encode(SIGNATURE + body).decode()}"
