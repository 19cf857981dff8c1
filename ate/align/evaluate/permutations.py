"""Null hypotheses of correspondence: latents permuted between chunks, with some of their structure kept."""

from collections.abc import Callable

import numpy as np

# From a random generator to the chunk (N,) whose latent each chunk gets.
Permutation = Callable[[np.random.Generator], np.ndarray]


def permutations(group: np.ndarray, time: np.ndarray) -> dict[str, Permutation]:
    """By name, the nulls that these chunks allow: a single episode has no other at the same time.

    Args:
        group: episode of each chunk (N,), chunks in order of episode and time; also for each null.
        time: position of each chunk in its episode (N,), 0 to 1; also for each null.
    """
    nulls = {"chance": chance(group, time), "same_episode": same_episode(group)}
    if len(np.unique(group)) > 1:
        nulls["same_time"] = same_time(group, time)
    return nulls


def chance(group: np.ndarray, time: np.ndarray) -> Permutation:
    """Each episode gets the latents of another one, rotated by a random amount: neither episode nor time is kept.

    Consecutive chunks stay consecutive, because overlapping chunks are alike.
    """
    exchange, rotate = same_time(group, time), same_episode(group)

    def permute(random: np.random.Generator) -> np.ndarray:
        partner, rotated = exchange(random), rotate(random)
        return rotated[partner]

    return permute


def same_time(group: np.ndarray, time: np.ndarray) -> Permutation:
    """Each episode gets the latents of another one, those nearest in time."""
    rank = np.unique(group, return_inverse=True)[1]
    first, count = _extent(rank)
    # Episodes are further apart on this line than the times within one.
    line = 2.0 * rank + time

    def permute(random: np.random.Generator) -> np.ndarray:
        other = random.permutation(len(first))[rank]
        goal = 2.0 * other + time
        right = np.searchsorted(line, goal)
        low, high = first[other], first[other] + count[other] - 1
        right, left = np.clip(right, low, high), np.clip(right - 1, low, high)
        return np.where(np.abs(line[left] - goal) <= np.abs(line[right] - goal), left, right)

    return permute


def same_episode(group: np.ndarray) -> Permutation:
    """The latents of each episode rotated within it by a random amount."""
    rank = np.unique(group, return_inverse=True)[1]
    first, count = _extent(rank)
    place = np.arange(len(group)) - first[rank]

    def permute(random: np.random.Generator) -> np.ndarray:
        shift = random.integers(count)
        return first[rank] + (place + shift[rank]) % count[rank]

    return permute


def _extent(rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First chunk and number of chunks of each episode."""
    count = np.bincount(rank)
    return np.cumsum(count) - count, count
