"""Encoder: where things lie, from pictures of each camera and the words of an instruction.

    picture → convolutions → K maps;  words → J mixtures of them
    maps and mixtures → spatial softmax → points (u, v) and how strongly each is seen
    points, words → mean and spread σ of: object (x, y, z), its yaw (cos 4ψ, sin 4ψ), the goal that is meant (x, y, z)

One small network a camera, with weights of its own (spatial softmax: Levine et al. 2016, arXiv 1504.00702). A camera
that stands sees in the frame of the table, one in the hand in that of the tool. The words say what to look for, by the
mixtures, and scale the features of a picture (FiLM, Perez et al. 2018, arXiv 1709.07871): the goal is the marker that
the instruction names. Lengths are in units of `UNIT` inside of the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ate.errors import InputError
from ate.policies.vision.trunk import trunk
from ate.policies.vision.words import vectors
from ate.runs import checkpoint
from ate.runs.device import seeded

UNIT = 0.1
"""Metres."""
FRONT, WRIST = "front", "wrist"
CAMERAS = (FRONT, WRIST)
GROUPS: Mapping[str, int] = {"object": 3, "yaw": 2, "goal": 3}
"""What is located, and its numbers; each has one spread."""
# Sentences that differ in their colour alone are half a unit apart, in hundreds of numbers.
APART = 20.0
# Spreads in units: between 0.15 mm and 40 cm.
NARROWEST, WIDEST = -6.5, 1.4


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes.

    Attributes:
        size: pixels of a picture's side.
        maps: K.
        mixtures: J.
        hidden: features of the heads.
        words: numbers that an instruction becomes.
        sentence: numbers of a sentence's vector.
        cameras: names, in the order of the pictures.
        tasks: what an instruction may ask for.
        trunk: folder of a frozen vision model (`ate.policies.vision.trunk`); empty for convolutions of its own.
    """

    size: int = 64
    maps: int = 32
    mixtures: int = 8
    hidden: int = 96
    words: int = 16
    sentence: int = 384
    cameras: tuple[str, ...] = CAMERAS
    tasks: tuple[str, ...] = ("lift", "push", "place")
    trunk: str = ""

    @property
    def points(self) -> int:
        """Numbers of `Camera.points`: u, v and strength of every map and mixture."""
        return 3 * (self.maps + self.mixtures)


@dataclass(frozen=True, eq=False)
class Located:
    """What one camera says, in its own frame; B pictures.

    Attributes:
        mean: of each of `GROUPS` `(B, n)`, positions in metres.
        spread: σ of each `(B,)`, likewise.
    """

    mean: dict[str, Tensor]
    spread: dict[str, Tensor]


class Camera(nn.Module):
    """Pictures of one camera and words in, what `Located` holds out."""

    grid: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        maps, hidden = config.maps, config.hidden
        self.convolutions, side = trunk(config.trunk, maps, config.size)
        self.mix = nn.Linear(config.words, config.mixtures * maps)
        self.sharpness = nn.Parameter(torch.zeros(maps + config.mixtures))
        self.enter = nn.Linear(config.points, hidden)
        self.film = nn.Linear(config.words, 2 * hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.leave = nn.Linear(hidden, sum(GROUPS.values()) + len(GROUPS))
        at = torch.linspace(-1, 1, side)
        self.register_buffer("grid", torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).flatten(0, 1).flip(-1))

    def points(self, pictures: Tensor, words: Tensor) -> Tensor:
        """Points and how strongly they are seen, `(B, 3·(K + J))`, of pictures `(B, 3, H, W)` in [−1, 1]."""
        maps = self.convolutions(pictures).flatten(2)
        maps = torch.cat([maps, self.mix(words).unflatten(1, (-1, maps.shape[1])) @ maps], 1)
        weights = torch.softmax(maps * self.sharpness.exp()[:, None], -1)
        at = weights @ self.grid
        return torch.cat([at.flatten(1), torch.tanh(maps.amax(-1) / 8)], -1)

    def forward(self, pictures: Tensor, words: Tensor) -> Located:
        """Of pictures `(B, 3, H, W)` in [−1, 1] and words `(B, w)`."""
        return self.locate(self.points(pictures, words), words)

    def locate(self, points: Tensor, words: Tensor) -> Located:
        """Of `points` and words `(B, w)`."""
        scale, shift = self.film(words).chunk(2, -1)
        h = nn.functional.silu(self.enter(points) * (1 + scale) + shift)
        h = nn.functional.silu(self.middle(h)) + h
        *means, spread = self.leave(h).split([*GROUPS.values(), len(GROUPS)], -1)
        spread = spread.clamp(NARROWEST, WIDEST).exp()
        units = {name: 1.0 if name == "yaw" else UNIT for name in GROUPS}
        mean = {name: value * units[name] for name, value in zip(GROUPS, means, strict=True)}
        return Located(mean, {name: spread[:, i] * units[name] for i, name in enumerate(GROUPS)})


