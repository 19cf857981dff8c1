"""The kinematics that the simulator and its expert compute with, in numpy.

    T(q) = Π frames[i] · Rz(q_i) · flange · tool

All functions are batched over leading dimensions, in radians and metres, in the frame of the robot's base
(its mounting plate), z up. The tool point lies between the pads of the common gripper, `TOOL` metres from the flange.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError
from ate.robots.kinematic_table import Robot, robot

Array = NDArray[np.float64]
TOOL = 0.105
HOME_POSITION = np.array([-0.05, 0.0, 0.20])
"""Tool position of every robot's home posture in the table frame, metres."""
DAMPING = 0.01
ROTATION_WEIGHT = 0.5
LARGEST_TURN = 0.2


def joint_frames(arm: Robot, q: Array) -> tuple[Array, Array]:
    """Frames (..., n, 4, 4) after each joint and the tool frame (..., 4, 4), for arm joints q (..., n)."""
    cos, sin = np.cos(q), np.sin(q)
    current = np.broadcast_to(np.eye(4), (*q.shape[:-1], 4, 4))
    frames = np.empty((*q.shape, 4, 4))
    for i in range(arm.joints):
        before = current @ arm.frames[i]
        c, s = cos[..., i, None], sin[..., i, None]
        current = before.copy()
        current[..., 0] = before[..., 0] * c + before[..., 1] * s
        current[..., 1] = before[..., 1] * c - before[..., 0] * s
        frames[..., i, :, :] = current
    mount = arm.flange.copy()
    mount[:3, 3] += TOOL * mount[:3, 2]
    return frames, current @ mount


def pose(arm: Robot, q: Array) -> tuple[Array, Array]:
    """Tool position (..., 3) metres and rotation matrix (..., 3, 3) in the base frame."""
    _, tool = joint_frames(arm, q)
    return tool[..., :3, 3], tool[..., :3, :3]


def quaternion(matrix: Array) -> Array:
    """Unit quaternions wxyz (..., 4), w >= 0, of rotation matrices (..., 3, 3).

    Of the four equivalent formulas the one with the largest divisor is taken, row by row (Shepperd 1978).
    """
    m = matrix
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], axis=-1)
    x, y, z = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    w4, x4, y4, z4 = (squares[..., i] for i in range(4))
    rows = np.stack([w4, x, y, z, x, x4, xy, xz, y, xy, y4, yz, z, xz, yz, z4], -1).reshape(*squares.shape, 4)
    best = np.argmax(squares, axis=-1)[..., None, None]
    chosen = np.take_along_axis(rows, best, axis=-2)[..., 0, :]
    chosen = chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)
    return np.where(chosen[..., :1] < 0, -chosen, chosen)


def jacobian(arm: Robot, q: Array) -> tuple[Array, Array]:
    """Geometric Jacobian (..., 6, n) of the tool (linear rows first) and the tool frame (..., 4, 4)."""
    frames, tool = joint_frames(arm, q)
    axes = frames[..., :3, 2]
    arms = tool[..., None, :3, 3] - frames[..., :3, 3]
    rows = np.concatenate([np.cross(axes, arms), axes], axis=-1)
    return np.swapaxes(rows, -1, -2), tool


def downward(yaw: Array) -> Array:
    """Tool rotations (..., 3, 3) with z down and the fingers along world y, then turned by `yaw` about world z."""
    cos, sin, zero = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)
    return np.stack([cos, sin, zero, sin, -cos, zero, zero, zero, zero - 1], -1).reshape(*np.shape(yaw), 3, 3)


def toward(arm: Robot, q: Array, position: Array, matrix: Array, rest: Array, iterations: int = 3) -> Array:
    """Damped least-squares steps from q (N, n) to a tool pose in the base frame; joints (N, n) within limits.

    Δq = Jᵀ (J Jᵀ + λ² I)⁻¹ e + (I − J⁺ J) g (rest − q), with rotation rows weighted and |Δq| bounded. The second
    term pulls joints that the tool does not need to the posture `rest` (n,) (null-space projection, Liégeois 1977).
    """
    weight = np.array([1.0] * 3 + [ROTATION_WEIGHT] * 3)[:, None]
    for _ in range(iterations):
        rows, tool = jacobian(arm, q)
        turn = 0.5 * np.cross(tool[..., :3, :3], matrix, axis=-2).sum(axis=-1)
        error = np.concatenate([position - tool[..., :3, 3], turn], axis=-1)[..., None] * weight
        weighted = rows * weight
        transposed = np.swapaxes(weighted, -1, -2)
        square = weighted @ transposed + DAMPING**2 * np.eye(6)
        pull = 0.05 * (rest - q)[..., None]
        step = pull + transposed @ np.linalg.solve(square, error - weighted @ pull)
        largest = np.maximum(1.0, np.abs(step).max(axis=-2, keepdims=True) / LARGEST_TURN)
        q = np.clip(q + (step / largest)[..., 0], arm.limits[:, 0], arm.limits[:, 1])
    return q


@cache
def home(name: str) -> Array:
    """Arm joints (n,) of the common home pose: tool at `HOME_POSITION`, pointing down, fingers along y.

    The fingers are alike, so of the two yaws half a turn apart the one nearer to the robot's seed posture is taken.
    """
    arm = robot(name)
    seed = arm.seed[None]
    _, matrix = pose(arm, seed)
    choices = downward(np.array([0.0, np.pi]))
    nearer = choices[np.argmax(np.einsum("kij,ij->k", choices, matrix[0]))]
    solution = toward(arm, seed, HOME_POSITION - arm.base, nearer[None], arm.seed, iterations=400)[0]
    position, reached = pose(arm, solution)
    miss = np.abs(position + arm.base - HOME_POSITION).max() + np.abs(reached - nearer).max()
    if miss > 1e-3:
        raise InputError(
            f"a residual of {miss:.4f}",
            where=f"home posture of {name}",
            expected="the common home pose within a millimetre",
            fix="give the robot table a seed posture nearer to it",
        )
    solution.flags.writeable = False
    return solution
