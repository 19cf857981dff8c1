"""Two robots with known kinematics, their alignments and a policy: made once for all rows."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from ate.align import Alignment, fit
from ate.align.config import VARIANTS, preset
from ate.data import Episodes, load
from ate.policies import Policy, build
from tests.experiments.conftest import copied


@dataclass(frozen=True)
class World:
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
    config = preset("smoke").with_options(chunk=8, pretrain_steps=4, adapt_steps=4, held_out=0.25)
    alignment = fit([old], new, config, directory=folder / "align")
    policy = build([old], 8, seed=0, width=alignment.space.width, hidden=16)
    policy.save(folder / "policy.safetensors")
    return World(folder, old, new, alignment, policy)


@cache
def _motion() -> Alignment:
    w = world()
    config = preset("smoke").with_options(chunk=8, pretrain_steps=4, adapt_steps=4, held_out=0.25)
    return fit([w.old], w.new, config.with_options(**VARIANTS["motion"]), directory=w.folder / "motion")
