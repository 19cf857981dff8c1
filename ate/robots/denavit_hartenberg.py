"""The makers' ways to write a chain of joints, turned into one form.

`frames[i]` is the fixed transform from the frame of joint i-1 (after its rotation) to the frame of joint i (before
its rotation by q_i about its own z), and `flange` what follows the last joint:

    modified DH (Craig)   Rx(α) Tx(a) Tz(d) Rz(θ0) · Rz(q)        rows (α, a, d[, θ0])
    standard DH           Rz(θ0 + q) Tz(d) Tx(a) Rx(α)            rows (θ0, d, a, α)
    URDF origins          T(xyz) R(rpy) · Rz(q)                   rows (xyz, rpy)

Metres and radians.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rotation(axis: int, angle: float) -> Array:
    """(4, 4) rotation by `angle` radians about axis 0, 1 or 2."""
    result = np.eye(4)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    # exact zeros and ones for multiples of a quarter turn keep the chains free of 1e-17 crumbs
    cos, sin = (float(np.round(v, 15)) for v in (np.cos(angle), np.sin(angle)))
    result[i, i] = result[j, j] = cos
    result[i, j], result[j, i] = -sin, sin
    return result


def translation(x: float, y: float, z: float) -> Array:
    """(4, 4) translation in metres."""
    result = np.eye(4)
    result[:3, 3] = x, y, z
    return result


def from_mdh(rows: Sequence[Sequence[float]]) -> tuple[Array, Array]:
    """Frames (n, 4, 4) and flange (4, 4) from modified DH rows (α, a, d[, θ0]) of joints 1..n."""
    frames = [
        rotation(0, alpha) @ translation(a, 0, 0) @ translation(0, 0, d) @ rotation(2, sum(offset))
        for alpha, a, d, *offset in rows
    ]
    return np.array(frames), np.eye(4)


def from_dh(rows: Sequence[Sequence[float]], base: Array) -> tuple[Array, Array]:
    """Frames (n, 4, 4) and flange (4, 4) from standard DH rows (θ0, d, a, α); `base` (4, 4) stands before joint 1.

    What a row does after its joint belongs to the next frame, and after the last joint to the flange.
    """
    frames, after = [], base
    for theta, d, a, alpha in rows:
        frames.append(after @ rotation(2, theta))
        after = translation(0, 0, d) @ translation(a, 0, 0) @ rotation(0, alpha)
    return np.array(frames), after


def from_origins(rows: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[Array, Array]:
    """Frames (n, 4, 4) and flange (4, 4) from URDF joint origins (xyz metres, rpy radians about fixed axes)."""
    frames = [translation(*xyz) @ rotation(2, rpy[2]) @ rotation(1, rpy[1]) @ rotation(0, rpy[0]) for xyz, rpy in rows]
    return np.array(frames), np.eye(4)
