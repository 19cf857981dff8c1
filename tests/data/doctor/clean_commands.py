"""Changes of commands that keep demonstrations sound; each says how they would be sent."""

import numpy as np

from tests.data.doctor.clean_motions import frozen_pauses
from tests.data.doctor.demonstration import ARM, UR5E, Demonstration, resampled, shipped


def minus_and_plus(d: Demonstration) -> None:
    """A gripper that is measured as an opening and commanded −1 (open) or 1 (closed)."""
    assert d.action is not None
    d.action[:, 6] = np.where(d.action[:, 6] > 0.5, -1.0, 1.0)


def closing_command(d: Demonstration) -> None:
    """A gripper that is measured as an opening and commanded by how far it closes, 0 to 1 (Robotiq)."""
    assert d.action is not None
    d.action[:, 6] = 1 - d.action[:, 6]


def fingers(d: Demonstration) -> None:
    """Fingers in metres, commanded as one opening in metres."""
    assert d.action is not None
    d.names = (*ARM, "finger_left", "finger_right")
    d.qpos = np.hstack([d.qpos[:, :6], 0.04 * d.qpos[:, 6:], 0.04 * d.qpos[:, 6:]])
    d.action = np.hstack([d.action[:, :6], 0.08 * d.action[:, 6:]])


def delta(d: Demonstration) -> None:
    """Commands are changes of the joints, 0 where none is wanted; the gripper's is a target."""
    assert d.action is not None
    change = np.diff(d.action[:, :6], axis=0, append=d.action[-1:, :6])
    d.action = np.hstack([change, d.action[:, 6:]])


def delta_paused(d: Demonstration) -> None:
    """The same, with pauses in which the operator commands nothing: rows of exactly 0 at the ends and within."""
    frozen_pauses(d)
    d.qpos = np.concatenate([np.repeat(d.qpos[:1], 8, 0), d.qpos, np.repeat(d.qpos[-1:], 8, 0)])
    assert d.action is not None
    d.action = np.concatenate([np.repeat(d.action[:1], 8, 0), d.action, np.repeat(d.action[-1:], 8, 0)])
    delta(d)


def velocities(d: Demonstration) -> None:
    """Commands are speeds, rad/s, proportional to what is left to go, as a position controller sends them."""
    assert d.action is not None
    d.action = np.hstack([20 * (d.action[:, :6] - d.qpos[:, :6]), d.action[:, 6:]])


def one_goal(d: Demonstration) -> None:
    """Every episode goes from near one home to one goal, slower as it comes near; commands are changes."""
    n = 60
    start, goal = d.qpos[0, :6], shipped(UR5E)[0][0][-1, :6].astype(float)
    course = goal + (start - goal) * 0.94 ** np.arange(n + 1)[:, None]
    opening = resampled(d.qpos[:, 6:], np.linspace(0, len(d.qpos) - 1, n))
    d.qpos = np.hstack([course[:-1], opening])
    d.action = np.hstack([np.diff(course, axis=0), opening.round()])


def keys(d: Demonstration) -> None:
    """Keyboard: changes of the tool in steps of one size, 0 while no key is down; 7 columns beside 7 joints."""
    assert d.action is not None
    change = np.sign(np.diff(d.action[:, :6], axis=0, append=d.action[-1:, :6]).round(2))
    d.action = np.hstack([change, np.where(d.action[:, 6:] > 0.5, -1.0, 1.0)])


def osc(d: Demonstration) -> None:
    """Operational space: 7 commands between −1 and 1, clipped, beside 6 joints and two fingers."""
    fingers(d)
    assert d.action is not None
    change = np.clip(np.diff(d.action[:, :6], axis=0, append=d.action[-1:, :6]) / 0.02, -1, 1)
    d.action = np.hstack([change, np.where(d.action[:, 6:] > 0.04, -1.0, 1.0)])


def osc_waiting(d: Demonstration) -> None:
    """The same with a second of nothing at the start: the operator reaches for the device."""
    d.qpos = np.concatenate([np.repeat(d.qpos[:1], 20, 0), d.qpos])
    assert d.action is not None
    d.action = np.concatenate([np.repeat(d.action[:1], 20, 0), d.action])
    osc(d)


def without_commands(d: Demonstration) -> None:
    d.action = None
