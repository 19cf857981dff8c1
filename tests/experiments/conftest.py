from pathlib import Path

import numpy as np
import pytest
import torch

from ate.align import fit
from ate.align.config import VARIANTS, preset
from ate.data import DataSet, load, load_sets
from ate.data.tool_space import tool_spaces
from ate.experiments import Experiment
from ate.experiments.settings import SHIPPED
from ate.policies import build
from ate.robots.frames import Placement
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
    config = preset("smoke-published").with_options(chunk=8, pretrain_steps=4, adapt_steps=4)
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


def copied(folder, robot, role, episodes):
    """Shipped episodes without their task, so that nothing is rolled out."""
    source = load(SHIPPED / "lift" / role / robot).select(range(episodes))
    for index, item in enumerate(source):
        names = {"joint_names": source.joint_names, "state_names": item.attributes["state_names"]}
        series = {name: item.read(name) for name in ("state", "ee_pose")}
        write_episode(folder / robot, index, item.qpos, robot=robot, rate_hz=20.0, **series, **names)


@pytest.fixture(scope="session")
def placed_world(tmp_path_factory) -> Path:
    """Two pre-training robots and a new one whose kinematics are known, with both alignments and both policies."""
    folder = tmp_path_factory.mktemp("placed")
    torch.set_num_threads(1)
    for robot in ("panda", "xarm6"):
        copied(folder / "old", robot, "pretrain", 3)
    copied(folder / "new", "ur5e", "adapt", 8)
    sets, new = load_sets(folder / "old"), load(folder / "new" / "ur5e")
    config = preset("smoke").with_options(chunk=8, pretrain_steps=4, adapt_steps=4)
    alignment = fit(sets, new, config, directory=folder / "align")
    fit(sets, new, config.with_options(**VARIANTS["motion"]), directory=folder / "motion")
    build(sets, 8, seed=0, width=alignment.space.width, hidden=16).save(folder / "policy.safetensors")
    tools = tool_spaces(sets, [Placement.of(episodes.robot) for episodes in sets])
    build(sets, 8, seed=0, acted_in=tools, hidden=16).save(folder / "tool.safetensors")
    return folder


@pytest.fixture
def placed(placed_world) -> Experiment:
    """Over that world: three steps on four demonstrations, no rollouts."""
    return Experiment(
        policy=str(placed_world / "policy.safetensors"), alignment=str(placed_world / "align"),
        adapt=DataSet(str(placed_world / "new" / "ur5e")), pretrain=DataSet(str(placed_world / "old")),
        variants=(("motion", str(placed_world / "motion")),), tool_policy=str(placed_world / "tool.safetensors"),
        normalizer="retargeted", held_out=0.25, demonstrations=4, steps=3, batch=8, rollouts=2,
    )  # fmt: skip
