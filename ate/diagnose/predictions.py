"""Predictions of one policy on one set of episodes, with what was recorded there, in the data's units."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.normalize import CONSTANT_RANGE
from ate.data.space import ActionSpace
from ate.policies.actor import Actor, chunk_of, reset
from ate.policies.policy import Policy
from ate.policies.recorded import Recorded
from ate.robots.roles import roles
from ate.steer.batches import TrainingData

# Actions that a robot carries out before it asks again (`ate.experiments.experiment.Experiment.execute`).
EXECUTE = 8


@dataclass(frozen=True, eq=False)
class Predictions(ABC):
    """A policy on one set of episodes; rows are the steps of all episodes in order.

    Attributes:
        episodes: the set.
    """

    episodes: Episodes

    @property
    @abstractmethod
    def horizon(self) -> int:
        """S, rows of a chunk."""

    @property
    @abstractmethod
    def moving(self) -> np.ndarray:
        """Columns that the policy acts on, bool `(dof,)`."""

    @property
    @abstractmethod
    def sees_state(self) -> bool:
        """Whether the policy is given the task state."""

    @abstractmethod
    def predict(
        self, rows: np.ndarray, seed: int, qpos_of: np.ndarray | None = None, state_of: np.ndarray | None = None
    ) -> np.ndarray:
        """Chunks `(n, S, dof)` for the observations at these rows, in the data's units.

        Args:
            rows: `(n,)`.
            seed: of the noise; row i gets the same noise for the same seed, where the policy lets us choose it.
            qpos_of: rows whose joints are shown instead.
            state_of: rows whose task state is shown instead.
        """

    @abstractmethod
    def recorded(self, rows: np.ndarray) -> np.ndarray:
        """The chunks that follow these rows in the recordings, `(n, S, dof)`."""

    @abstractmethod
    def pose(self, rows: np.ndarray) -> np.ndarray:
        """The measured pose at these rows, `(n, dof)`."""

    def __len__(self) -> int:
        return int(self.episodes.lengths.sum())

    @cached_property
    def gripper(self) -> np.ndarray:
        """Which columns are (a finger of) a gripper, bool `(dof,)`."""
        gripper = [role is not None and role.part == "gripper" for role in roles(self.episodes.joint_names)]
        return np.array(gripper, dtype=bool)

    @property
    def execute(self) -> int:
        """Actions of a chunk that a robot carries out."""
        return min(EXECUTE, self.horizon)

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
        return np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64)

    def episode_means(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Means of `values (n, …)` at these rows over each episode that has some, `(episodes, …)`."""
        episode = np.searchsorted(np.cumsum(self.episodes.lengths), rows, side="right")
        return np.stack([values[episode == i].mean(axis=0) for i in np.unique(episode)])


@dataclass(frozen=True, eq=False)
class PolicyPredictions(Predictions):
    """A policy of ours.

    Attributes:
        policy: the policy.
        space: the action space the policy acts in.
        data: observations with the chunk that follows each.
    """

    policy: Policy
    space: ActionSpace
    data: TrainingData

    @classmethod
    def of(cls, policy: Policy, episodes: Episodes, space: ActionSpace) -> "PolicyPredictions":
        """Encode every step of the episodes as the policy observes it.

        Raises:
            InputError: the episodes lack the task state that the policy needs, or have one of another width.
        """
        device = next(policy.parameters()).device
        return cls(episodes, policy, space, TrainingData.of(policy, [episodes], [space], device))

    @property
    def horizon(self) -> int:
        """S, rows of a chunk."""
        return self.policy.config.horizon

    @property
    def moving(self) -> np.ndarray:
        """Columns that move in the policy's statistics, bool `(dof,)`."""
        return ~self.space.normalizer.constant

    @property
    def sees_state(self) -> bool:
        """Whether the policy was trained with a task state."""
        return self.policy.state is not None

    def predict(
        self, rows: np.ndarray, seed: int, qpos_of: np.ndarray | None = None, state_of: np.ndarray | None = None
    ) -> np.ndarray:
        """Denoised chunks `(n, S, dof)`; arguments as in the base class."""
        observation = self._observation(rows)
        features = self.policy.config.features
        # Observations begin with qpos, mask and what is given of the state (`Policy.observation`).
        width = 0 if self.policy.state is None else self.policy.state.width
        parts = (qpos_of, slice(0, features)), (state_of, slice(2 * features, 2 * features + width))
        for others, columns in parts:
            if others is not None:
                observation[:, columns] = self._observation(others)[:, columns]
        mask = torch.from_numpy(self.space.loss_mask).to(observation.device)
        generator = torch.Generator().manual_seed(seed)
        return self._raw(self.policy.denoise(observation, mask, generator))

    def recorded(self, rows: np.ndarray) -> np.ndarray:
        """The chunks that follow these rows in the recordings, `(n, S, dof)`."""
        index = self.data.chunk_of[torch.from_numpy(rows).to(self.data.chunk_of.device)]
        return self._raw(self.data.chunks.gather(index))

    def pose(self, rows: np.ndarray) -> np.ndarray:
        """The measured pose at these rows, `(n, dof)`."""
        return self._raw(self._observation(rows)[:, : self.space.width])

    def _observation(self, rows: np.ndarray) -> Tensor:
        """What the policy observes at these rows, `(n, o)`."""
        return self.data.observation[torch.from_numpy(rows).to(self.data.observation.device)]

    def _raw(self, values: Tensor) -> np.ndarray:
        return self.space.decode(values).cpu().numpy().astype(np.float64)


@dataclass(frozen=True, eq=False)
class ActorPredictions(Predictions):
    """Any policy: it is asked for one observation at a time, each the first of an episode.

    Attributes:
        actor: the policy.
    """

    actor: Actor

    @cached_property
    def _seen(self) -> Recorded:
        return Recorded(self.episodes)

    @cached_property
    def horizon(self) -> int:
        """S, rows of the chunk that answers the first observation."""
        reset(self.actor, 0)
        return len(chunk_of(self.actor, self._seen.observation(0)))

    @cached_property
    def moving(self) -> np.ndarray:
        """Columns that move in the recordings, bool `(dof,)`."""
        rows = np.concatenate([self.episodes.series(i) for i in range(len(self.episodes))])
        return np.asarray(np.ptp(rows, axis=0) > CONSTANT_RANGE)

    @property
    def sees_state(self) -> bool:
        """Whether there is a task state to see; what the actor makes of it, it does not say."""
        return self._seen.state is not None

    def predict(
        self, rows: np.ndarray, seed: int, qpos_of: np.ndarray | None = None, state_of: np.ndarray | None = None
    ) -> np.ndarray:
        """Chunks `(n, S, dof)`; arguments as in the base class."""
        chunks = []
        for i, row in enumerate(rows):
            reset(self.actor, seed * 1_000_003 + int(row))
            others = (None if other is None else int(other[i]) for other in (qpos_of, state_of))
            chunks.append(chunk_of(self.actor, self._seen.observation(int(row), *others))[: self.horizon])
        return np.stack(chunks)

    def recorded(self, rows: np.ndarray) -> np.ndarray:
        """The chunks that follow these rows in the recordings, `(n, S, dof)`."""
        return self._seen.chunks(rows, self.horizon)

    def pose(self, rows: np.ndarray) -> np.ndarray:
        """The measured pose at these rows, `(n, dof)`."""
        return self._seen.qpos[rows].astype(np.float64)