class Encoder(nn.Module):
    """All cameras, and the words.

    Args:
        config: sizes.
        seed: of the weights.

    Attributes:
        centre: mean vector of the sentences of training `(s,)`: what they have in common tells none of them apart.
    """

    centre: Tensor

    def __init__(self, config: EncoderConfig | None = None, seed: int = 0) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        with seeded(seed):
            self.cameras = nn.ModuleDict({name: Camera(self.config) for name in self.config.cameras})
            self.sentence = nn.Linear(self.config.sentence, self.config.words)
            self.asked = nn.Linear(self.config.words, len(self.config.tasks))
        self.register_buffer("centre", torch.zeros(self.config.sentence))

    def words(self, sentences: Tensor) -> Tensor:
        """Words `(B, w)` in [−1, 1] of the vectors of sentences `(B, s)`, of length 1."""
        return torch.tanh(self.sentence(APART * (sentences - self.centre)))

    @torch.no_grad()
    def words_of(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Words `(n, w)` of n sentences.

        Raises:
            InputError: a sentence that is not shipped, and no model for it.
        """
        kinds = list(dict.fromkeys(sentences))
        words = self.words(torch.from_numpy(vectors(kinds))).numpy()
        return np.asarray(words[[kinds.index(text) for text in sentences]])

    def stacked(self, images: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Pictures `(cameras, H, W, 3)` of one moment, of those of each camera; others are left out.

        Raises:
            InputError: pictures of another size, or not of uint8.
        """
        c = self.config
        pictures = [np.asarray(images[name]) for name in c.cameras]
        for name, picture in zip(c.cameras, pictures, strict=True):
            if picture.shape != (c.size, c.size, 3) or picture.dtype != np.uint8:
                raise self._refused(f"a picture of {name} of shape {picture.shape}, {picture.dtype}")
        return np.stack(pictures)

    def forward(self, pictures: Tensor, words: Tensor) -> dict[str, Located]:
        """What each camera says of pictures `(B, cameras, H, W, 3)` uint8.

        Raises:
            InputError: pictures of another size or number of cameras, or not of uint8.
        """
        c = self.config
        if pictures.shape[1:] != (len(c.cameras), c.size, c.size, 3) or pictures.dtype != torch.uint8:
            raise self._refused(f"pictures of shape {tuple(pictures.shape)}, {pictures.dtype}")
        return {
            name: camera(normalized(pictures[:, i]), words) for i, (name, camera) in enumerate(self.cameras.items())
        }

    def _refused(self, got: str) -> InputError:
        c = self.config
        return InputError(
            got, where="encoder of pictures",
            expected=f"(N, {len(c.cameras)}, {c.size}, {c.size}, 3) of uint8: {', '.join(c.cameras)}",
            fix="give these cameras at this size with values 0 to 255, or train an encoder for yours: "
            "ate vision train --option size=PIXELS",
        )  # fmt: skip

    def save(self, file: str | Path) -> None:
        """Write sizes and weights."""
        checkpoint.save(file, self.to_tree())

    def to_tree(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        config = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.config).items()}
        return {"encoder": config, "weights": self.state_dict()}

    @classmethod
    def load(cls, file: str | Path) -> "Encoder":
        """The inverse of `save`.

        Raises:
            InputError: the file is missing or no encoder.
        """
        tree = checkpoint.load(file)
        if "encoder" not in tree:
            raise InputError(
                "a checkpoint without an encoder", where=str(file), expected="one that `ate vision train` wrote",
                fix="name encoder.safetensors of its folder",
            )  # fmt: skip
        return cls.from_tree(tree)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Encoder":
        """The inverse of `to_tree`."""
        config: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in tree["encoder"].items()}
        encoder = cls(EncoderConfig(**config))
        encoder.load_state_dict(tree["weights"])
        return encoder.eval().requires_grad_(False)


def normalized(pictures: Tensor) -> Tensor:
    """Pictures `(B, H, W, 3)` uint8 as `(B, 3, H, W)` in [−1, 1]."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
