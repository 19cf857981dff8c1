"""Input ablation: shuffle the task state, then qpos, among the observations, and measure the effect on predictions.

A policy that predicts as well without the task state ignores the scene: it continues the motion of its own joints
(causal confusion, de Haan et al. 2019, arXiv 1905.11979). Open-loop errors on familiar scenes do not show that.
"""

from dataclasses import dataclass

import numpy as np

from ate.data.doctor.finding import FAIL, PASS, SKIPPED, WARN, Finding
from ate.diagnose.predictions import Predictions
from ate.experiments.stats.comparisons import paired
from ate.runs.tables import signed
from ate.steer.evaluation import SAMPLES

NAME = "input_ablation"
EXPECTED = (
    "shuffling changes the prediction more than new noise does and raises the error (95 % paired t interval over "
    "episodes)"
)  # fmt: skip


@dataclass(frozen=True)
class InputEffect:
    """The effect of shuffling one part of the observation.

    Attributes:
        change: mean change of the predictions, as a multiple of the change by another sample of the noise.
        rise: mean rise of the error, in per cent of it, with the ends `low` and `high` of its 95 % paired t interval.
    """

    change: float
    rise: float
    low: float
    high: float

    @property
    def used(self) -> bool:
        """Whether the policy uses this input: without it, it predicts something else, and something worse."""
        return self.change > 1 and self.low > 0

    def text(self, name: str) -> str:
        """The effect in words."""
        change = f"{self.change:.2g} times as much as new noise" if np.isfinite(self.change) else "and new noise not"
        interval = f" ({signed(self.low, '.0f')} to {signed(self.high, '.0f')})" if np.isfinite(self.low) else ""
        return f"shuffled {name} moves the prediction {change}, the error by {signed(self.rise, '.0f')} %{interval}"


def check(predictions: Predictions, seed: int) -> Finding:
    """Does the prediction depend on what the policy observes?"""
    robot, (qpos, state) = predictions.episodes.robot, effects(predictions, seed)
    if state is None:
        got, fix = f"the policy observes no task state; {qpos.text('qpos')}", ""
        if not qpos.used:
            fix = "it predicts the same wherever its joints are: train longer"
        return Finding(SKIPPED if qpos.used else FAIL, NAME, robot, got, EXPECTED, fix)
    level, got, fix = PASS, f"{state.text('task state')}; {qpos.text('qpos')}", ""
    if not state.used:
        level = FAIL if state.change <= 1 else WARN
        got += ": it acts on its own joints alone (causal confusion)" if qpos.used else ": it uses neither"
        fix = "check that the state reaches the network and varies between episodes; "
        fix += "then drop out or blur qpos in training, so that copying it does not pay"
    elif not qpos.used:
        level, got = WARN, f"{got}: it does not use where its joints are"
        fix = "fine where the state determines the pose; otherwise check that qpos reaches the network"
    return Finding(level, NAME, robot, got, EXPECTED, fix)


def effects(predictions: Predictions, seed: int) -> tuple[InputEffect, InputEffect | None]:
    """The effects of qpos and of the task state; None where the policy observes no task state."""
    rows = predictions.sample_rows(SAMPLES)
    # Everything else, also the noise, stays.
    others = rows[np.random.default_rng(seed).permutation(len(rows))]
    chunks = predictions.predict(rows, seed), predictions.predict(rows, seed + 1)
    qpos = _effect(predictions, *chunks, predictions.predict(rows, seed, qpos_of=others))
    if not predictions.sees_state:
        return qpos, None
    return qpos, _effect(predictions, *chunks, predictions.predict(rows, seed, state_of=others))


def _effect(predictions: Predictions, *chunks: np.ndarray) -> InputEffect:
    """What shuffling did, from chunks as predicted, with other noise, and with a part of the observation shuffled."""
    rows, moving = predictions.sample_rows(SAMPLES), predictions.moving
    spread = predictions.spread[moving]
    intact, renoised, ablated = (chunk[..., moving] / spread for chunk in chunks)
    recorded = predictions.recorded(rows)[..., moving] / spread
    noise, change = np.abs(intact - renoised).mean(), np.abs(intact - ablated).mean()
    error, error_ablated = (
        predictions.episode_means(np.abs(chunk - recorded).mean(axis=(1, 2)), rows) for chunk in (intact, ablated)
    )
    percent = 100 / max(error.mean(), 1e-12)
    rise, low, high = (percent * value for value in paired(error_ablated - error))
    ratio = float(change / noise) if noise > 0 else (0.0 if change == 0 else np.inf)
    return InputEffect(ratio, rise, low, high)
