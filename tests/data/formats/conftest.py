"""Motion that a robot could make in the place of the random truth."""

import numpy as np
import pytest

from tests.data.formats import makers, recorded, variants

STEPS = 60


def motion(number, width=3):
    """`(qpos, action)` of an episode of 60 steps, float32: slow sines, a gripper last, commands two rows ahead."""
    t = np.linspace(0, 3, STEPS)[:, None]
    rng = np.random.default_rng(number)
    qpos = 0.6 * np.sin(t * rng.uniform(0.8, 1.4, width) + rng.normal(size=width))
    qpos[:, -1] = 0.5 - 0.4 * np.cos(t[:, 0] + number)
    ahead = np.roll(qpos, -2, axis=0)
    ahead[-2:] = qpos[-1]
    return (values.astype(np.float32) for values in (qpos, ahead))


@pytest.fixture
def smooth(monkeypatch):
    """What every maker then writes."""
    for module in (makers, recorded, variants):
        monkeypatch.setattr(module, "truth", motion)
        monkeypatch.setattr(module, "LENGTHS", (STEPS, STEPS))
