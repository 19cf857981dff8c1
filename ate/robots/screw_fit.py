"""Screws from recorded joints and tool poses: a linear start, then Gauss-Newton steps on the screws themselves.

    T(q) = Π_i exp(ξ_i (q_i − q0_i)) · M        ξ_i ← Ad(exp η_i) ξ_i,   M ← exp(μ) M

Moving a screw as a whole keeps its axis of unit length and its pitch zero, exactly. With P_i the product of the first i
exponentials, the tool moves by the twist Σ_i (Ad P_{i−1} − Ad P_i) η_i + Ad P_n μ, so the derivatives are exact too.
Start: log(T(q) T0⁻¹) ≈ Σ_i ξ_i e_i + ½ Σ_{k<i} [ξ_k, ξ_i] e_k e_i is linear in the screws and the brackets (Baker,
Campbell and Hausdorff to second order).

Source: Lynch and Park, Modern Robotics, chapters 3 and 4; damped steps after Levenberg and Marquardt.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from ate.robots.inverse import turn
from ate.robots.kinematics import Kinematics

Array = NDArray[np.float64]
STEPS = 60
# Where the linear fit around the mean posture leads nowhere, so many random sets of axes are fitted to the rotations of
# so many rows, until one explains them within so many radians.
AXES, ROWS, TURNED = 60, 100, 0.05
# Metres of root mean square error above which a fit has led nowhere.
ASTRAY = 5e-3
# Metres that a radian of the tool counts before the residuals themselves say how much.
RADIAN = 0.2
LEAST_RADIAN, MOST_RADIAN = 0.02, 2.0
# An axis that the linear fit makes shorter than this does not turn: the joint slides.
SLIDES = 0.4
# Below this range a joint says too little about its axis: radians or metres.
STILL = 0.02


@dataclass(frozen=True, eq=False)
class Poses:
    """Recorded joints and tool poses.

    Attributes:
        qpos: (N, n) radians or metres.
        position: (N, 3) metres.
        rotation: (N, 3, 3).
    """

    qpos: Array
    position: Array
    rotation: Array

    def take(self, rows: NDArray[Any]) -> "Poses":
        """Some of the rows, by position or mask."""
        return Poses(self.qpos[rows], self.position[rows], self.rotation[rows])


@dataclass(frozen=True, eq=False)
class Fit:
    """What was fitted.

    Attributes:
        kinematics: with the mean posture as `zero`.
        error: (N, 6) what is left, position (m) and rotation vector (rad), base frame.
        radian: metres that a radian counted.
        covariance: (6n + 6, 6n + 6) of η and μ, from the errors that are left.
    """

    kinematics: Kinematics
    error: Array
    radian: float
    covariance: Array


def fit(poses: Poses, start: Kinematics | None = None) -> Fit:
    """Kinematics that explain the poses best, from a start or from a linear fit."""
    fitted = _descend(start or linear(poses), poses, _weights(RADIAN))
    if start is None and _size(fitted, poses) > ASTRAY:
        fitted = min((fitted, _from_rotations(poses)), key=lambda k: _size(k, poses))
    error, _ = _errors(fitted, poses)
    spread = np.sqrt(np.square(error).mean(0).reshape(2, 3).mean(1))
    # Each part counts by how well it is measured.
    radian = float(np.clip(spread[0] / max(spread[1], 1e-12), LEAST_RADIAN, MOST_RADIAN))
    fitted = _descend(fitted, poses, _weights(radian))
    error, rows = _errors(fitted, poses)
    weight = _weights(radian)
    flat = (rows * weight[:, None]).reshape(-1, rows.shape[-1])
    freedom = max(flat.shape[0] - 4 * fitted.joints - 6, 1)
    variance = np.square(error * weight).sum() / freedom
    return Fit(fitted, error, radian, variance * np.linalg.pinv(flat.T @ flat, rcond=1e-12, hermitian=True))


def _size(k: Kinematics, poses: Poses) -> float:
    """Root mean square distance of the tool, metres."""
    return float(np.sqrt(np.square(_errors(k, poses)[0][:, :3]).sum(1).mean()))


def _from_rotations(poses: Poses) -> Kinematics:
    """A fit from random axes: of rotations alone first, which axes alone explain, then of the whole poses."""
    generator, count, n = np.random.default_rng(0), *poses.qpos.shape
    some = poses.take(generator.permutation(count)[:ROWS])
    best, least = linear(poses), np.inf
    for _ in range(AXES):
        axes = generator.normal(size=(n, 3))
        screws = np.concatenate([axes / np.linalg.norm(axes, axis=1, keepdims=True), np.zeros((n, 3))], axis=1)
        fitted = _descend(replace(best, screws=screws), some, np.array([0.0] * 3 + [1.0] * 3))
        left = float(np.sqrt(np.square(_errors(fitted, some)[0][:, 3:]).sum(1).mean()))
        if left < least:
            best, least = fitted, left
        if least < TURNED:
            break
    return _descend(best, poses, _weights(RADIAN))


def linear(poses: Poses) -> Kinematics:
    """Screws by linear least squares around the mean posture; joints that hardly move get a guess."""
    q, n = poses.qpos, poses.qpos.shape[1]
    zero = q.mean(0)
    e = q - zero
    middle = int(np.square(e).sum(1).argmin())
    origin = poses.position[middle]
    relative = poses.rotation @ poses.rotation[middle].T
    omega = turn(np.eye(3), relative)
    shift = poses.position - np.einsum("nij,j->ni", relative, origin)
    twist = np.concatenate([omega, _unturned(omega, shift)], axis=1)
    pairs = np.stack([e[:, k] * e[:, i] for k, i in combinations(range(n), 2)], 1) if n > 1 else np.zeros((len(e), 0))
    design = np.concatenate([np.ones((len(e), 1)), e, pairs], axis=1)
    scale = np.maximum(np.linalg.norm(design, axis=0), 1e-9)
    ridge = 1e-4 * np.eye(design.shape[1])
    solved = np.linalg.solve((design / scale).T @ (design / scale) + ridge, (design / scale).T @ twist) / scale[:, None]
    screws = np.array([_proper(row, still) for row, still in zip(solved[1 : n + 1], np.ptp(q, 0) < STILL, strict=True)])
    mount = np.eye(4)
    mount[:3, :3], mount[:3, 3] = poses.rotation[middle], origin
    names = tuple(f"joint_{i}" for i in range(n))
    unbounded = np.full((n, 2), (-np.inf, np.inf))
    return Kinematics("identified", names, screws, mount, np.eye(n), zero, unbounded, np.full(n, np.inf), zero)


def forward_spread(fitted: Fit, qpos: Array) -> Array:
    """Standard deviation (N,) of the tool's position in postures (N, n) that the fit leaves open, metres."""
    k = fitted.kinematics
    position, _ = k.forward(qpos)
    rows = _rows(k, qpos, position)[:, :3]
    variance: Array = np.sqrt(np.maximum(np.einsum("nai,ij,naj->n", rows, fitted.covariance, rows), 0.0))
    return variance


