"""Markers: where the marker of every colour lies, whatever the words say; a lesson for an encoder in training.

    loss = Σ over the colours of the scene of |e| (Huber below 2 cm)

Which marker is the goal, the words decide. Before an encoder can learn that it has to see markers, and a goal that is
right half of the time says little of where they are. The heads are left out of what is kept.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ate.policies.vision.encoder import UNIT, Encoder
from ate.policies.vision.instruction import COLOURS
from ate.runs.device import seeded

PALETTE = tuple(dict.fromkeys(colour for own in COLOURS.values() for colour in own))
"""Every colour of a marker, in one order."""
WEIGHT = 0.3
# In units of `UNIT`.
HUBER = 0.2


class Markers(nn.Module):
    """One linear head a camera, on its points.

    Args:
        encoder: whose cameras they belong to.
        seed: of the weights.
    """

    def __init__(self, encoder: Encoder, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            self.heads = nn.ModuleDict(
                {name: nn.Linear(encoder.config.points, 3 * len(PALETTE)) for name in encoder.config.cameras}
            )

    def loss(self, camera: str, points: Tensor, places: Tensor, there: Tensor) -> Tensor:
        """Of points `(B, n)` of one camera; markers lie at places `(B, colours, 3)` of its frame, where there are any.

        Args:
            camera: its name.
            points: `Camera.points`.
            places: metres, in the order of `PALETTE`.
            there: `(B, colours)`, 1 for a colour of the scene.
        """
        error = self.heads[camera](points).unflatten(1, (-1, 3)) - places / UNIT
        each = nn.functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=HUBER).sum(-1)
        return WEIGHT * (each * there).sum() / there.sum().clamp(min=1)


def placed(places: Mapping[str, Tensor], size: int) -> tuple[Tensor, Tensor]:
    """Places `(size, colours, 3)` in the order of `PALETTE`, and which are there, of `(size, 3)` by colour."""
    out, there = torch.zeros(size, len(PALETTE), 3), torch.zeros(size, len(PALETTE))
    for colour, place in places.items():
        out[:, PALETTE.index(colour)], there[:, PALETTE.index(colour)] = place, 1.0
    return out, there


def joined(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Those of several tasks, in a row."""
    return torch.cat([places for places, _ in parts]), torch.cat([there for _, there in parts])
