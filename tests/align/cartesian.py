"""Robots whose tool is told by their joints, with episodes whose goals the tests choose."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ate.align import Alignment, Posterior
from ate.align.config import AlignConfig
from ate.align.priors import standard
from ate.data.episodes import Episode, Episodes
from ate.data.normalize import Normalizer
from ate.data.space import ActionSpace
from ate.robots import Embodiment

CHUNK = 8
NAMES = ("x", "y", "z", "yaw", "time", "other", "gripper")


def goals(count, seed):
    """End points and yaws of `count` episodes, (count, 4)."""
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (count, 4))


def cartesian(name, ends, seed=0, steps=24, mixing=None, **left_out):
    """Episodes in which the tool goes to `ends` (E, 4), metres and yaw, and the gripper closes halfway.

    Joints are the tool's position and yaw, the time, a smooth curve that has nothing to do with any of it, and the
    gripper; or, with `mixing` (4, dof − 1), that mixture of position and yaw, and the gripper.
    """
    random = np.random.default_rng(seed)
    items = []
    for i, end in enumerate(ends):
        time = np.linspace(0, 1, steps)[:, None]
        tool = end * (3 * time**2 - 2 * time**3) + 0.1 * np.sin(3 * time * np.array([1, 2, 1, 0])) * end[::-1]
        noise = np.cumsum(np.cumsum(random.normal(size=(steps, 1)), 0), 0) / steps
        gripper = (time < 0.5).astype(float)
        variant = tool @ mixing if mixing is not None else np.concatenate([tool, time, noise], 1)
        half = tool[:, 3:] / 2
        pose = np.concatenate([tool[:, :3], np.cos(half), 0 * half, 0 * half, np.sin(half)], 1)
        series = {
            "qpos": np.concatenate([variant, gripper], 1).astype(np.float32),
            "ee_pose": pose.astype(np.float32),
            "phase": (2.99 * time[:, 0]).astype(np.int8),
        }
        series = {key: value for key, value in series.items() if key not in left_out}
        items.append(Episode.of(f"episode_{i:04d}", Path(f"/{name}/episode_{i:04d}.hdf5"), **series))
    names = NAMES if mixing is None else (*(f"{name}_{j}" for j in range(mixing.shape[1])), "gripper")
    return Episodes(tuple(items), "qpos", name, names, 20.0)


class Planted(nn.Module):
    """A network whose latent is a chosen function of a chunk."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.tokens = nn.Parameter(torch.zeros(1))
        self.device = torch.device("cpu")

    def encode(self, x):
        mean = self.function(x)
        return Posterior(mean, torch.full_like(mean, 0.01))


def planted(sets, adapt, function):
    """An alignment of cartesian robots whose latents are `function` of chunks (B, S, 7) in metres and radians."""

    def space(episodes):
        width = len(NAMES)
        embodiment = Embodiment(episodes.robot, NAMES, tuple(range(width)), width)
        return ActionSpace(embodiment, Normalizer(-np.ones(width, "f4"), np.ones(width, "f4")), "qpos")

    vae = Planted(function)
    return Alignment(
        pretrain_vae=vae,
        vae=vae,
        prior=standard(4),
        pretrain_spaces=tuple(space(s) for s in sets),
        space=space(adapt),
        config=AlignConfig(chunk=CHUNK, latent=4, heads=1),
        seed=0,
        digests={},
        held_out={},
        metrics={},
    )
