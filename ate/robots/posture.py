"""A resting posture for robots whose file has none: bent, above the base, away from limits.

A stretched arm cannot move its tool along itself: steps of inverse kinematics from there go nowhere. Of fixed random
postures around the middle of the limits, the one is taken from which the tool moves best in its worst direction.
"""

import numpy as np
from numpy.typing import NDArray

from ate.robots.kinematics import Kinematics

Array = NDArray[np.float64]
DRAWS = 512
# Half the width of the draws around the middle, radians or metres, and at most this share of the range.
WIDTH, SHARE = 1.2, 0.3
# The middle is kept where it is at least so good against the best draw.
GOOD = 0.5
# Metres that a radian of the tool counts.
RADIAN = 0.3


def posture(kinematics: Kinematics) -> Array:
    """A posture (n,) within the limits: their middle (0 where there are none) if it is not stretched, else a bent one.

    Where any posture of the draws keeps every joint above the base, only such postures count.
    """
    low, high = kinematics.limits.T
    bounded = np.isfinite(low) & np.isfinite(high)
    middle = np.where(bounded, (np.where(bounded, low, 0) + np.where(bounded, high, 0)) / 2, np.clip(0.0, low, high))
    half = np.minimum(WIDTH, np.where(bounded, SHARE * (np.where(bounded, high - low, 0)), WIDTH))
    draws = middle + half * np.random.default_rng(0).uniform(-1, 1, (DRAWS, kinematics.joints))
    draws = np.clip(np.concatenate([middle[None], draws]), low, high)
    score = _worst_direction(kinematics, draws)
    above = lowest(kinematics, draws) >= min(0.0, lowest(kinematics, np.zeros_like(middle)[None])[0]) - 1e-9
    score = np.where(above, score, score - score.max() - 1.0) if above.any() else score
    best = int(score.argmax())
    return draws[0 if score[0] >= GOOD * score[best] and score[0] > 0 else best]


def _worst_direction(kinematics: Kinematics, q: Array) -> Array:
    """Smallest singular value (N,) of the Jacobians of postures (N, n)."""
    rows = kinematics.jacobian(q)[0] * np.array([1.0] * 3 + [RADIAN] * 3)[:, None]
    values: Array = np.linalg.svd(rows, compute_uv=False)[..., -1]
    return values


def lowest(kinematics: Kinematics, q: Array) -> Array:
    """Height (N,) of the lowest of joints and tool in postures (N, n), base frame, metres."""
    return points(kinematics, q)[..., 2].min(axis=-1)


def points(kinematics: Kinematics, q: Array) -> Array:
    """A point (N, m + 1, 3) on every moving joint's axis and the tool, in postures (N, n).

    The point of an axis is the one nearest to where the link before it ends, so that lines between the points show the
    arm; of a slide it is that end.
    """
    spots, before = [], np.zeros(3)
    for screw in kinematics.screws:
        omega = screw[:3]
        if omega.any():
            before = np.cross(omega, screw[3:]) + omega * (omega @ before)
        spots.append(before)
    rotations, positions = kinematics.products(q)
    # A joint leaves the points of its own axis where the joints before it put them.
    axes = np.einsum("...mij,mj->...mi", rotations, np.stack(spots)) + positions
    return np.concatenate([axes, kinematics.forward(q)[0][..., None, :]], axis=-2)
