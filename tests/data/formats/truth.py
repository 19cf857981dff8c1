"""What every set of the tests holds: the same two episodes of three columns."""

import numpy as np

NAMES = ("shoulder", "elbow", "gripper")
LENGTHS = (12, 9)


def truth(number, width=3):
    """`(qpos, action)` of an episode, float32."""
    rng = np.random.default_rng(100 + number)
    return (rng.normal(size=(LENGTHS[number], width)).astype(np.float32) for _ in range(2))
