"""Synthetic robots and golden files for the tests of the room."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ate.data.episodes import Episode, Episodes
from tests.conftest import GOLDEN


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden():
    """A reader of golden files: name -> dict of tensors."""

    def read(name):
        return {key: torch.from_numpy(np.asarray(value)) for key, value in np.load(GOLDEN / f"{name}.npz").items()}

    return read


def close(found, expected, scale=1e-5):
    """Equal within `scale` of the largest expected value."""
    found, expected = torch.as_tensor(found).detach().double(), torch.as_tensor(expected).double()
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= scale * float(expected.abs().max())


def robot(name, dof, count, seed, steps=40):
    """Episodes of smooth joint curves, driven by two random numbers an episode; the gripper closes halfway."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(dof).normal(size=(2, dof - 1))
    items = []
    for i in range(count):
        time = np.linspace(0, 1, steps)[:, None]
        goal = random.uniform(-1, 1, 2) @ mixing
        variant = goal * (3 * time**2 - 2 * time**3) + 0.3 * np.sin(np.pi * time * (1 + np.arange(dof - 1)))
        qpos = np.concatenate([variant, (time < 0.5).astype(float)], axis=1).astype(np.float32)
        items.append(Episode.of(f"episode_{i:04d}", Path(f"/{name}/episode_{i:04d}.hdf5"), qpos=qpos))
    names = (*(f"joint_{j}" for j in range(dof - 1)), "gripper")
    return Episodes(tuple(items), "qpos", name, names, 20.0)


@pytest.fixture(scope="session")
def robots():
    """Two pre-training robots of different width, and an adaptation robot."""
    return (robot("seven", 8, 10, 1), robot("six", 7, 10, 2)), robot("new", 7, 6, 3)


@pytest.fixture(scope="session")
def tiny():
    """A configuration that trains in a second."""
    from ate.align import AlignConfig

    return AlignConfig(
        chunk=8,
        latent=8,
        layers=3,
        heads=2,
        feedforward=16,
        dropout=0.1,
        pretrain_steps=40,
        adapt_steps=20,
        unit="steps",
        batch=16,
        learning_rate=1e-3,
    )
