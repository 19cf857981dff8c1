"""Pictures of recorded episodes: drawn when they are asked for, and kept under a hash of all that they show.

The files lie in the folder of `cache`, never in the data. One file an episode and camera, numpy's compressed format:
neighbouring pictures are alike, so that takes 430 bytes for a picture of 64 × 64 pixels, half of a PNG, and is read six
times as fast. Drivers may differ in single values, so a cache belongs to one machine.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ate.data.episodes import Episode, Episodes
from ate.errors import InputError
from ate.robots.kinematics import Kinematics
from ate.runs.files import write_atomic
from ate.sim.render import Pictures, Renderer, other_goal


def cache() -> Path:
    """The folder of drawn pictures: `ATE_CACHE`, or `ate` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ATE_CACHE") or Path(home, "ate")).expanduser() / "pictures"


def render_episodes(
    episodes: Episodes,
    cameras: Sequence[str] | None = None,
    size: int | tuple[int, int] = 64,
    *,
    smooth: int = 1,
    robot: str | Kinematics | None = None,
    colors: Sequence[str] | None = None,
    folder: Path | None = None,
) -> Iterator[dict[str, Pictures]]:
    """What each camera sees of every episode, one episode after the other.

    Args:
        episodes: a recorded or retargeted set. With a `state` and a task the scene is that of `ate.sim`, without a task
            the arm stands alone and the only camera is `film`.
        cameras, size, smooth: as `ate.sim.render.Renderer` has them.
        robot: whose arm is drawn; that of the set when None. Joints are taken in the set's order.
        colors: of the goal's marker and the other one, as `Renderer.frames` has them.
        folder: where drawn pictures are kept; `cache()` when None.

    Yields:
        Camera → pictures (n_steps, height, width, 3) uint8. What is in the cache is read; the rest is drawn and kept.

    Raises:
        InputError: as `Renderer`, or a set with a task but without states.
    """
    kept = cache() if folder is None else folder
    which = episodes.task if episodes.task and episodes.items and episodes[0].has("state") else None
    if episodes.task and which is None:
        raise InputError(f"series {', '.join(episodes[0].series) if episodes.items else 'of no episode'}",
                         where=f"pictures of {episodes.robot}, {episodes.task}",
                         expected="a series 'state', which says where the object is",
                         fix="record it, or draw the arm alone: "
                         "ate.sim.render.Renderer(robot, cameras=['film'])")  # fmt: skip
    with ExitStack() as stack:
        renderer = stack.enter_context(
            Renderer(robot or episodes.robot, which, cameras=cameras, size=size, smooth=smooth)
        )
        for episode in episodes:
            yield _pictures(renderer, episode, which, colors, kept)


def _pictures(
    renderer: Renderer, episode: Episode, which: str | None, colors: Sequence[str] | None, folder: Path
) -> dict[str, Pictures]:
    qpos = episode.qpos
    state = episode.read("state") if which else None
    base = hashlib.sha256(repr((renderer.look, which, colors, qpos.shape)).encode())
    base.update(np.ascontiguousarray(qpos, np.float32).tobytes())
    if state is not None:
        base.update(np.ascontiguousarray(state, np.float32).tobytes())
    files: dict[str, Path] = {}
    for name in renderer.cameras:
        key = base.copy()
        key.update(name.encode())
        files[name] = folder / key.hexdigest()[:2] / f"{key.hexdigest()}.npz"
    shape = (len(qpos), *renderer.size, 3)
    views = {name: _read(file, shape) for name, file in files.items()}
    known = {name: pictures for name, pictures in views.items() if pictures is not None}
    if len(known) == len(files):
        return known
    other = other_goal(which, state[0]) if which and state is not None else None
    drawn = renderer.frames(qpos, state, other, colors)
    for name, file in files.items():
        if name not in known:
            _write(file, drawn[name])
    return drawn


def _read(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Kept pictures; None where there are none, or a file that is no longer whole, which is drawn again."""
    try:
        # Whole first, because that checks its sum: numpy would interpret damaged bytes.
        with zipfile.ZipFile(file) as archive:
            content = archive.read("pictures.npy")
        pictures: NDArray[np.uint8] = np.load(BytesIO(content))
    except (FileNotFoundError, zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError):
        return None
    return pictures if pictures.shape == shape and pictures.dtype == np.uint8 else None


def _write(file: Path, pictures: Pictures) -> None:
    def save(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.savez_compressed(handle, pictures=pictures)

    write_atomic(file, save)
