"""Two robots that move on straight lines, and an alignment of them in a few seconds."""

import numpy as np

from ate.align import fit
from ate.align.config import preset
from ate.data import load
from tests.conftest import write_episode

JOINTS = ("joint1", "joint2", "joint3", "joint4", "gripper")


def line_robots(folder):
    """Episodes of the old robot and of the new one."""
    rng = np.random.default_rng(0)
    for robot in ("old", "new"):
        for index in range(4):
            t = np.linspace(0, 1, 40)[:, None]
            ends = rng.uniform(-1, 1, size=(2, len(JOINTS)))
            write_episode(
                folder / robot, index, (ends[0] * (1 - t) + ends[1] * t).astype("f4"), robot=robot, rate_hz=20.0,
                joint_names=list(JOINTS),
            )  # fmt: skip
    return load(folder / "old"), load(folder / "new")


def line_alignment(robots, chunk):
    config = preset("smoke").with_options(chunk=chunk, held_out=0.25, pretrain_steps=120, adapt_steps=80)
    return fit([robots[0]], robots[1], config)
