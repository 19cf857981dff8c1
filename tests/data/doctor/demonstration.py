"""Demonstrations of the shipped sets, to be changed into what a laboratory records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ate.data import load
from tests.data.doctor.planted import DATA

UR5E, GEN3, PANDA = "lift/adapt/ur5e", "lift/adapt/gen3", "lift/pretrain/panda"


ARM = ("shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint", "wrist_1_joint", "wrist_2_joint", "wrist_3_joint")


NAMES = (*ARM, "gripper")


# An encoder of 17 bits, which is read by a controller that dithers.
ENCODER = 2 * np.pi / 2**17


@dataclass
class Demonstration:
    """An episode to be changed: positions and targets `(n_steps, width)`, their names, and steps a second."""

    number: int
    qpos: np.ndarray
    action: np.ndarray | None
    names: tuple[str, ...]
    rate_hz: float = 20.0

    @property
    def rng(self) -> np.random.Generator:
        """Noise of this episode."""
        return np.random.default_rng(self.number)

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change both series alike."""
        self.qpos = change(self.qpos)
        self.action = None if self.action is None else change(self.action)


@cache
def shipped(name: str) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return tuple((item.read("qpos"), item.read("action")) for item in load(DATA / name))


@cache
def names_of(name: str) -> tuple[str, ...]:
    """The columns of a shipped set."""
    return load(DATA / name).joint_names


def joined(d: Demonstration, names: Sequence[str], columns: np.ndarray, targets: np.ndarray | None = None) -> None:
    """Columns in front of the others, `(n_steps, k)`; the same as targets where none are given."""
    d.names = (*names, *d.names)
    d.qpos = np.hstack([columns, d.qpos])
    if d.action is not None:
        d.action = np.hstack([columns if targets is None else targets, d.action])


def resampled(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows at fractional places."""
    return np.stack([np.interp(places, np.arange(len(rows)), column) for column in rows.T], 1)
