"""State ablation: give the policy another moment's task state, then another moment's qpos, and see whether it minds.

A policy that predicts as well without the state does not look at the scene: it replays a motion from its own joints
(causal confusion, de Haan et al. 2019, arXiv 1905.11979), which open-loop errors on familiar scenes do not show.
"""

from dataclasses import dataclass

import numpy as np
import torch

from ate.data.doctor.report import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import View, grouped
from ate.experiments.stats.comparisons import paired
from ate.steer.evaluation import SAMPLES

NAME = "state ablation"


@dataclass(frozen=True)
class Minded:
    """What shuffling one part of the observation did.

    Attributes:
        change: mean change of the predictions over what another draw of the noise changes.
        rise: mean rise of the error, in per cent of it, with the ends `low` and `high` of its 95 % paired t interval.
    """

    change: float
    rise: float
    low: float
    high: float

    @property
    def used(self) -> bool:
        """Whether the policy minds: it says something else, and something worse."""
        return self.change > 1 and self.low > 0

    def said(self, what: str) -> str:
        """In words."""
        change = f"{self.change:.2g} times as much as new noise" if np.isfinite(self.change) else "and new noise not"
        interval = f" ({self.low:+.0f} to {self.high:+.0f})" if np.isfinite(self.low) else ""
        return f"shuffled {what} moves the prediction {change}, the error by {self.rise:+.0f} %{interval}"


def check(view: View, seed: int) -> Finding:
    """Rung: does the prediction need what the policy observes?"""
    config, robot = view.policy.config, view.episodes.robot
    width, observed = config.features, 2 * config.features
    rows = view.evenly(SAMPLES)
    qpos = _mind(view, rows, slice(0, width), seed)
    expected = (
        "shuffling changes the prediction more than new noise does and raises the error (95 % paired t interval over "
        "episodes)"
    )
    if not config.state:
        fix = "" if qpos.used else "it moves the same wherever it is: train longer"
        level = SKIPPED if qpos.used else FAIL
        said = f"no task state to ablate: the policy sees its joints alone; {qpos.said('qpos')}"
        return Finding(level, NAME, robot, said, expected, fix)
    state = _mind(view, rows, slice(observed, observed + config.state), seed)
    said = f"{state.said('task state')}; {qpos.said('qpos')}"
    if not state.used:
        deaf = state.change <= 1
        cause = "it acts on its own joints alone (causal confusion)" if qpos.used else "it minds neither"
        fix = (
            "check that the state reaches the network and varies between episodes; then drop out or blur qpos in "
            "training, so that copying it does not pay"
        )  # fmt: skip
        return Finding(FAIL if deaf else WARN, NAME, robot, f"{said}: {cause}", expected, fix)
    if not qpos.used:
        return Finding(
            WARN, NAME, robot, f"{said}: it does not mind where its joints are", expected,
            "fine where the state tells the pose as well; otherwise check that qpos reaches the network",
        )  # fmt: skip
    return Finding(PASS, NAME, robot, said, expected)


def _mind(view: View, rows: np.ndarray, part: slice, seed: int) -> Minded:
    """Shuffle the columns `part` of the observations among the rows, everything else and the noise as before."""
    observation = view.observation(rows)
    shuffled = observation.clone()
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled[:, part] = observation[torch.from_numpy(order).to(observation.device), part]
    keep, scale = view.moving, view.spread
    base, again, other = (
        view.predict(seen, noise)[..., keep] / scale[keep]
        for seen, noise in ((observation, seed), (observation, seed + 1), (shuffled, seed))
    )
    recorded, group = view.recorded(rows)[..., keep] / scale[keep], view.episode(rows)
    noise, change = np.abs(base - again).mean(), np.abs(base - other).mean()
    before, after = (grouped(np.abs(chunk - recorded).mean(axis=(1, 2)), group) for chunk in (base, other))
    percent = 100 / max(before.mean(), 1e-12)
    rise, low, high = (percent * value for value in paired(after - before))
    ratio = float(change / noise) if noise > 0 else (0.0 if change == 0 else np.inf)
    return Minded(ratio, rise, low, high)
