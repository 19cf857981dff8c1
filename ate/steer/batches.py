"""Training batches: what a step needs, drawn on the device that trains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ate.data.chunks import Chunks, chunk, concat
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.policies.noise import NoisePath
from ate.policies.policy import Policy
from ate.policies.preconditioning import lead
from ate.runs.distributed import own_rows
from ate.steer.replay import Replay


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Observations with the chunk that follows each, resident on one device.

    Attributes:
        chunks: all chunks, episode ends padded with their last row.
        chunk_of: the chunk that each observation predicts, int64 `(N,)`.
        observation: network inputs `(N, o)`.
        noise: deviation of the noise that each robot's observations get in training `(robots, o)`; None for none.
        own: how many of them are demonstrations; those of a replay come after them.
        replayed: rows of a batch that are drawn from the replay, as a share.
    """

    chunks: Chunks
    chunk_of: Tensor
    observation: Tensor
    noise: Tensor | None = None
    own: int = 0
    replayed: float = 0.0

    def __len__(self) -> int:
        return len(self.chunk_of)

    @classmethod
    def of(
        cls, policy: Policy, sets: Sequence[Episodes], spaces: Sequence[ActionSpace], device: torch.device
    ) -> "TrainingData":
        """Pair every recorded step with the S actions that answer it (`ate.policies.preconditioning.lead`)."""
        parts, observations, indices, base = [], [], [], 0
        for episodes, space in zip(sets, spaces, strict=True):
            part = chunk(episodes, policy.config.horizon, space, pad_end=True)
            last = torch.from_numpy(episodes.lengths)[part.episode] - 1
            # An episode's last row has no successor: it holds its place.
            indices.append(base + torch.arange(len(part)) + torch.where(part.offset < last, lead(episodes), 0))
            base += len(part)
            parts.append(part)
            for i in range(len(episodes)):
                state = episodes.extra(i, "state") if policy.config.state else None
                observations.append(policy.observation(episodes[i].qpos, state, space))
        observation = torch.from_numpy(np.concatenate(observations))
        noise = None
        if policy.config.joint_noise:
            noise = torch.from_numpy(np.stack([policy.noise(space) for space in spaces])).to(device)
        return cls(concat(parts).to(device), torch.cat(indices).to(device), observation.to(device), noise)

    @classmethod
    def mixed(
        cls,
        policy: Policy,
        sets: Sequence[Episodes],
        spaces: Sequence[ActionSpace],
        replay: Replay | None,
        device: torch.device,
    ) -> "TrainingData":
        """Demonstrations, then the episodes of a replay, of which every batch gets its share."""
        if replay is None:
            return cls.of(policy, sets, spaces, device)
        replay.check(policy)
        data = cls.of(policy, [*sets, *replay.sets], [*spaces, *replay.spaces], device)
        return replace(data, own=int(sum(episodes.lengths.sum() for episodes in sets)), replayed=replay.share)

    def rows(self, size: int, generator: torch.Generator) -> Tensor:
        """Rows of a batch, `(size,)`: demonstrations first, then the replay's share."""
        device = self.observation.device
        if not self.replayed:
            return torch.randint(len(self), (size,), generator=generator, device=device)
        count = max(1, round(self.replayed * size))
        demonstrations = torch.randint(self.own, (size - count,), generator=generator, device=device)
        others = torch.randint(self.own, len(self), (count,), generator=generator, device=device)
        return torch.cat([demonstrations, others])

    def observed(self, rows: Tensor, index: Tensor, generator: torch.Generator) -> Tensor:
        """Network inputs `(B, o)` at rows `(B,)` whose chunks are at `index (B,)`, with their noise of training."""
        observation = self.observation[rows]
        if self.noise is None:
            return observation
        # Joints that are seen inexactly, with actions as they were: a rollout drifts from its demonstrations.
        unit = torch.randn(observation.shape, generator=generator, device=observation.device)
        return observation + unit * self.noise[self.chunks.group[index]]


@dataclass(frozen=True, eq=False)
class Batch:
    """One training batch, or one process's rows of it.

    Attributes:
        chunk_index: which chunks, `(B,)`.
        a0: clean chunks `(B, S, D)`, normalised.
        x: noised chunks, same shape.
        t: times in [0, 1], `(B,)`.
        target: what the policy regresses, `(B, S, D)`.
        observation: network inputs `(B, o)`.
        mask: slots that count, float `(B, 1, D)`.
        count: numbers that count in the whole batch, 0-d.
        size: rows of the whole batch.
    """

    chunk_index: Tensor
    a0: Tensor
    x: Tensor
    t: Tensor
    target: Tensor
    observation: Tensor
    mask: Tensor
    count: Tensor
    size: int

    def part(self) -> "Batch":
        """This process's rows, where several share the work."""
        rows: Any = {name: own_rows(value) for name, value in vars(self).items() if name not in ("count", "size")}
        return replace(self, **rows)


def draw(data: TrainingData, path: NoisePath, size: int, generator: torch.Generator) -> Batch:
    """Draw a batch: rows, times and noise all from one generator on the data's device."""
    device = data.observation.device
    rows = data.rows(size, generator)
    index = data.chunk_of[rows]
    a0 = data.chunks.gather(index)
    mask = data.chunks.mask_of(index).to(a0.dtype)
    # Unused slots carry no noise either: to the encoder and the network they are 0, as they are at inference.
    noise = torch.randn(a0.shape, generator=generator, device=device) * mask
    t = path.time(torch.rand(size, generator=generator, device=device))
    x, target, count = path.noised(a0, noise, t), path.target(a0, noise, t), mask.sum() * a0.shape[1]
    observation = data.observed(rows, index, generator)
    return Batch(index, a0, x, t, target, observation, mask, count, size)
