"""Evaluation: denoised chunks against what the demonstrator did next, and rollouts, also while a policy trains.

All randomness comes from fixed seeds, so that two policies, or one policy at two steps, differ in nothing else.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.normalize import CONSTANT_RANGE
from ate.errors import InputError
from ate.policies.actor import Actor, chunk_of, reset
from ate.policies.policy import Policy
from ate.policies.recorded import Recorded
from ate.steer.batches import TrainingData

# Evenly spread observations are enough: neighbouring steps of an episode are almost alike.
SAMPLES = 512
# Observations that are sampled several times over, and how often.
PLACES, DRAWS = 64, 16
# What may be measured of a policy while it trains.
MEASURES = ("error", "success", "closest")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is measured of every method while it trains.

    Attributes:
        held_out: episodes of the robot that are not trained on.
        every: optimisation steps between two evaluations; the last step is always one.
        rollouts: fixed rollout seeds 0 … rollouts − 1 in the simulator; 0 for none.
        execute: rows of a chunk carried out before the next one, in rollouts.
        seed: of the noise that chunks are denoised from.
        simulator: address of a gymnasium environment to roll out in; empty for the robot and task of the episodes.

    Raises:
        InputError: a number out of range; rollouts, and episodes that name no robot or task and no simulator.
    """

    held_out: Episodes
    every: int
    rollouts: int = 0
    execute: int = 8
    seed: int = 0
    simulator: str = ""

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("rollouts", 0), ("execute", 1)):
            if getattr(self, name) < least:
                raise InputError(
                    str(getattr(self, name)), where=f"evaluation {name}", expected=f"at least {least}",
                    fix=f"raise {name}",
                )  # fmt: skip
        if self.rollouts and not self.simulator and not (self.held_out.robot and self.held_out.task):
            raise InputError(
                f"episodes of robot {self.held_out.robot!r} and task {self.held_out.task!r}",
                where="evaluation rollouts",
                expected="files that name a robot and a task of the simulator",
                fix="evaluate without rollouts, or name a simulator",
            )

    def log_every(self, at_most: int) -> int:
        """Steps between metric rows: the largest number up to `at_most` that meets every evaluation."""
        return next(n for n in range(max(1, min(at_most, self.every)), 0, -1) if self.every % n == 0)

    def of(self, policy: Policy) -> dict[str, float]:
        """`error`, with rollouts `success` (a share), and `closest` (metres, mean) where the simulator says it.

        The policy stays as it is.
        """
        was_training = policy.training
        policy.eval()
        results = {"error": denoised_error(policy, self.held_out, self.seed)}
        if self.rollouts:
            # Imported here: data without a simulator need no mujoco.
            from ate.sim.rollout import rollout

            generator = torch.Generator().manual_seed(self.seed)
            outcome = rollout(
                policy.acting(generator),
                self.held_out.robot,
                self.simulator or str(self.held_out.task),
                range(self.rollouts),
                execute=min(self.execute, policy.config.horizon),
                threads=1,
            )
            results["success"] = outcome.rate
            if len(outcome.closest):
                results["closest"] = float(outcome.closest.mean())
        policy.train(was_training)
        return results


def denoised_error(policy: Policy, held_out: Episodes, seed: int = 0) -> float:
    """Mean absolute error of denoised chunks in normalised units, over S steps, samples and the joints that move.

    Args:
        policy: acting in its first action space.
        held_out: episodes it was not trained on.
        seed: of the initial noise.
    """
    predicted, actual, mask = _denoised(policy, held_out, seed)
    return float((predicted - actual).abs()[..., mask].mean())


class OpenLoop(NamedTuple):
    """Mean absolute error of sampled chunks on held-out episodes, in the data's units (radians for joints).

    Attributes:
        by_joint: mean over S steps and samples, by joint name; joints that never moved in training are left out: their
            error of 0 says nothing.
        by_episode: the same for each episode in turn, by joint name; an episode without a sample is left out.
    """

    by_joint: dict[str, float]
    by_episode: dict[str, tuple[float, ...]]


