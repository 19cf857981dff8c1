"""A robot that moves as recorded: episodes in notebook 01, chunks and their reconstructions in notebook 02."""

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from ate.align.evaluate.latent_map import LatentMap
from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.sim.tasks import RATE_HZ
from ate.viz.figures.footage import episode_pictures, known_arm, moving_arm, side_by_side
from ate.viz.report.section import Section
from ate.viz.video import Film, video_html


def episode_film(episodes: Episodes, index: int) -> bytes:
    """One episode as an mp4 of the moving arm.

    Raises:
        InputError: the kinematics of the robot are not known, or this machine cannot draw.
    """
    return side_by_side([episode_pictures(episodes, index)], episodes.rate_hz or RATE_HZ)


def show_motion(episodes: Episodes, index: int, section: Section) -> None:
    """Keep and display one episode as a moving arm; one line on what is missing where it cannot be drawn."""
    try:
        data = episode_film(episodes, index)
    except InputError as error:
        section.lines([f"No film of the arm: {error.fix}."])
        return
    name = episodes[index].name
    caption = (
        "The arm as recorded, at its own rate. A simulated robot stands in its scene, with object and goal; of an arm "
        "from a file the kinematic skeleton is drawn."
    )
    section.film(Film("motion", data, f"{episodes.robot} moves: {name}", caption))


def motion_html(episodes: Episodes, index: int) -> str:
    """The same as a player for a page, or the line."""
    return _player(lambda: video_html(episode_film(episodes, index), [episodes[index].name], width=300))


def chunk_html(latent_map: LatentMap, point: int) -> str:
    """A chunk and what its latent decodes to, as two moving arms; a line where they cannot be drawn."""
    chunks = [latent_map.chunk(point), latent_map.reconstruction(point)]
    return _arms(latent_map.where(point)[0], chunks, ("recorded", "decoded"))


def walk_html(latent_map: LatentMap, chunks: NDArray[np.float64], labels: Sequence[str]) -> str:
    """Chunks (n, S, dof) decoded along a walk as moving arms of the adaptation robot."""
    return _arms(latent_map.adapt, list(chunks), labels)


def _arms(episodes: Episodes, chunks: Sequence[NDArray[np.float64]], labels: Sequence[str]) -> str:
    def drawn() -> str:
        # At once: to begin a drawing takes as long as many pictures.
        pictures = moving_arm(known_arm(episodes), np.concatenate(chunks).astype(float))
        parts = np.split(pictures, len(chunks))
        return video_html(side_by_side(parts, episodes.rate_hz or RATE_HZ), labels, width=300 * len(parts))

    return _player(drawn)


def _player(make: Callable[[], str]) -> str:
    """What `make` gives, or one line on what is missing."""
    try:
        return make()
    except InputError as error:
        return f"<p>No film of the arm: {escape(error.fix)}.</p>"