def _descend(start: Kinematics, poses: Poses, weight: Array) -> Kinematics:
    """Damped Gauss-Newton steps until they no longer help; errors (6,) are weighted."""
    damping, current = 1e-3, start
    error, rows = _errors(current, poses)
    cost = float(np.square(error * weight).sum())
    for _ in range(STEPS):
        flat = (rows * weight[:, None]).reshape(-1, rows.shape[-1])
        square, slope = flat.T @ flat, flat.T @ (error * weight).ravel()
        ridge = damping * np.trace(square) / len(square) * np.eye(len(square))
        trial = _moved(current, np.linalg.solve(square + ridge, slope).reshape(-1, 6))
        trial_error, trial_rows = _errors(trial, poses)
        lower = float(np.square(trial_error * weight).sum())
        if lower < cost:
            settled = cost - lower < 1e-9 * cost
            current, error, rows, cost = trial, trial_error, trial_rows, lower
            damping = max(damping / 10, 1e-14)
            if settled:
                break
        elif damping > 1e3:
            break
        else:
            damping *= 10
    return current


def _weights(radian: float) -> Array:
    return np.array([1.0] * 3 + [radian] * 3)


def _errors(k: Kinematics, poses: Poses) -> tuple[Array, Array]:
    """What the poses differ by (N, 6), and its derivatives (N, 6, 6n + 6) by η and μ, with the opposite sign."""
    position, rotation = k.forward(poses.qpos)
    error = np.concatenate([poses.position - position, turn(rotation, poses.rotation)], axis=1)
    return error, _rows(k, poses.qpos, position)


