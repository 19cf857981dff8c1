"""Predictions of one policy on one set of episodes, with what was recorded there, in the data's units."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.policies.policy import Policy
from ate.robots.roles import roles
from ate.steer.batches import TrainingData

# Actions that a robot carries out before it asks again (`ate.experiments.seed_run.Experiment.execute`).
EXECUTE = 8


@dataclass(frozen=True, eq=False)
class Predictions:
    """A policy on one set of episodes.

    Attributes:
        policy: the policy.
        episodes: the set.
        space: the action space the policy acts in.
        data: observations with the chunk that follows each; rows are the steps of all episodes in order.
        gripper: which columns are (a finger of) a gripper, bool `(dof,)`.
    """

    policy: Policy
    episodes: Episodes
    space: ActionSpace
    data: TrainingData
    gripper: np.ndarray

    @classmethod
    def of(cls, policy: Policy, episodes: Episodes, space: ActionSpace) -> "Predictions":
        """Encode every step of the episodes as the policy observes it.

        Raises:
            InputError: the episodes lack the task state that the policy needs, or have one of another width.
        """
        device = next(policy.parameters()).device
        data = TrainingData.of(policy, [episodes], [space], device)
        gripper = [role is not None and role.part == "gripper" for role in roles(episodes.joint_names)]
        return cls(policy, episodes, space, data, np.array(gripper, dtype=bool))

    @property
    def moving(self) -> np.ndarray:
        """Columns that the policy acts on, bool `(dof,)`."""
        return ~self.space.normalizer.constant

    @property
    def execute(self) -> int:
        """Actions of a chunk that a robot carries out."""
        return min(EXECUTE, self.policy.config.horizon)

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation of each column in the recordings, `(dof,)`; 1 for a constant column."""
        rows = np.concatenate([self.episodes.series(i) for i in range(len(self.episodes))])
        deviation = rows.std(axis=0, dtype=np.float64)
        return np.where(deviation > 1e-6, deviation, 1.0)

    @property
    def first_rows(self) -> np.ndarray:
        """Row of the first step of each episode, int64 `(n_episodes,)`."""
        return np.cumsum([0, *self.episodes.lengths[:-1]])

    def sample_rows(self, count: int) -> np.ndarray:
        """At most `count` rows spread evenly over all steps, because neighbouring steps are almost the same."""
        return np.linspace(0, len(self.data) - 1, min(count, len(self.data))).astype(np.int64)

    def observation(self, rows: np.ndarray) -> Tensor:
        """What the policy observes at these rows, `(n, o)`."""
        return self.data.observation[torch.from_numpy(rows).to(self.data.observation.device)]

    def predict(self, observation: Tensor, seed: int) -> np.ndarray:
        """Denoised chunks `(n, S, dof)` in the data's units; row i gets the same noise for the same seed."""
        mask = torch.from_numpy(self.space.loss_mask).to(observation.device)
        generator = torch.Generator().manual_seed(seed)
        return self._raw(self.policy.denoise(observation, mask, generator))

    def recorded(self, rows: np.ndarray) -> np.ndarray:
        """The chunks that follow these rows in the recordings, `(n, S, dof)`."""
        index = self.data.chunk_of[torch.from_numpy(rows).to(self.data.chunk_of.device)]
        return self._raw(self.data.chunks.gather(index))

    def pose(self, rows: np.ndarray) -> np.ndarray:
        """The measured pose at these rows, `(n, dof)`."""
        return self._raw(self.observation(rows)[:, : self.space.width])

    def episode_means(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Means of `values (n, …)` at these rows over each episode that has some, `(episodes, …)`."""
        episode = np.searchsorted(np.cumsum(self.episodes.lengths), rows, side="right")
        return np.stack([values[episode == i].mean(axis=0) for i in np.unique(episode)])

    def _raw(self, values: Tensor) -> np.ndarray:
        return self.space.decode(values).cpu().numpy().astype(np.float64)
