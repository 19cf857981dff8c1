"""Episodes made on the spot, so that every test knows the truth behind its data."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("ATE_DEVICE", "cpu")

import h5py
import numpy as np
import pytest

from ate.data import Episodes, load

# Numbers of the released code, and recordings of people; both are part of the repository.
GOLDEN = Path(__file__).parent / "golden"
REAL = Path(__file__).parent / "real"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that drive notebooks and browsers come first, so that none of them is left to one worker at the end."""
    marked: dict[Path, int] = {}
    for item in items:
        if marks := {mark.name for mark in item.iter_markers()} & {"kernel", "browser", "slow"}:
            marked[item.path] = max(marked.get(item.path, 0), len(marks))
    items.sort(key=lambda item: -marked.get(item.path, 0))


@pytest.fixture(autouse=True, scope="module")
def _frozen_garbage() -> Iterator[None]:
    """statsmodels collects garbage in every correction: up to 0.3 s each, unless what is there already is frozen."""
    gc.freeze()
    yield
    gc.unfreeze()


def write_episode(folder: Path, index: int, qpos: np.ndarray, **more: object) -> Path:
    """One native episode file; arrays become datasets, the rest attributes."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"episode_{index:04d}.hdf5"
    with h5py.File(file, "w") as handle:
        handle["qpos"] = qpos
        for name, value in more.items():
            if isinstance(value, np.ndarray) and value.dtype != object:
                handle[name] = value
            else:
                handle.attrs[name] = value
    return file


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Episodes]:
    """Smooth random episodes of one robot: `make_set("method", joints=6, episodes=4, steps=30, gripper=True)`."""

    def make(
        robot: str = "method", joints: int = 6, episodes: int = 4, steps: int = 30, gripper: bool = True, seed: int = 0,
        state: bool = True,
    ) -> Episodes:  # fmt: skip
        rng = np.random.default_rng(seed)
        names = [f"joint{i + 1}" for i in range(joints)] + (["gripper"] if gripper else [])
        for index in range(episodes):
            t = np.linspace(0, 1, steps + index % 3)[:, None]
            ends = rng.normal(size=(2, len(names)))
            qpos = (ends[0] * (1 - t) + ends[1] * t + 0.1 * np.sin(6 * t * ends[0])).astype(np.float32)
            more: dict[str, object] = {"robot": robot, "rate_hz": 20.0, "joint_names": names}
            if state:
                more["state"] = np.concatenate([qpos[:, :3], np.broadcast_to(ends[1][:2], (len(t), 2))], 1).astype("f4")
            write_episode(tmp_path / robot, index, qpos, action=np.roll(qpos, -1, 0), **more)
        return load(tmp_path / robot)

    return make