def _rows(k: Kinematics, qpos: Array, position: Array) -> Array:
    """Motion (N, 6, 6n + 6) of the tool, linear rows first, by η and μ."""
    rotations, positions = k.products(qpos)
    products = _adjoint(rotations, positions)
    before = np.concatenate([np.broadcast_to(np.eye(6), (len(qpos), 1, 6, 6)), products[:, :-1]], axis=1)
    twists = np.concatenate([before - products, products[:, -1:]], axis=1)
    angular, linear_rows = twists[..., :3, :], twists[..., 3:, :]
    moved = linear_rows + np.cross(angular, position[:, None, :, None], axis=-2)
    rows = np.concatenate([moved, angular], axis=-2)
    return np.moveaxis(rows, 1, 2).reshape(len(qpos), 6, -1)


def _adjoint(rotation: Array, position: Array) -> Array:
    """Adjoint matrices (…, 6, 6) of poses, for twists (ω, v)."""
    out = np.zeros((*rotation.shape[:-2], 6, 6))
    out[..., :3, :3] = out[..., 3:, 3:] = rotation
    out[..., 3:, :3] = np.cross(position[..., None, :], np.swapaxes(rotation, -1, -2)).swapaxes(-1, -2)
    return out


def _moved(k: Kinematics, steps: Array) -> Kinematics:
    """The kinematics with every screw, and at last the mount, moved by a twist (n + 1, 6)."""
    tangent = np.zeros((len(steps), 4, 4))
    x, y, z = steps[:, :3].T
    tangent[:, 0, 1], tangent[:, 0, 2], tangent[:, 1, 2] = -z, y, -x
    tangent[:, :3, :3] -= np.swapaxes(tangent[:, :3, :3], -1, -2)
    tangent[:, :3, 3] = steps[:, 3:]
    moves = expm(tangent)
    adjoints = _adjoint(moves[:-1, :3, :3], moves[:-1, :3, 3])
    screws = np.array([_proper(row) for row in np.einsum("nij,nj->ni", adjoints, k.screws)])
    return replace(k, screws=screws, mount=moves[-1] @ k.mount)


def _proper(screw: Array, still: bool = False) -> Array:
    """The nearest screw of a hinge, or of a slide where it hardly turns."""
    omega, v = screw[:3], screw[3:]
    length = float(np.linalg.norm(omega))
    if still and length < SLIDES:
        # Of a joint that hardly moved nothing is known; it most likely turns.
        return np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    if length < SLIDES:
        return np.concatenate([np.zeros(3), v / max(float(np.linalg.norm(v)), 1e-12)])
    axis = omega / length
    moment = v / length
    return np.concatenate([axis, moment - axis * (axis @ moment)])


def _unturned(omega: Array, shift: Array) -> Array:
    """Linear parts v (N, 3) of the logarithms of poses with rotation vectors ω (N, 3) and translations (N, 3)."""
    angle = np.linalg.norm(omega, axis=1, keepdims=True)
    small = angle < 1e-4
    safe = np.where(small, 1.0, angle)
    factor = np.where(small, 1 / 12, 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(safe)))
    return shift - np.cross(omega, shift) / 2 + factor * np.cross(omega, np.cross(omega, shift))
