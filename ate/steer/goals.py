"""Goals: the latents of what the pre-training robots did, E_φ(a_pre), for every row of their retargeted episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ate.data.chunks import chunk
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.steer.encoder import Encoder

if TYPE_CHECKING:
    from ate.align.alignment import Alignment

ENCODE_BATCH = 4096


@dataclass(eq=False)
class Goals:
    """Where guidance at pre-training observations pulls to; encoded once, since it depends on data alone.

    Attributes:
        latents: mean latent of the chunk that starts at each row, `(N, d)`, rows of the episodes one after the other;
            ends of episodes are padded with their last row, as in training.
        length: S, rows of those chunks.
    """

    latents: Tensor
    length: int

    @classmethod
    def of(cls, alignment: "Alignment", pretrain: Sequence[Episodes], retargeted: Episodes) -> "Goals":
        """Goals of retargeted episodes: the latents of what they were retargeted from, under φ.

        Args:
            alignment: whose φ encodes.
            pretrain: the sets that were retargeted.
            retargeted: what `ate.steer.retarget` made of them.

        Raises:
            InputError: a retargeted episode that the sets do not hold, or a robot that the alignment does not know.
        """
        spaces = alignment.spaces_of(pretrain)
        parts = {
            f"{episodes.robot}/{episodes[i].name}": (episodes.select([i]), space)
            for episodes, space in zip(pretrain, spaces, strict=True)
            for i in range(len(episodes))
        }
        missing = [item.name for item in retargeted if item.name not in parts]
        if missing:
            raise InputError(
                f"episode {missing[0]}", where="goals of retargeted episodes",
                expected="episodes that were retargeted from these sets", fix="pass the sets that retarget was given",
            )  # fmt: skip
        encode = alignment.pretrain_vae
        return cls.encoded(encode, [parts[item.name] for item in retargeted], alignment.config.chunk)

    @classmethod
    @torch.no_grad()
    def encoded(cls, encoder: Encoder, parts: Sequence[tuple[Episodes, ActionSpace]], length: int) -> "Goals":
        """Latents of every row's chunk of `length` rows, of episodes in spaces of the encoder's columns."""
        latents: list[Tensor] = []
        for episodes, space in parts:
            chunks = chunk(episodes, length, space, pad_end=True, device=encoder.device)
            index = torch.arange(len(chunks), device=encoder.device)
            latents += [encoder.encode(chunks.gather(rows)).mean for rows in index.split(ENCODE_BATCH)]
        return cls(torch.cat(latents), length)

    def of_others(self, lengths: Sequence[int] | np.ndarray, seed: int) -> "Goals":
        """The control: every episode gets the goals of another one, at the same share of its length.

        Args:
            lengths: rows of each episode.
            seed: of the pairing.

        Raises:
            InputError: a single episode.
        """
        if len(lengths) < 2:
            raise InputError(
                "one episode", where="goals of other episodes", expected="at least two", fix="retarget more episodes"
            )
        order = np.random.default_rng(seed).permutation(len(lengths))
        other = np.empty(len(lengths), np.int64)
        other[order] = np.roll(order, 1)
        first = np.cumsum([0, *lengths[:-1]])
        rows = [first[o] + np.arange(n) * lengths[int(o)] // n for n, o in zip(lengths, other, strict=True)]
        index = torch.from_numpy(np.concatenate(rows)).to(self.latents.device)
        return Goals(self.latents[index], self.length)

    def to(self, device: torch.device | str) -> "Goals":
        """The goals on a device; these ones stay where they are."""
        latents = self.latents.to(device)
        return self if latents is self.latents else Goals(latents, self.length)
