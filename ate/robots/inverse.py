"""Inverse kinematics: damped least squares with limits, speed limits and a posture, batched over poses.

    Δq = p + Jᵀ (J Jᵀ + λ² I)⁻¹ (e − J p)        λ² = λ0² + ‖e‖²/100        p = gain · (rest − q)

Rotation rows are weighted. The second term moves the tool; p pulls the joints that the tool does not need to a posture
(null space, Liégeois 1977). Damping that grows with the error (Sugihara 2011) keeps steps finite for poses out of
reach and near singular postures. A joint at its limit that would be pushed beyond it takes no part in a step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ate.robots.kinematics import Kinematics

Array = NDArray[np.float64]
ROTATION_WEIGHT = 0.5
"""Metres that one radian of a wrong rotation counts."""
DAMPING = 3e-3
LARGEST_STEP = 0.2
PULL = 0.05
# A pose is reached when the weighted error is below this; metres.
REACHED = 1e-7
ITERATIONS, RETRIES = 60, 6


@dataclass(frozen=True, eq=False)
class Residual:
    """How far from its pose the tool is.

    Attributes:
        position: (…,) distance, metres.
        rotation: (…,) angle, radians.
    """

    position: Array
    rotation: Array


def residual(kinematics: Kinematics, q: Array, position: Array, rotation: Array) -> Residual:
    """How far the tool at joints q (…, n) is from poses (…, 3) and (…, 3, 3)."""
    reached, matrix = kinematics.forward(q)
    return Residual(np.linalg.norm(position - reached, axis=-1), np.linalg.norm(turn(matrix, rotation), axis=-1))


def solve(kinematics: Kinematics, position: Array, rotation: Array, start: Array) -> Array:
    """Joints (N, n) of poses (N, 3) and (N, 3, 3), from a start (n,) or (N, n); see `Kinematics.inverse`.

    Rows that are not reached from their start are tried again from `rest` and from fixed random postures.
    """
    low, high = _limits(kinematics)
    q = np.clip(np.broadcast_to(start, (len(position), kinematics.joints)), low, high)
    q, error = _descend(kinematics, position, rotation, q)
    generator = np.random.default_rng(0)
    spread = np.clip(high, -np.pi, np.pi), np.clip(low, -np.pi, np.pi)
    for attempt in range(RETRIES):
        rows = np.flatnonzero(error > REACHED)
        if not len(rows):
            break
        away = generator.uniform(0, 1, (len(rows), kinematics.joints)) * (spread[0] - spread[1]) + spread[1]
        again = np.broadcast_to(kinematics.rest, away.shape) if attempt == 0 else away
        solution, left = _descend(kinematics, position[rows], rotation[rows], again)
        better = left < error[rows]
        q[rows[better]], error[rows[better]] = solution[better], left[better]
    return q


def _descend(kinematics: Kinematics, position: Array, rotation: Array, start: Array) -> tuple[Array, Array]:
    """Damped steps until every row is reached or the iterations end: joints (N, n) and weighted errors (N,)."""
    q, rows, size = start.copy(), np.arange(len(start)), np.full(len(start), np.inf)
    for _ in range(ITERATIONS):
        before = q[rows]
        moved, size[rows] = _step(kinematics, before, position[rows], rotation[rows], 0.0)
        done = size[rows] <= REACHED
        q[rows[~done]] = moved[~done]
        rows = rows[~done]
        if not len(rows):
            break
    return q, size


def follow(
    kinematics: Kinematics,
    position: Array,
    rotation: Array,
    start: Array,
    period: float | None = None,
    iterations: int = 8,
) -> Array:
    """Joints (E, T, n) that follow E paths of T poses, row by row from the joints of the row before.

    Args:
        kinematics: of the robot.
        position: (E, T, 3) metres, base frame.
        rotation: (E, T, 3, 3).
        start: (n,) or (E, n) before the first row.
        period: seconds a row, for speed limits; None for none.
        iterations: damped steps a row.
    """
    low, high = _limits(kinematics)
    q = np.clip(np.broadcast_to(start, (len(position), kinematics.joints)), low, high)
    reach = np.inf if period is None else kinematics.speed * period
    rows = []
    for t in range(position.shape[1]):
        before = q
        for _ in range(iterations):
            q, _ = _step(kinematics, q, position[:, t], rotation[:, t], PULL)
            q = np.clip(q, before - reach, before + reach)
        rows.append(q)
    return np.stack(rows, axis=1)


def _step(kinematics: Kinematics, q: Array, position: Array, rotation: Array, gain: float) -> tuple[Array, Array]:
    """One damped step from q (N, n), and the weighted error (N,) before it."""
    weight = np.array([1.0] * 3 + [ROTATION_WEIGHT] * 3)[:, None]
    low, high = _limits(kinematics)
    jacobian, reached, matrix = kinematics.jacobian(q)
    error = np.concatenate([position - reached, turn(matrix, rotation)], axis=-1)[..., None] * weight
    rows = jacobian * weight
    downhill = (np.swapaxes(rows, -1, -2) @ error)[..., 0]
    blocked = ((q <= low) & (downhill < 0)) | ((q >= high) & (downhill > 0))
    rows = np.where(blocked[..., None, :], 0.0, rows)
    transposed = np.swapaxes(rows, -1, -2)
    squared = np.square(error).sum(-2, keepdims=True)
    pull = gain * (kinematics.rest - q)[..., None]
    square = rows @ transposed + (DAMPING**2 + 0.01 * squared) * np.eye(6)
    step = (pull + transposed @ np.linalg.solve(square, error - rows @ pull))[..., 0]
    largest = np.maximum(1.0, np.abs(step).max(axis=-1, keepdims=True) / LARGEST_STEP)
    return np.clip(q + step / largest, low, high), np.sqrt(squared[..., 0, 0])


def turn(matrix: Array, wanted: Array) -> Array:
    """Rotation vectors (…, 3) in the base frame that turn `matrix` into `wanted`, exact up to half a turn."""
    relative = wanted @ np.swapaxes(matrix, -1, -2)
    skew = np.stack(
        [
            relative[..., 2, 1] - relative[..., 1, 2],
            relative[..., 0, 2] - relative[..., 2, 0],
            relative[..., 1, 0] - relative[..., 0, 1],
        ],
        -1,
    )
    sine = np.linalg.norm(skew, axis=-1, keepdims=True) / 2
    cosine = (np.trace(relative, axis1=-2, axis2=-1)[..., None] - 1) / 2
    angle = np.arctan2(sine, cosine)
    # At half a turn the axis is not in the skew part; any direction leads away from there.
    return skew / 2 * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-12), 1.0)


def _limits(kinematics: Kinematics) -> tuple[Array, Array]:
    return kinematics.limits[:, 0], kinematics.limits[:, 1]
