"""The explorer of a latent map: click for a chunk and its neighbours, lasso points, walk through the latent space."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
from IPython.display import HTML, display

from ate.align.evaluate.latent_map import LatentMap
from ate.align.evaluate.scorecard import Scorecard
from ate.viz.display import SOFT_TEXT, draw, in_batch, show_table
from ate.viz.figures.chunk import chunk_title, chunk_view, walk_view
from ate.viz.figures.latent_map import latent_maps, projected
from ate.viz.report.alignment import precision_note
from ate.viz.report.motion import chunk_html, walk_html
from ate.viz.widgets.figure import FigureWidget, Point

PCA, UMAP = "PCA", "UMAP, joint fit"
HELP = "Click a point to see its chunk. Draw around points to see a summary of them."


def selection_rows(latent_map: LatentMap, points: Sequence[int]) -> list[dict[str, Any]]:
    """Summary of selected points, pre-training and adaptation in a row each: robots, episodes, modes, errors."""
    side, mode, depth, time = latent_map.side("after"), latent_map.mode(), latent_map.depth(), latent_map.time()
    rows = []
    chosen = np.array(points, int)
    adapted = chosen >= latent_map.count
    for name, members in (("pre-training", chosen[~adapted]), ("adaptation", chosen[adapted])):
        if not len(members):
            continue
        # A sample is enough for a mean, and a lasso may hold thousands.
        sample = members[np.linspace(0, len(members) - 1, min(len(members), 50)).astype(int)]
        error = float(np.mean([np.abs(latent_map.chunk(i) - latent_map.reconstruction(i)).mean() for i in sample]))
        rows.append(
            {
                "side": name,
                "points": len(members),
                "robots": _counts(side.robot[members]),
                "episodes": len({(side.set[i], side.episode[i]) for i in members}),
                "modes": _counts(mode[members]),
                "time in episode": _range(time[members]),
                "density quantile": _range(depth[members]),
                "reconstruction error": error,
            }
        )
    return rows


def _counts(values: np.ndarray) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(map(str, values)).most_common(4))


def _range(values: np.ndarray) -> str:
    """Median and range."""
    return f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})"


def show_explorer(
    latent_map: LatentMap, score: Scorecard, seed: int = 0, cache: Path | None = None, umap: bool = True
) -> None:
    """Display the explorer; nothing in batch, where `latent_map_pictures` shows the same map.

    Args:
        latent_map: the points.
        score: of the same alignment; its precision is part of the map's title.
        seed: of UMAP.
        cache: folder that keeps UMAPs.
        umap: offer one. It is computed in the background and can be chosen when it is ready.
    """
    if not in_batch():
        display(Explorer(latent_map, precision_note(score), seed, cache, umap).box)


class Explorer:
    """Map, chunk, summary and walks.

    Attributes:
        box: the whole, to display.
        figure: the map.
        clicked: the last two points that were clicked, the latest last.
        status: what is running, or the outcome.
    """

    def __init__(self, latent_map: LatentMap, note: str, seed: int, cache: Path | None, umap: bool) -> None:
        """Build it with the PCA at once, and with a UMAP as soon as it is computed."""
        self.latent_map, self.note, self.clicked = latent_map, note, [latent_map.count]
        self._planes = {PCA: projected(latent_map, "pca", seed, cache)}
        self.figure = FigureWidget(latent_maps(latent_map, self._planes[PCA], PCA, note))
        self.map = widgets.Dropdown(options=[PCA], value=PCA, description="map")
        self.status = widgets.HTML()
        self.chunk, self.motion, self.summary, self.walk, self.errors = (widgets.Output() for _ in range(5))
        most = min(8, len(latent_map.directions[1]))
        self.direction = widgets.Dropdown(options=[(f"direction {i + 1}", i) for i in range(most)], value=0)
        self.amount = widgets.FloatSlider(
            0.0, min=-3, max=3, step=0.25, description="walk (σ)", continuous_update=False
        )
        self.share = widgets.FloatSlider(0.0, min=0, max=1, step=0.05, description="source → target",
                                         continuous_update=False, style={"description_width": "initial"})  # fmt: skip
        self.figure.on_click(self._guarded(self._click))
        self.figure.on_select(self._guarded(self._select))
        self.map.observe(self._guarded(self._redraw), names="value")
        self.direction.observe(self._guarded(self._walked), names="value")
        self.amount.observe(self._guarded(self._walked), names="value")
        self.share.observe(self._guarded(self._interpolated), names="value")
        walks = widgets.HBox([self.direction, self.amount, self.share])
        head = widgets.HBox([self.map, self.status])
        self.box = widgets.VBox(
            [head, self.figure, self.errors, self.summary, self.chunk, self.motion, walks, self.walk]
        )
        self.box.add_class("ate-explorer")
        self._say(HELP)
        self._guarded(self._show)()
        if umap:
            self._say(f"{HELP} A UMAP is being computed.")
            thread = ThreadPoolExecutor(1)
            thread.submit(projected, latent_map, "umap", seed, cache).add_done_callback(self._add_umap)
            thread.shutdown(wait=False)

    def _guarded(self, act: Callable[..., None]) -> Callable[..., None]:
        """`act`, with its errors shown below the map; otherwise they would only be in the kernel's log."""

        def guarded(*arguments: Any) -> None:
            with self.errors:
                act(*arguments)

        return guarded

    def _say(self, text: str) -> None:
        self.status.value = f"<span style='color:{SOFT_TEXT}'>{text}</span>"

    def _click(self, points: Sequence[Point]) -> None:
        clicked = self._rows(points)
        if clicked:
            self.clicked = [self.clicked[-1], clicked[0]]
            self._show()

    def _rows(self, points: Sequence[Point]) -> list[int]:
        """Rows in the latent map of points of the figure; the contours have none."""
        traces = self.figure.figure.data
        return [int(traces[p.trace].customdata[p.index]) for p in points if traces[p.trace].type != "contour"]

    def _show(self) -> None:
        with self.chunk:
            self.chunk.clear_output(wait=True)
            display(HTML(f"<h4>{chunk_title(self.latent_map, self.clicked[-1])}</h4>"))
            draw(chunk_view(self.latent_map, self.clicked[-1]))
        with self.motion:
            self.motion.clear_output(wait=True)
            display(HTML(chunk_html(self.latent_map, self.clicked[-1])))

    def _select(self, points: Sequence[Point]) -> None:
        selected = sorted(set(self._rows(points)))
        with self.summary:
            self.summary.clear_output()
            # A click selects too; its single point is shown as a chunk.
            if len(selected) > 1:
                show_table(selection_rows(self.latent_map, selected))

    def _redraw(self, _: Any = None) -> None:
        name = self.map.value
        self._say(HELP)
        self.figure.figure = latent_maps(self.latent_map, self._planes[name], name, self.note)
        titles = [f"{axis}.title.text" for axis in ("xaxis", "xaxis2", "yaxis")]
        self.figure.refresh(["x", "y", "z", "contours.start", "contours.end"], titles)

    def _walked(self, _: Any = None) -> None:
        amounts = sorted({0.0, float(self.amount.value)})
        chunks = self.latent_map.walk(self.direction.value, amounts)
        what = f"σ along direction {self.direction.value + 1}"
        self._decoded(
            walk_view(self.latent_map, chunks, amounts, what), chunks, [f"{amount:g} σ" for amount in amounts]
        )

    def _interpolated(self, _: Any = None) -> None:
        if len(self.clicked) < 2:
            self._say("Click two points first: the first is the source, the second the target.")
            return
        shares = sorted({0.0, float(self.share.value), 1.0})
        source, target = self.clicked
        chunks = self.latent_map.between(source, target, shares)
        figure = walk_view(self.latent_map, chunks, shares, "share of the way<br>from source to target")
        self._decoded(figure, chunks, [f"{share:g} of the way" for share in shares])

    def _decoded(self, figure: go.Figure, chunks: np.ndarray, labels: Sequence[str]) -> None:
        with self.walk:
            self.walk.clear_output(wait=True)
            draw(figure)
            display(HTML(walk_html(self.latent_map, chunks, labels)))

    def _add_umap(self, computed: "Future[np.ndarray]") -> None:
        """Offer the UMAP, or show why there is none.

        This runs in a thread, so not inside an Output: that would capture what the kernel displays meanwhile.
        """
        error = computed.exception()
        if error is not None:
            self._say(f"No UMAP: {escape(str(error))}. The PCA is ready.")
            return
        self._planes[UMAP] = computed.result()
        self.map.options = list(self._planes)
        self._say(f"{HELP} UMAP is ready: select it as the map.")
