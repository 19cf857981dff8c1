"""Encoder: what guidance needs of a network, and encoders that encode nothing."""

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from ate.align.vae import Posterior
from ate.data.space import ActionSpace
from ate.data.tool_space import ToolSpace


class Shape(Protocol):
    """Columns of a chunk and dimensions of a latent."""

    @property
    def features(self) -> int:
        """D."""

    @property
    def latent(self) -> int:
        """d."""


class Encoder(Protocol):
    """A frozen module that maps chunks `(B, S, D)` to posteriors of `(B, d)`; `InfoVAE` is one."""

    @property
    def config(self) -> Shape:
        """Its sizes."""

    @property
    def device(self) -> torch.device:
        """Where it is."""

    def encode(self, x: Tensor) -> Posterior:
        """q(z|a) of chunks `(B, S, D)`."""

    def as_decoded(self, x: Tensor) -> Tensor:
        """Chunks `(B, S, D)` in the columns that `decode` gives, `(B, S, C)`."""

    def decode(self, z: Tensor, length: int) -> Tensor:
        """Chunks `(B, length, C)` of latents `(B, d)`."""

    def eval(self) -> Self:
        """Switch dropout off."""

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze its weights."""

    def to(self, device: torch.device | str) -> Self:
        """Move it."""

    def state_dict(self) -> dict[str, Tensor]:
        """Its weights."""


@dataclass(frozen=True)
class Flat:
    """Sizes of the identity encoder: D and S·D."""

    features: int
    latent: int


class IdentityEncoder(nn.Module):
    """E(a) = a, flattened, with standard deviation 1: distances between chunks themselves.

    A control: what it gives as well, no latent space gave.

    Args:
        features: D, columns of a chunk.
        length: S, rows of a chunk.
    """

    place: Tensor

    def __init__(self, features: int, length: int) -> None:
        super().__init__()
        self.config = Flat(features, features * length)
        self.register_buffer("place", torch.zeros(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.place.device

    def encode(self, x: Tensor) -> Posterior:
        """The chunks `(B, S, D)` as latents `(B, S·D)`."""
        mean = x.flatten(1)
        return Posterior(mean, torch.ones_like(mean))

    def as_decoded(self, x: Tensor) -> Tensor:
        """The chunks as they are."""
        return x

    def decode(self, z: Tensor, length: int) -> Tensor:
        """The chunks that latents `(B, S·D)` are."""
        return z.view(len(z), length, self.config.features)


class MotionIdentityEncoder(IdentityEncoder):
    """E_r(a) = m_r(a), flattened, with standard deviation 1: distances between the tool motion of chunks.

    A control: what it gives as well, kinematics gave, and no latent space.

    Args:
        space: the robot's joints; taken compact, in the order of its data.
        tool: tool motion of the same robot.
        length: S, rows of a chunk.
    """

    def __init__(self, space: ActionSpace, tool: ToolSpace, length: int) -> None:
        super().__init__(tool.width, length)
        self.space, self.tool = space.compact, tool
        self.config = Flat(len(space.joint_names), tool.width * length)

    def encode(self, x: Tensor) -> Posterior:
        """The tool motion of chunks `(B, S, D)` as latents `(B, S·10)`."""
        return super().encode(self.as_decoded(x))

    def as_decoded(self, x: Tensor) -> Tensor:
        """The tool motion of chunks, normalised, `(B, S, 10)`."""
        return self.tool.encode(self.space.decode(x))

    def decode(self, z: Tensor, length: int) -> Tensor:
        """The tool motion that latents `(B, S·10)` are."""
        return z.view(len(z), length, self.tool.width)
