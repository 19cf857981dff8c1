"""Two small sets that commands take, and the options of an alignment that takes seconds."""

import numpy as np
import pytest

from tests.conftest import write_episode

SMALL = ("layers=3", "heads=2", "feedforward=16", "batch=16", "unit=steps", "chunk=8", "latent=8")


@pytest.fixture
def sets(tmp_path):
    """Folders of a pre-training and of an adaptation robot, four episodes each."""
    for robot in ("old", "new"):
        rng = np.random.default_rng(len(robot))
        for index in range(4):
            rows = np.cumsum(rng.normal(size=(24, 7)) * 0.05, 0).astype("f4")
            write_episode(tmp_path / robot, index, rows, robot=robot, rate_hz=20.0)
    return tmp_path / "old", tmp_path / "new"


def aligning(sets, out, pretrain_steps, adapt_steps=8):
    """The words of `ate align` on them."""
    steps = (f"pretrain_steps={pretrain_steps}", f"adapt_steps={adapt_steps}")
    options = [word for item in (*SMALL, *steps) for word in ("-p", item)]
    return ["align", "--preset", "smoke", "--pretrain", sets[0], "--adapt", sets[1], "--out", out, *options]
