"""Two robots with known kinematics, their alignments and a policy: made once for all rows."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ate.align import Alignment, fit
from ate.align.config import VARIANTS, AlignConfig, preset
from ate.align.vae_config import VAEConfig
from ate.data import Episodes, load
from ate.policies import Policy, build
from tests.experiments.conftest import copied

# Of an encoder with random weights.
VAE = VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16)


def small(**more: Any) -> AlignConfig:
    """Options of an alignment by two steps a stage."""
    return preset("smoke").with_options(**{"chunk": 8, "pretrain_steps": 2, "adapt_steps": 2, "held_out": 0.25, **more})


@dataclass(frozen=True)
class World:
    """Sets of both robots, what was trained on them, and the folder that holds all of it."""

    folder: Path
    old: Episodes
    new: Episodes
    alignment: Alignment
    policy: Policy

    @property
    def motion(self) -> Alignment:
        """The alignment by tool motion."""
        return _motion()


@cache
def world() -> World:
    """Panda and UR5e, chunks of 8 rows; an encoder after four steps and an untrained policy."""
    folder = Path(tempfile.mkdtemp(prefix="ways-"))
    torch.set_num_threads(1)
    copied(folder, "panda", "pretrain", 4)
    copied(folder, "ur5e", "adapt", 4)
    old, new = load(folder / "panda"), load(folder / "ur5e")
    config = small(pretrain_steps=4, adapt_steps=4)
    alignment = fit([old], new, config, directory=folder / "align")
    policy = build([old], 8, seed=0, width=alignment.space.width, hidden=16)
    policy.save(folder / "policy.safetensors")
    return World(folder, old, new, alignment, policy)


@cache
def _motion() -> Alignment:
    w = world()
    config = small(pretrain_steps=4, adapt_steps=4, **VARIANTS["motion"])
    return fit([w.old], w.new, config, directory=w.folder / "motion")
