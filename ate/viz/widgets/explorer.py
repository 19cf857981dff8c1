"""The explorer for a person: click a point to see its chunk and neighbours, lasso some, walk through the latent."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
from IPython.display import HTML, display

from ate.align.evaluate.latent_map import LatentMap
from ate.align.evaluate.scorecard import Scorecard
from ate.viz.display import draw, in_batch, show_table
from ate.viz.figures.chunk import chunk_title, chunk_view, walk_view
from ate.viz.figures.latent_map import latent_maps, projected
from ate.viz.report.alignment import precision_note
from ate.viz.widgets.widget import FigureWidget

MAPS = {"PCA": "pca", "UMAP, joint fit": "umap"}
WALK = (-2.0, -1.0, 0.0, 1.0, 2.0)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def selection_rows(latent_map: LatentMap, points: Sequence[int]) -> list[dict[str, Any]]:
    """What a lasso holds: one row a side, with robots, episodes, modes, time, depth and reconstruction error."""
    side, mode, depth, time = latent_map.side("after"), latent_map.mode(), latent_map.depth(), latent_map.time()
    rows = []
    for name, inside in (
        ("pre-training", lambda i: i < latent_map.count),
        ("adaptation", lambda i: i >= latent_map.count),
    ):
        mine = np.array([i for i in points if inside(i)], int)
        if not len(mine):
            continue
        # A sample is enough for a mean, and a lasso may hold thousands.
        sample = mine[np.linspace(0, len(mine) - 1, min(len(mine), 50)).astype(int)]
        error = float(np.mean([np.abs(latent_map.chunk(i) - latent_map.reconstruction(i)).mean() for i in sample]))
        rows.append(
            {
                "side": name,
                "points": len(mine),
                "robots": _counts(side.robot[mine]),
                "episodes": len({(side.set[i], side.episode[i]) for i in mine}),
                "modes": _counts(mode[mine]),
                "time in episode": _range(time[mine]),
                "density quantile": _range(depth[mine]),
                "reconstruction error": error,
            }
        )
    return rows


def _counts(values: np.ndarray) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(str(v) for v in values).most_common(4))


def _range(values: np.ndarray) -> str:
    """Median and range."""
    return f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})"


def show_explorer(
    latent_map: LatentMap, score: Scorecard, seed: int = 0, cache: Path | None = None, umap: bool = True
) -> None:
    """Display the explorer; nothing in batch, where the same figures stand still.

    Args:
        latent_map: the points.
        score: of the same alignment; its precision stands above the map.
        seed: of UMAP.
        cache: folder that keeps UMAPs.
        umap: offer one; it is worked out beside the kernel's work and can be chosen when it is ready.
    """
    if not in_batch():
        display(Explorer(latent_map, precision_note(score), seed, cache, umap).box)


def _slider(name: str, low: float, high: float, step: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        0.0, min=low, max=high, step=step, description=name, continuous_update=False,
        style={"description_width": "initial"},
    )  # fmt: skip


class Explorer:
    """Map, chunk, summary and walks.

    Attributes:
        box: the whole, to display.
        figure: the map.
        clicked: the last two points that were clicked, the latest last.
        status: what is going on.
    """

    def __init__(self, latent_map: LatentMap, said: str, seed: int, cache: Path | None, umap: bool) -> None:
        """Build it with the PCA at once, and with a UMAP as soon as it is worked out."""
        self.latent_map, self.said, self.clicked = latent_map, said, [latent_map.count]
        self._planes = {"PCA": projected(latent_map, MAPS["PCA"], seed, cache)}
        self.figure = FigureWidget(latent_maps(latent_map, self._planes["PCA"], "PCA", said))
        self.map = widgets.Dropdown(options=["PCA"], value="PCA", description="map")
        self.status = widgets.HTML()
        self.chunk, self.summary, self.walk, self.errors = (widgets.Output() for _ in range(4))
        most = min(8, len(latent_map.directions[1]))
        self.direction = widgets.Dropdown(options=[(f"direction {i + 1}", i) for i in range(most)], value=0)
        self.amount = widgets.FloatSlider(
            0.0, min=-3, max=3, step=0.25, description="walk (σ)", continuous_update=False
        )
        self.share = widgets.FloatSlider(0.0, min=0, max=1, step=0.05, description="source → target",
                                         continuous_update=False, style={"description_width": "initial"})  # fmt: skip
        self._listen()
        self.map.observe(self._guarded(self._redraw), names="value")
        self.direction.observe(self._guarded(self._walked), names="value")
        self.amount.observe(self._guarded(self._walked), names="value")
        self.share.observe(self._guarded(self._interpolated), names="value")
        walks = widgets.HBox([self.direction, self.amount, self.share])
        self.box = widgets.VBox(
            [
                widgets.HBox([self.map, self.status]),
                self.figure,
                self.errors,
                self.summary,
                self.chunk,
                walks,
                self.walk,
            ]
        )
        self.box.add_class("ate-explorer")
        self._say("Click a point to see its chunk; draw around points to see what they have in common.")
        self._guarded(self._show)()
        if umap:
            Thread(target=self._guarded(self._add_umap), args=(seed, cache), daemon=True).start()

    def _guarded(self, act: Callable[..., None]) -> Callable[..., None]:
        """The same, with errors shown below the map instead of being lost in the kernel's log."""

        def guarded(*given: Any) -> None:
            with self.errors:
                act(*given)

        return guarded

    def _listen(self) -> None:
        for trace in self.figure.data:
            if trace.type != "contour":
                trace.on_click(self._guarded(self._click))
                trace.on_selection(self._guarded(self._select))

    def _say(self, text: str) -> None:
        self.status.value = f"<span style='color:#5c6773'>{text}</span>"

    def _click(self, trace: Any, points: Any, _: Any = None) -> None:
        if points.point_inds:
            self.clicked = [self.clicked[-1], int(trace.customdata[points.point_inds[0]])]
            self._show()

    def _show(self) -> None:
        with self.chunk:
            self.chunk.clear_output(wait=True)
            display(HTML(f"<h4>{chunk_title(self.latent_map, self.clicked[-1])}</h4>"))
            draw(chunk_view(self.latent_map, self.clicked[-1]))

    def _select(self, *_: Any) -> None:
        chosen = {
            int(trace.customdata[i])
            for trace in self.figure.data
            if trace.type != "contour" and trace.selectedpoints
            for i in trace.selectedpoints
        }
        with self.summary:
            self.summary.clear_output(wait=True)
            if chosen:
                show_table(selection_rows(self.latent_map, sorted(chosen)))

    def _redraw(self, _: Any = None) -> None:
        drawn = latent_maps(self.latent_map, self._planes[self.map.value], self.map.value, self.said)
        with self.figure.batch_update():
            for mine, other in zip(self.figure.data, drawn.data, strict=True):
                mine.update(x=other.x, y=other.y)
                if mine.type == "contour":
                    mine.update(z=other.z, contours=other.contours)
            for axis in ("xaxis", "xaxis2", "yaxis"):
                self.figure.layout[axis].title.text = drawn.layout[axis].title.text

    def _walked(self, _: Any = None) -> None:
        amounts = sorted({0.0, float(self.amount.value)})
        chunks = self.latent_map.walk(self.direction.value, amounts)
        self._decoded(walk_view(self.latent_map, chunks, amounts, f"σ along direction {self.direction.value + 1}"))

    def _interpolated(self, _: Any = None) -> None:
        if len(self.clicked) < 2:
            self._say("Click two points first: the first is the source, the second the target.")
            return
        shares = sorted({0.0, float(self.share.value), 1.0})
        source, target = self.clicked
        chunks = self.latent_map.between(source, target, shares)
        self._decoded(walk_view(self.latent_map, chunks, shares, "share of the way<br>from source to target"))

    def _decoded(self, figure: go.Figure) -> None:
        with self.walk:
            self.walk.clear_output(wait=True)
            draw(figure)

    def _add_umap(self, seed: int, cache: Path | None) -> None:
        name = next(name for name in MAPS if name != "PCA")
        self._say("UMAP is being worked out; the PCA is ready.")
        self._planes[name] = projected(self.latent_map, MAPS[name], seed, cache)
        self.map.options = list(self._planes)
        self._say("UMAP is ready: choose it as the map.")
