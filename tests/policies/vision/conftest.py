import h5py
import numpy as np
import pytest

from ate.data import load
from ate.experiments.settings import SHIPPED
from ate.policies.vision import Encoder, EncoderConfig, Eyes, see
from ate.policies.vision.seen import write

TINY = EncoderConfig(size=32, maps=8, hidden=16, mixtures=2, words=4)


def scene_set(folder, robot="panda", task="lift", role="pretrain", episodes=2, rows=8):
    """The first rows of some shipped demonstrations, as a set of its own."""
    folder.mkdir(parents=True)
    for index in range(episodes):
        file = f"episode_{index:04d}.hdf5"
        with h5py.File(SHIPPED / task / role / robot / file) as old, h5py.File(folder / file, "w") as new:
            for name in old:
                new[name] = old[name][:rows]
            new.attrs.update(old.attrs)
    return load(folder)


@pytest.fixture(scope="package")
def eyes():
    """An encoder that was never trained, with small pictures."""
    return Eyes(Encoder(TINY).eval().requires_grad_(False), "lift")


@pytest.fixture(scope="package")
def pair(eyes, tmp_path_factory):
    """A small set and the same as it is seen, read back from disk."""
    folder = tmp_path_factory.mktemp("seen")
    episodes = scene_set(folder / "panda")
    write(see(episodes, eyes), eyes, folder / "seen" / "panda")
    return episodes, load(folder / "seen" / "panda")


def started(robot="ur5e", task="lift", count=3):
    """qpos and state of some starts of the simulator."""
    from ate.sim.environments import Environments

    with Environments(robot, task, range(count), threads=1) as environments:
        qpos, state = environments.observe()
    return np.asarray(qpos), np.asarray(state)
