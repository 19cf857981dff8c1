"""Planted faults: sound recordings and a sound policy, each with one thing wrong."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ate.data import Episodes, load
from ate.data.episodes import Episode
from ate.data.normalize import Normalizer
from ate.data.series import Series
from ate.diagnose import Diagnosis
from ate.diagnose.predictions import PolicyPredictions
from ate.experiments.settings import SHIPPED
from ate.policies import Policy, build
from ate.steer import OptimConfig, pretrain


def recordings() -> tuple[Episodes, Episodes]:
    """Twenty shipped episodes to train on and five held out."""
    episodes = load(SHIPPED / "lift" / "adapt" / "ur5e")
    return episodes.select(range(20)), episodes.select(range(20, 25))


def trained(episodes: Episodes, policy: Policy | None = None, steps: int = 500) -> Policy:
    """A small policy, trained well enough to beat both baselines by far."""
    policy = policy or build([episodes], 16, 0, hidden=64)
    return pretrain(policy, (episodes,), OptimConfig(steps, 64, 3e-3, lr_schedule="cosine")).policy


def changed(episodes: Episodes, **change: Callable[[np.ndarray], np.ndarray]) -> Episodes:
    """The same recordings with series changed: `changed(episodes, qpos=np.rad2deg)`."""

    def edited(item: Episode) -> Episode:
        series = {name: Series.of(change[name](item.read(name)), f"changed {name}") for name in change}
        return replace(item, series={**item.series, **series})

    return replace(episodes, items=tuple(edited(item) for item in episodes))


def degrees(rows: np.ndarray) -> np.ndarray:
    """Joints of the robot in degrees, the gripper as it was."""
    return np.concatenate([np.rad2deg(rows[:, :-1]), rows[:, -1:]], axis=1)


def swapped(rows: np.ndarray) -> np.ndarray:
    """Shoulder lift and elbow exchanged."""
    return rows[:, [0, 2, 1, *range(3, rows.shape[1])]]


def inverted(rows: np.ndarray) -> np.ndarray:
    """The gripper the other way round."""
    return np.concatenate([rows[:, :-1], 1 - rows[:, -1:]], axis=1)


def paused(episodes: Episodes, steps: int) -> Episodes:
    """Every series stands still for `steps` rows before it begins."""

    def wait(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([np.repeat(rows[:1], steps, axis=0), rows])

    names = ("qpos", "action", "state", "ee_pose", "phase")
    return changed(episodes, **dict.fromkeys(names, wait))


def blind(policy: Policy) -> Policy:
    """A copy whose task state normalises to nothing at all."""
    other = policy.fresh(0)
    width = len(policy.state.normalizer.low)
    other.state = replace(
        policy.state, normalizer=Normalizer(np.full(width, -1e9, np.float32), np.full(width, 1e9, np.float32))
    )
    return other


class Holding(Policy):
    """A policy that repeats the pose it observes."""

    def denoise(self, observation, mask, generator):
        pose = observation[:, None, : self.config.features] * mask
        return pose.expand(-1, self.config.horizon, -1).clone()


def holding(policy: Policy) -> Policy:
    """A sound policy's twin that holds."""
    other = Holding(policy.config, policy.spaces, policy.state)
    other.load_state_dict(policy.state_dict())
    return other


def predictions(policy: Policy, episodes: Episodes) -> PolicyPredictions:
    """Of a policy on its own robot."""
    return PolicyPredictions.of(policy, episodes, policy.spaces[0])


def levels(diagnosis: Diagnosis) -> dict[str, str]:
    """Level by check."""
    return {check.code: check.level for check in diagnosis.checks}


def reset(policy: Policy, seed: int = 1) -> Policy:
    """A copy whose last layer was drawn anew."""
    other = policy.moved_to(policy.spaces[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        other.network.leave[1].reset_parameters()
    return other