def open_loop(policy: Policy | Actor, held_out: Episodes, seed: int = 0, places: int = SAMPLES) -> dict[str, float]:
    """Mean absolute error of sampled chunks on held-out episodes.

    Args:
        policy: fine-tuned on this robot (its first action space), or any callable from an observation to a chunk.
        held_out: episodes it was not trained on.
        seed: of the initial noise, so that policies are compared on the same draws.
        places: at most so many evenly spread observations, of a callable.

    Returns:
        Error by joint name, in the data's units (radians for joints), mean over S steps and samples; joints that never
        moved in training (here, for a callable) are left out: their error of 0 says nothing.
    """
    if not isinstance(policy, Policy):
        return _open_loop_of(policy, held_out, seed, places)
    return open_loop_by_episode(policy, held_out, seed).by_joint


def open_loop_by_episode(policy: Policy, held_out: Episodes, seed: int = 0) -> OpenLoop:
    """The same of one of our policies, also for each held-out episode.

    Args:
        policy: fine-tuned on this robot (its first action space).
        held_out: episodes it was not trained on.
        seed: of the initial noise.
    """
    space = policy.spaces[0]
    qpos = np.concatenate([item.qpos for item in held_out])
    rows = _places(len(qpos)).numpy()
    chunks = _denoised(policy, held_out, seed)[:2]
    predicted, actual = (space.decode(values, qpos[rows]).cpu().numpy() for values in chunks)
    errors = np.abs(predicted - actual)
    episode = np.repeat(np.arange(len(held_out)), held_out.lengths)[rows]
    own = np.stack([errors[episode == index].mean(axis=(0, 1)) for index in np.unique(episode)])
    mean, moving = errors.mean(axis=(0, 1)), np.flatnonzero(~np.asarray(space.still))
    return OpenLoop(
        {space.joint_names[place]: float(mean[place]) for place in moving},
        {space.joint_names[place]: tuple(map(float, own[:, place])) for place in moving},
    )


def _open_loop_of(actor: Actor, held_out: Episodes, seed: int, places: int) -> dict[str, float]:
    recorded = Recorded(held_out)
    rows = _places(len(recorded), places).numpy()
    predicted = []
    for row in rows:
        reset(actor, seed * len(recorded) + int(row))
        predicted.append(chunk_of(actor, recorded.observation(int(row))))
    chunks = np.stack(predicted)
    errors = np.abs(chunks - recorded.chunks(rows, chunks.shape[1])).mean(axis=(0, 1))
    series = np.concatenate([held_out.series(i) for i in range(len(held_out))])
    moved = np.ptp(series, axis=0) > CONSTANT_RANGE
    return {name: float(error) for name, error, kept in zip(held_out.joint_names, errors, moved, strict=True) if kept}


def _places(rows: int, places: int = SAMPLES) -> Tensor:
    """Evenly spread rows, `(at most places,)`."""
    return torch.linspace(0, rows - 1, min(places, rows)).long()


def _denoised(
    policy: Policy, held_out: Episodes, seed: int, places: int = SAMPLES, draws: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Chunks denoised for evenly spread observations `(n·draws, S, D)`, recorded ones `(n, S, D)`, and the mask."""
    space = policy.spaces[0]
    device = next(policy.parameters()).device
    data = TrainingData.of(policy, [held_out], [space], device)
    rows = _places(len(data), places).to(device)
    mask = torch.from_numpy(space.loss_mask).to(device)
    observation = data.observation[rows].repeat_interleave(draws, 0)
    predicted = policy.denoise(observation, mask, torch.Generator().manual_seed(seed))
    return predicted, data.chunks.gather(data.chunk_of[rows]), mask


def spread(policy: Policy, held_out: Episodes, seed: int = 0) -> np.ndarray:
    """How far chunks sampled for one and the same observation lie apart.

    Args:
        policy: acting in its first action space.
        held_out: episodes it was not trained on.
        seed: of the initial noise.

    Returns:
        Standard deviation over 16 draws, mean over S steps and the joints that move, normalised units: one value for
        each of at most 64 evenly spread observations.
    """
    chunks, recorded, mask = _denoised(policy, held_out, seed, PLACES, DRAWS)
    deviation = chunks[..., mask].unflatten(0, (len(recorded), DRAWS)).std(1)
    return deviation.mean((1, 2)).cpu().numpy()
