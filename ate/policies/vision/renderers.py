"""Renderers that are kept: making one takes as long as some hundred pictures, and it belongs to its thread."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

if TYPE_CHECKING:
    from ate.sim.render import Renderer

MOST = 8
"""Of a thread; the one that was not used for longest is closed."""
_thread = threading.local()


class _Kept(LRUCache[Any, "Renderer"]):
    def popitem(self) -> tuple[Any, "Renderer"]:
        key, renderer = super().popitem()
        renderer.close()
        return key, renderer


def renderer_of(robot: str, task: str, cameras: Sequence[str], size: int) -> "Renderer":
    """The renderer of a robot and a task in this thread; arguments and errors as `ate.sim.render.Renderer`."""
    # Imported here: what draws nothing needs no mujoco.
    from ate.sim.render import Renderer

    kept: _Kept = _thread.__dict__.setdefault("kept", _Kept(MOST))
    key = robot, task, tuple(cameras), size
    if key not in kept:
        kept[key] = Renderer(robot, task, cameras=cameras, size=size)
    return kept[key]
