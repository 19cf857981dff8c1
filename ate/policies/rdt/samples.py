"""Samples: what RDT trains on and acts on, of one robot's episodes.

    state (1, 128), chunk (S, 128), mask of the slots in use, pictures, words, control frequency

State and chunk are in the data's own units, as in RDT-1B: radians, and the gripper's opening in [0, 1]. A part of the
conditions is left out at random in training, each by itself, so that the policy can do without any.

Source: RDT-1B, arXiv 2410.07864.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.units import profile_for
from ate.errors import InputError
from ate.policies.rdt.conditions import Conditions
from ate.policies.rdt.runner import RunnerConfig
from ate.policies.recorded import Recorded
from ate.robots import Embodiment
from ate.robots.slots import SLOTS, embodiment

# Share of the samples in which each condition is left out; RDT-1B's.
LEFT_OUT = 0.1
Batch = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Samples:
    """One sample a row of the episodes.

    Attributes:
        episodes: of one robot.
        conditions: pictures and words.
        config: sizes of the policy.
        embodiment: the slots of its joints.
        rate_hz: rows a second.
    """

    episodes: Episodes
    conditions: Conditions
    config: RunnerConfig
    embodiment: Embodiment
    rate_hz: float

    @classmethod
    def of(cls, episodes: Episodes, conditions: Conditions, config: RunnerConfig) -> "Samples":
        """Of a set.

        Raises:
            InputError: no rate, a joint without a slot, or commands of other columns than the measured joints.
        """
        where = f"episodes of {episodes.robot} ({episodes[0].path.parent})"
        if episodes.rate_hz is None:
            fix = "--rate 25, or record rate_hz"
            raise InputError("no rate", where=where, expected="rows a second, which RDT is told", fix=fix)
        if episodes[0].qpos.shape[1] != episodes.dof:
            raise InputError(
                f"{episodes.dof} columns of commands for {episodes[0].qpos.shape[1]} joints", where=where,
                expected="commands to the measured joints, in their order", fix="load the set with source=qpos",
            )  # fmt: skip
        return cls(episodes, conditions, config, unified(episodes), episodes.rate_hz)

    def __len__(self) -> int:
        return len(self.recorded)

    @cached_property
    def recorded(self) -> Recorded:
        """The rows."""
        return Recorded(self.episodes)

    def batch(self, rows: Sequence[int] | NDArray[np.int64], generator: np.random.Generator | None = None) -> Batch:
        """Arguments of `Runner.compute_loss`, on the host.

        Args:
            rows: of all episodes in turn, `(B,)`.
            generator: draws what is left out, a tenth of each condition; None leaves nothing out.
        """
        rows, size = np.asarray(rows, np.int64), len(rows)
        index, own = self.recorded.places(rows)
        state = self.recorded.qpos[rows]
        mask = np.repeat(self.embodiment.used[None].astype(np.float32), size, 0)
        rate = np.full(size, self.rate_hz, np.float32)
        words = [self.conditions.words[i] for i in index]
        release = self.conditions.release
        hidden = np.zeros((size, release.history, release.cameras), bool)
        if generator is not None:
            rate[generator.random(size) < LEFT_OUT] = 0
            state = np.where(generator.random((size, 1)) < LEFT_OUT, self._mean, state)
            mask[generator.random(size) < LEFT_OUT] = 0
            silent = generator.random(size) < LEFT_OUT
            words = [self.conditions.silence if out else own for own, out in zip(words, silent, strict=True)]
            hidden = generator.random(hidden.shape) < LEFT_OUT
        seen = [self.conditions.seen(*where) for where in zip(index.tolist(), own.tolist(), hidden, strict=True)]
        tokens, valid = _padded(words)
        return {
            "lang_tokens": tokens,
            "lang_attn_mask": valid,
            "img_tokens": torch.from_numpy(np.stack(seen).astype(np.float32)),
            "state_tokens": self._unified(state[:, None]),
            "action_gt": self._unified(self.recorded.chunks(rows, self.config.pred_horizon)),
            "action_mask": torch.from_numpy(mask)[:, None],
            "ctrl_freqs": torch.from_numpy(rate),
        }

    @property
    def most_words(self) -> int:
        """Tokens of the longest instruction."""
        return max(len(tokens) for tokens in (*self.conditions.words, self.conditions.silence))

    def _unified(self, values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(self.embodiment.scatter(values.astype(np.float32)))

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = self.recorded.qpos.mean(0)
        return mean


def unified(episodes: Episodes) -> Embodiment:
    """The slots of a robot's joints in RDT's vector, by its profile or by the names of its columns.

    Raises:
        InputError: a joint without a slot.
    """
    profile = profile_for(episodes)
    return embodiment(profile or episodes.robot, episodes.joint_names, layout="rdt")


def column_names(robot: Embodiment) -> tuple[str, ...]:
    """Names of all slots: the robot's joint in each, and RDT's own name where there is none."""
    return tuple(own if own != "-" else slot for own, slot in zip(robot.slot_names, SLOTS, strict=True))


def _padded(words: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Tokens `(B, L, width)` of instructions of several lengths, and which are valid, bool `(B, L)`."""
    longest = max(map(len, words))
    tokens = np.stack([np.pad(own, ((0, longest - len(own)), (0, 0))) for own in words])
    valid = torch.arange(longest) < torch.tensor([[len(own)] for own in words])
    return torch.from_numpy(tokens), valid
