"""Distances of joints: zero where nothing differs, as large as a known shift, and beside a null that knows chance."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ate.data import Episode, Episodes
from ate.data.doctor import joint_distances


def _set(seed: int, shift: float = 0.0, episodes: int = 30) -> Episodes:
    rng = np.random.default_rng(seed)
    items = []
    for index in range(episodes):
        rows = rng.normal(size=(60, 3)).astype(np.float32)
        rows[:, 1] += shift
        items.append(Episode.of(f"episode_{index:04d}", Path("memory"), qpos=rows))
    return Episodes(tuple(items), "qpos", "arm", ("j1", "j2", "gripper"))


def test_shift_is_the_distance() -> None:
    found = joint_distances([_set(0)], _set(1, shift=2.0), draws=50)
    assert [row.joint for row in found] == ["j1", "j2", "gripper"]
    # W1 between a distribution and itself moved by 2 is 2.
    assert found[1].distance == pytest.approx(2.0, abs=0.1)
    assert found[1].distance > 5 * found[1].null_high
    assert found[0].distance < 2 * found[0].null_high
    assert 0.005 < found[0].outside < 0.05
    assert found[1].outside > 0.3


def test_null_is_wider_for_fewer_episodes() -> None:
    many = joint_distances([_set(0)], _set(1), draws=50)[0]
    few = joint_distances([_set(0)], _set(1, episodes=2), draws=50)[0]
    assert few.null_median > many.null_median


def test_slots_put_unlike_robots_side_by_side(make_set: Callable[..., Episodes]) -> None:
    six, seven = make_set("six", joints=6), make_set("seven", joints=7, seed=1)
    found = joint_distances([six], seven, draws=10)
    assert np.isnan(found[6].distance)
    assert found[7].joint == "gripper"
    assert np.isfinite(found[7].distance)


def test_seed_decides() -> None:
    sets = [_set(0)], replace(_set(1), robot="other")
    assert joint_distances(*sets, seed=3, draws=20) == joint_distances(*sets, seed=3, draws=20)
