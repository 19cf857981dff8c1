"""Inputs of an alignment: the episodes that train it and those held out, and what its networks see of each robot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ate.align.alignment import Sets, as_sets, chunks_of, digests_of, split
from ate.align.config import AlignConfig
from ate.align.config import preset as resolve
from ate.data.chunks import Chunks, chunk
from ate.data.episodes import Episodes
from ate.data.placements import Placements, placement
from ate.data.space import ActionSpace, spaces
from ate.data.tool_space import ToolSpace, tool_spaces
from ate.errors import InputError
from ate.runs.device import pick as pick_device


@dataclass(frozen=True)
class Inputs:
    """What both stages share.

    Attributes:
        config: how to train.
        seed: of the training.
        splits: training and held-out episodes of each set, adaptation last.
        spaces: action space of each.
        tool_spaces: its tool motion; () where the networks see joints.
        digests: SHA-256 of each set, by name, and of whatever else decides the result.
        folder: keeps checkpoints and metrics; None for none.
        device: where to train.
    """

    config: AlignConfig
    seed: int
    splits: tuple[tuple[Episodes, Episodes], ...]
    spaces: tuple[ActionSpace, ...]
    tool_spaces: tuple[ToolSpace, ...]
    digests: dict[str, str]
    folder: Path | None
    device: torch.device

    @classmethod
    def of(
        cls,
        pretrain: Sets,
        adapt: Episodes,
        preset: str | AlignConfig,
        directory: str | Path | None,
        seed: int,
        device: torch.device | str | None,
        placements: Placements | None,
    ) -> "Inputs":
        """Check the arguments of `ate.align.fit` and split every set."""
        config, sets = resolve(preset), as_sets(pretrain)
        if not isinstance(adapt, Episodes):
            raise InputError(
                repr(type(adapt).__name__),
                where="adaptation data",
                expected="the Episodes of one robot",
                fix="read it with ate.data.load",
            )
        splits = tuple(split(episodes, config, seed) for episodes in (*sets, adapt))
        train = [part for part, _ in splits]
        tools: tuple[ToolSpace, ...] = ()
        if config.columns == "tool":
            places = [placement(episodes, placements) for episodes in train]
            # The networks are of no robot, and so are the ranges: the new robot has no part in them.
            shared = tool_spaces(train[:-1], places[:-1])
            tools = (*shared, shared[0].of_robot(train[-1], places[-1]))
        folder = None if directory is None else Path(directory)
        digests = digests_of(sets, adapt)
        return cls(config, seed, splits, tuple(spaces(train)), tools, digests, folder, pick_device(device))

    @property
    def seen(self) -> tuple[ActionSpace, ...]:
        """What the networks see of each set: tool motion, or joints in the unified vector."""
        return self.tool_spaces or self.spaces

    @property
    def identity(self) -> list[Any]:
        """All that decides the result, besides what a stage adds."""
        return [self.config.to_dict(), self.digests, self.seed, *(space.to_tree() for space in self.tool_spaces)]

    def pretrain_chunks(self, part: int) -> Chunks:
        """Chunks of all pre-training robots: of the training episodes (0) or of the held-out ones (1)."""
        return chunks_of([sets[part] for sets in self.splits[:-1]], self.seen[:-1], self.config).to(self.device)

    def adapt_chunks(self, part: int) -> Chunks:
        """The same of the adaptation robot, over its own columns."""
        return chunk(self.splits[-1][part], self.config.chunk, self.seen[-1].compact, device=self.device)


def why_no_tool_motion(sets: Sequence[Episodes]) -> str:
    """Why the tool motion of these sets is not known without a placement; empty where it is."""
    try:
        tool_spaces(sets, [placement(episodes) for episodes in sets])
    except InputError as error:
        return str(error)
    return ""
