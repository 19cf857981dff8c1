from pathlib import Path

import numpy as np
import pytest
import torch

from ate.align import fit
from ate.align.config import preset
from ate.data import DataSet, load
from ate.experiments import Experiment
from ate.policies import build
from tests.conftest import write_episode


def record(folder, joints, episodes, seed):
    """Smooth random episodes of one robot, which no simulator knows."""
    rng = np.random.default_rng(seed)
    names = [*(f"joint{i + 1}" for i in range(joints)), "gripper"]
    for index in range(episodes):
        time, ends = np.linspace(0, 1, 30 + index % 3)[:, None], rng.normal(size=(2, len(names)))
        qpos = (ends[0] * (1 - time) + ends[1] * time + 0.1 * np.sin(6 * time * ends[0])).astype("f4")
        state = np.concatenate([qpos[:, :3], np.broadcast_to(ends[1][:2], (len(time), 2))], 1).astype("f4")
        write_episode(folder, index, qpos, action=np.roll(qpos, -1, 0), state=state, robot=folder.name, rate_hz=20.0,
                      joint_names=names)  # fmt: skip
    return load(folder)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A folder with two small robots `old` and `new`, their alignment `align` and an untrained policy."""
    folder = tmp_path_factory.mktemp("world")
    torch.set_num_threads(1)
    old, new = record(folder / "old", 7, 5, 0), record(folder / "new", 6, 8, 1)
    config = preset("smoke").with_options(chunk=8, pretrain_steps=4, adapt_steps=4)
    alignment = fit(old, new, config, directory=folder / "align")
    build([old], 8, seed=0, width=alignment.space.width, hidden=16).save(folder / "policy.safetensors")
    return folder


@pytest.fixture
def experiment(world) -> Experiment:
    """Over that world: three steps on four demonstrations, no simulator."""
    return Experiment(
        policy=str(world / "policy.safetensors"), alignment=str(world / "align"), adapt=DataSet(str(world / "new")),
        held_out=0.25, demonstrations=4, steps=3, batch=8, rollouts=2,
    )  # fmt: skip


def stripped(results):
    """Results as plain values, without what no two runs share, and without the hash that only a kept one has."""
    return [{k: v for k, v in r.to_tree().items() if k not in ("seconds", "cell")} for r in results]
