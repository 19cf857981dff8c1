"""Null hypotheses of correspondence: latents dealt to other chunks, keeping some of what they could share."""

from collections.abc import Callable

import numpy as np

Deal = Callable[[np.random.Generator], np.ndarray]


def chance(group: np.ndarray, time: np.ndarray) -> Deal:
    """Each episode gets the latents of another one, rotated by a random amount of its own: neither episode nor time
    is kept, but chunks that follow each other still do, as overlapping ones are alike.

    Args:
        group: episode of each chunk (N,), chunks in order of episode and time; so for the others.
        time: where in its episode each chunk is (N,), 0 to 1; so for the others.

    Returns:
        A function from a random generator to the chunk (N,) that each chunk gets its latent from.
    """
    exchange, rotate = same_time(group, time), same_episode(group)

    def deal(random: np.random.Generator) -> np.ndarray:
        partner, rotated = exchange(random), rotate(random)
        return rotated[partner]

    return deal


def same_time(group: np.ndarray, time: np.ndarray) -> Deal:
    """Each episode gets the latents of another one, those nearest in time."""
    rank = np.unique(group, return_inverse=True)[1]
    first, count = _extent(rank)
    # Episodes are further apart on this line than the times within one.
    line = 2.0 * rank + time

    def deal(random: np.random.Generator) -> np.ndarray:
        other = random.permutation(len(first))[rank]
        wanted = 2.0 * other + time
        right = np.searchsorted(line, wanted)
        low, high = first[other], first[other] + count[other] - 1
        right, left = np.clip(right, low, high), np.clip(right - 1, low, high)
        return np.where(np.abs(line[left] - wanted) <= np.abs(line[right] - wanted), left, right)

    return deal


def same_episode(group: np.ndarray) -> Deal:
    """The latents of each episode rotated within it by a random amount."""
    rank = np.unique(group, return_inverse=True)[1]
    first, count = _extent(rank)
    place = np.arange(len(group)) - first[rank]

    def deal(random: np.random.Generator) -> np.ndarray:
        shift = random.integers(count)
        return first[rank] + (place + shift[rank]) % count[rank]

    return deal


def _extent(rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First chunk and number of chunks of each episode."""
    count = np.bincount(rank)
    return np.cumsum(count) - count, count
