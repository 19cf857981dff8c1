"""Chunks: S consecutive rows of an episode, `a ∈ R^{S×D}`, gathered on the device that trains on them.

An episode of n rows has n − S + 1 chunks, none if n < S (ATE paper, arXiv 2509.02055, section 3.1). The rows
are stored once; a chunk is a start index, and a batch is one gather.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError

# Rows read and normalised at a time of an episode that is longer than that.
WINDOW = 2**18


@dataclass(frozen=True, eq=False)
class Chunks:
    """All chunks of one or more sets.

    Attributes:
        rows: concatenated series, float32 `(T, D)`.
        starts: first row of each chunk, int64 `(N,)`.
        episode: running number of the episode each chunk is from, int64 `(N,)`.
        offset: step within that episode at which the chunk starts, int64 `(N,)`.
        group: running number of the set (robot), int64 `(N,)`.
        mask: slots in use per set, bool `(n_groups, D)`.
        length: S.
    """

    rows: Tensor
    starts: Tensor
    episode: Tensor
    offset: Tensor
    group: Tensor
    mask: Tensor
    length: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def width(self) -> int:
        """D, columns of a chunk."""
        return self.rows.shape[1]

    def gather(self, index: Tensor) -> Tensor:
        """The chunks at `index (B,)`, float32 `(B, S, D)`, on the device the rows are on."""
        steps = torch.arange(self.length, device=self.rows.device)
        return self.rows[self.starts[index, None] + steps]

    def mask_of(self, index: Tensor) -> Tensor:
        """Slots in use for the chunks at `index (B,)`, bool `(B, 1, D)`."""
        return self.mask[self.group[index]][:, None]

    def to(self, device: torch.device | str) -> "Chunks":
        """The same chunks with every tensor on `device`."""
        names = ("rows", "starts", "episode", "offset", "group", "mask")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def take(self, index: Tensor) -> "Chunks":
        """A subset of the chunks over the same rows."""
        names = ("starts", "episode", "offset", "group")
        return replace(self, **{name: getattr(self, name)[index] for name in names})


def chunk(
    episodes: Episodes,
    length: int,
    space: ActionSpace | None = None,
    pad_end: bool = False,
    device: torch.device | str = "cpu",
) -> Chunks:
    """Cut the chosen series of every episode into chunks.

    Args:
        episodes: one robot's episodes.
        length: S, rows a chunk; must equal the horizon of the policy that is steered later.
        space: maps rows to normalised unified vectors; None leaves raw values.
        pad_end: repeat the last row so that every row starts a chunk (what a policy trains on, so that it also
            learns how an episode ends); without it an episode of n rows has n − S + 1 chunks.
        device: where the rows go, episode by episode: the host never holds more than one of them.

    Raises:
        InputError: `length` below 1, or every episode shorter than `length`.
    """
    if length < 1:
        raise InputError(str(length), where="chunk length", expected="at least 1", fix="give a positive length")
    lengths = episodes.lengths
    if not pad_end and lengths.max() < length:
        raise InputError(
            f"episodes of {lengths.min()} to {lengths.max()} steps",
            where=f"{len(episodes)} episodes of {episodes.robot} ({episodes[0].path.parent})",
            expected=f"at least one of {length} steps or more, the chunk length",
            fix=f"choose a chunk length of at most {lengths.max()}, or record longer episodes",
        )
    padding = length - 1 if pad_end else 0
    counts = np.maximum(lengths + padding - length + 1, 0)
    first = np.cumsum([0, *(lengths + padding)[:-1]])
    offset = np.concatenate([np.arange(count) for count in counts])
    width = episodes.dof if space is None else space.width
    mask = np.ones(width, bool) if space is None else space.loss_mask
    starts = torch.from_numpy(np.repeat(first, counts) + offset)
    chunks = Chunks(
        rows=torch.empty((int((lengths + padding).sum()), width), dtype=torch.float32, device=device),
        starts=starts,
        episode=torch.from_numpy(np.repeat(np.arange(len(episodes)), counts)),
        offset=torch.from_numpy(offset),
        group=torch.zeros_like(starts),
        mask=torch.from_numpy(mask)[None],
        length=length,
    ).to(device)
    for index, start in enumerate(first):
        _fill(chunks.rows[int(start) : int(start + lengths[index] + padding)], episodes, index, space)
    return chunks


def _fill(rows: Tensor, episodes: Episodes, index: int, space: ActionSpace | None) -> None:
    """Write one episode into its rows on the device, the last row repeated to the end, in windows of bounded size."""
    steps = int(episodes.lengths[index])
    for start in range(0, steps, WINDOW):
        stop = min(start + WINDOW, steps)
        values = episodes.series(index, start, stop) if steps > WINDOW else episodes.series(index)
        encoded = values.copy() if space is None else space.encode(values)
        rows[start:stop] = torch.from_numpy(np.ascontiguousarray(encoded, dtype=np.float32))
    rows[steps:] = rows[steps - 1]


def concat(parts: Sequence[Chunks]) -> Chunks:
    """Join the chunks of several sets of one width and length; groups and episodes are numbered on.

    Raises:
        InputError: widths or lengths differ.
    """
    shapes = {(part.width, part.length) for part in parts}
    if len(shapes) != 1:
        got = f"(width, length) pairs {sorted(shapes)}"
        fix = "map all sets into one unified vector with ate.data.spaces"
        raise InputError(got, where="chunks to be joined", expected="one width and one length", fix=fix)
    fields: dict[str, list[Tensor]] = {"starts": [], "episode": [], "group": []}
    row = episode = group = 0
    for part in parts:
        fields["starts"].append(part.starts + row)
        fields["episode"].append(part.episode + episode)
        fields["group"].append(part.group + group)
        row += len(part.rows)
        episode += int(part.episode.max()) + 1
        group += len(part.mask)
    return Chunks(
        rows=torch.cat([part.rows for part in parts]),
        offset=torch.cat([part.offset for part in parts]),
        mask=torch.cat([part.mask for part in parts]),
        length=parts[0].length,
        **{name: torch.cat(values) for name, values in fields.items()},
    )
