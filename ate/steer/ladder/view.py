"""A view: one policy on one set of episodes, what it predicts beside what was recorded, in the data's units."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ate.data.doctor.relation import ANOTHER, SAME
from ate.data.doctor.units import PER_DEGREE
from ate.data.episodes import Episodes
from ate.data.robots.roles import roles
from ate.data.space import ActionSpace
from ate.policies.policy import Policy
from ate.steer.batches import TrainingData

# Actions that a robot carries out before it asks again (`ate.ablate.run.Experiment.execute`).
EXECUTE = 8


@dataclass(frozen=True, eq=False)
class View:
    """A policy on one set.

    Attributes:
        policy: the policy.
        episodes: the set.
        space: the action space the policy acts in.
        data: observations with the chunk that follows each; row i of episode e is step i of it.
        gripper: which columns are (a finger of) a gripper, bool `(dof,)`.
    """

    policy: Policy
    episodes: Episodes
    space: ActionSpace
    data: TrainingData
    gripper: np.ndarray

    @classmethod
    def of(cls, policy: Policy, episodes: Episodes, space: ActionSpace) -> "View":
        """Encode every step of the episodes as the policy sees it.

        Raises:
            InputError: the episodes lack the task state that the policy needs, or have one of another width.
        """
        device = next(policy.parameters()).device
        data = TrainingData.of(policy, [episodes], [space], device)
        found = [role is not None and role.part == "gripper" for role in roles(episodes.joint_names)]
        return cls(policy, episodes, space, data, np.array(found, dtype=bool))

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
        """Standard deviation of each column in the recordings, `(dof,)`; of a column without any, 1."""
        rows = np.concatenate([self.episodes.series(i) for i in range(len(self.episodes))])
        found = rows.std(axis=0, dtype=np.float64)
        return np.where(found > 1e-6, found, 1.0)

    @property
    def first(self) -> np.ndarray:
        """Row of the first step of each episode, int64 `(n_episodes,)`."""
        return np.cumsum([0, *self.episodes.lengths[:-1]])

    def evenly(self, count: int) -> np.ndarray:
        """At most `count` rows spread evenly over all steps; neighbouring steps say almost the same."""
        return np.linspace(0, len(self.data) - 1, min(count, len(self.data))).astype(np.int64)

    def episode(self, rows: np.ndarray) -> np.ndarray:
        """Which episode each row is of."""
        return np.searchsorted(np.cumsum(self.episodes.lengths), rows, side="right")

    def observation(self, rows: np.ndarray) -> Tensor:
        """What the policy sees at these rows, `(n, o)`."""
        return self.data.observation[torch.from_numpy(rows).to(self.data.observation.device)]

    def predict(self, observation: Tensor, seed: int) -> np.ndarray:
        """Denoised chunks `(n, S, dof)` in the data's units; one seed draws the same noise for row i every time."""
        mask = torch.from_numpy(self.space.mask).to(observation.device)
        generator = torch.Generator().manual_seed(seed)
        return self._raw(self.policy.denoise(observation, mask, generator))

    def recorded(self, rows: np.ndarray) -> np.ndarray:
        """The chunks that follow these rows in the recordings, `(n, S, dof)`."""
        index = self.data.chunk_of[torch.from_numpy(rows).to(self.data.chunk_of.device)]
        return self._raw(self.data.chunks.gather(index))

    def now(self, rows: np.ndarray) -> np.ndarray:
        """The measured pose at these rows, `(n, dof)`."""
        return self._raw(self.observation(rows)[:, : self.space.width])

    def _raw(self, values: Tensor) -> np.ndarray:
        return self.space.decode(values).cpu().numpy().astype(np.float64)


def grouped(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Means of rows by group, in order of the groups: `(n, …)` → `(groups, …)`."""
    return np.stack([values[group == one].mean(axis=0) for one in np.unique(group)])


def named(names: tuple[str, ...], which: np.ndarray) -> list[str]:
    """The names at the true places."""
    return [name for name, here in zip(names, which, strict=True) if here]


def misread(recorded: np.ndarray, predicted: np.ndarray, names: tuple[str, ...], which: np.ndarray) -> list[str]:
    """What a column's predictions look like, where they look like something: other units, another joint, turned round.

    Args:
        recorded, predicted: values `(n, dof)`.
        names: the columns.
        which: columns to explain, bool `(dof,)`.
    """
    said = []
    spreads = recorded.std(axis=0), predicted.std(axis=0)
    tie = _correlations(predicted, recorded)
    for j in np.flatnonzero(which):
        ratio = spreads[1][j] / max(spreads[0][j], 1e-12)
        other = int(np.abs(tie[j]).argmax())
        if abs(ratio * PER_DEGREE - 1) < 0.2 or abs(ratio / PER_DEGREE - 1) < 0.2:
            said.append(f"{names[j]} is {ratio:.3g} times as wide as recorded: degrees against radians")
        elif tie[j, j] < -SAME:
            said.append(f"{names[j]} goes the other way (correlation {tie[j, j]:.2f})")
        elif other != j and abs(tie[j, other]) > SAME and abs(tie[j, j]) < ANOTHER:
            said.append(f"{names[j]} does what {names[other]} does (correlation {tie[j, other]:.2f})")
    return said


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    sizes = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
    return np.divide(a.T @ b, sizes, out=np.zeros_like(sizes), where=sizes > 1e-9)
