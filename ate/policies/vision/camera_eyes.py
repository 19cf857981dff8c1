"""Camera eyes: what a policy is shown of pictures that cameras of your own recorded: some numbers a camera, and words.

    picture → features of a frozen network → the k directions in which those of the recordings differ most

The network is a vision model of transformers in a local folder (its patches, pooled to 4 × 4), or an encoder that
`ate vision train` made (its points). Neither is trained. Nothing says where things are in metres: no simulator knew it.
Instructions have numbers where the recordings have more than one of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ate.data.cameras import clips, short
from ate.data.clip import Clip
from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.policies.vision.encoder import FRONT, WRIST, Camera, Encoder, normalized
from ate.policies.vision.trunk import Frozen
from ate.policies.vision.words import vectors
from ate.runs import checkpoint
from ate.runs.files import array_digest, content_key

Floats = NDArray[np.float32]
Pictures = NDArray[np.uint8]
IN_HAND = re.compile(r"wrist|hand|gripper")
# Moments that directions are found from; of a picture's patches, cells on each side; numbers of an instruction at most.
MOMENTS, CELLS, WORDS = 1500, 4, 16
# Pictures that are read and encoded at once.
BATCH = 128
_RECORD = "fetch or record pictures of all episodes, or exclude those without"


@dataclass(frozen=True, eq=False)
class Directions:
    """From f features to the k directions in which they differed most.

    Attributes:
        centre: (f,).
        axes: (f, k).
    """

    centre: Floats
    axes: Floats

    @classmethod
    def of(cls, rows: Floats, most: int) -> "Directions":
        """Of rows (N, f): at most so many directions, and none along which they do not differ."""
        centre = rows.mean(0)
        _, sizes, axes = np.linalg.svd(rows - centre, full_matrices=False)
        known = int((sizes > 1e-5 * max(float(sizes[0]), 1e-12)).sum()) if float(sizes[0]) > 1e-6 else 0
        return cls(centre, np.ascontiguousarray(axes[: min(most, known)].T))

    def __call__(self, rows: Floats) -> Floats:
        """(N, k) of rows (N, f)."""
        return np.asarray((rows - self.centre) @ self.axes, np.float32)


@dataclass(frozen=True, eq=False)
class CameraEyes:
    """A frozen network with the directions of each camera.

    Attributes:
        folder: of a vision model of transformers; empty for an encoder of ours.
        encoder: ours; None for a folder.
        cameras: names.
        pictures: directions by camera.
        words: directions of the instructions' vectors; None where there was one instruction at most.
    """

    folder: str
    encoder: Encoder | None
    cameras: tuple[str, ...]
    pictures: Mapping[str, Directions]
    words: Directions | None = None

    def __deepcopy__(self, memo: object) -> "CameraEyes":
        """Frozen: copies of a policy share its eyes."""
        return self

    @classmethod
    def of(
        cls,
        sets: Sequence[Episodes],
        folder: str = "",
        encoder: Encoder | None = None,
        cameras: Sequence[str] = (),
        numbers: int = 16,
    ) -> "CameraEyes":
        """Eyes for these recordings.

        Args:
            sets: with pictures; those of all robots that a policy is to see.
            folder, encoder: one of both, as the attributes.
            cameras: names; none for all that every episode has.
            numbers: that a camera's picture becomes, at most.

        Raises:
            InputError: no camera that all episodes have, pictures that cannot be read, or what the network raises.
        """
        views = [view for episodes in sets for view in views_of(episodes, cameras)]
        names = tuple(cameras) or tuple(name for name in views[0] if all(name in view for view in views))
        if not names:
            raise InputError(
                "no camera that all episodes have", where=f"pictures of {', '.join(s.robot for s in sets)}",
                expected=f"one of {', '.join(views[0]) or 'any name'} in each", fix=_RECORD,
            )  # fmt: skip
        blank = cls(folder, encoder, names, {})
        every = max(1, sum(view[names[0]].rows for view in views) // MOMENTS)
        directions = {}
        for name in names:
            rows = [blank.features(name, view[name].read(range(0, view[name].rows, every))) for view in views]
            directions[name] = Directions.of(np.concatenate(rows), numbers)
        sentences = sorted({text for episodes in sets for text in sentences_of(episodes) if text})
        words = Directions.of(vectors(sentences), WORDS) if len(sentences) > 1 else None
        return cls(folder, encoder, names, directions, words)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what is shown to the policy."""
        seen = [f"{name}_{i}" for name in self.cameras for i in range(self.pictures[name].axes.shape[1])]
        return (*seen, *(f"words_{i}" for i in range(0 if self.words is None else self.words.axes.shape[1])))

    @property
    def needed(self) -> tuple[str, ...]:
        """Cameras without whose pictures nothing is seen."""
        return self.cameras

    @property
    def listens(self) -> bool:
        """Whether an instruction is needed."""
        return self.words is not None

    @cached_property
    def digest(self) -> str:
        """Hash of all that the same picture's numbers depend on."""
        network = self._network
        weights = network.weights if isinstance(network, Frozen) else list(network.state_dict().values())
        arrays = [*(d.axes for d in self.pictures.values()), *(d.centre for d in self.pictures.values())]
        words = [] if self.words is None else [self.words.centre, self.words.axes]
        own = array_digest(*(value.numpy() for value in weights), *arrays, *words)
        return content_key([own, list(self.cameras)])[:16]

    @torch.no_grad()
    def features(self, camera: str, pictures: Pictures) -> Floats:
        """Features (N, f) of pictures (N, height, width, 3) of a camera, squeezed into a square."""
        parts = []
        for start in range(0, len(pictures), BATCH):
            rows = normalized(torch.from_numpy(np.ascontiguousarray(pictures[start : start + BATCH])))
            parts.append(self._encoded(camera, rows))
        return torch.cat(parts).numpy()

    def shown(self, pictures: Mapping[str, Pictures], sentences: Sequence[str]) -> Floats:
        """What the policy is shown, `(N, columns)`, of pictures (N, height, width, 3) by camera and a sentence each.

        Raises:
            InputError: a sentence without a vector.
        """
        parts = [self.pictures[name](self.features(name, pictures[name])) for name in self.cameras]
        if self.words is not None:
            kinds = list(dict.fromkeys(sentences))
            parts.append(self.words(vectors(kinds))[[kinds.index(text) for text in sentences]])
        return np.concatenate(parts, axis=1)

    def of_images(self, robot: str, qpos: Floats, images: Mapping[str, Pictures], sentence: str) -> Floats:
        """The same `(1, columns)` of one moment's pictures (height, width, 3) by camera; joints are not looked at."""
        return self.shown({name: np.asarray(images[name])[None] for name in self.cameras}, [sentence])

    def to_tree(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {
            "folder": self.folder, "own": None if self.encoder is None else self.encoder.to_tree(),
            "watched": list(self.cameras), "pictures": {name: _tree(d) for name, d in self.pictures.items()},
            "words": None if self.words is None else _tree(self.words),
        }  # fmt: skip

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "CameraEyes":
        """The inverse of `to_tree`."""
        encoder = None if tree["own"] is None else Encoder.from_tree(tree["own"])
        directions = {name: _directions(part) for name, part in tree["pictures"].items()}
        words = None if tree["words"] is None else _directions(tree["words"])
        return cls(tree["folder"], encoder, tuple(tree["watched"]), directions, words)

    def save(self, file: Path) -> None:
        """Write directions and encoder, or the name of the folder."""
        checkpoint.save(file, self.to_tree())

    @cached_property
    def _network(self) -> Encoder | Frozen:
        return self.encoder if self.encoder is not None else Frozen(self.folder, 1)

    def _encoded(self, camera: str, pictures: torch.Tensor) -> torch.Tensor:
        network = self._network
        if isinstance(network, Frozen):
            return nn.functional.adaptive_avg_pool2d(network.patches(pictures), min(network.side, CELLS)).flatten(1)
        c = network.config
        place = WRIST if IN_HAND.search(camera.lower()) else FRONT
        eye = network.cameras[place if place in c.cameras else c.cameras[0]]
        assert isinstance(eye, Camera)
        sized = nn.functional.interpolate(pictures, (c.size, c.size), mode="bilinear", antialias=True)
        return eye.points(sized, torch.zeros(len(sized), c.words))


def views_of(episodes: Episodes, cameras: Sequence[str] = ()) -> list[dict[str, Clip]]:
    """The clips of each episode by the short names of its cameras.

    Raises:
        InputError: an episode without pictures, or without one of the cameras.
    """
    views = [{short(name): clip for name, clip in clips(episodes, i).items()} for i in range(len(episodes))]
    for item, view in zip(episodes, views, strict=True):
        missing = [name for name in cameras if name not in view]
        if missing or not view:
            raise InputError(
                f"cameras {', '.join(view)}" if view else "no pictures that can be read",
                where=f"{item.path}, episode {item.name}",
                expected=", ".join(cameras) or "videos of a LeRobot set, or pictures in HDF5 files", fix=_RECORD,
            )  # fmt: skip
    return views


def sentences_of(episodes: Episodes) -> tuple[str, ...]:
    """The instruction of each episode, as its files say it; empty where they do not."""
    return tuple(str(item.attributes.get("task") or episodes.task or "") for item in episodes)


def _tree(directions: Directions) -> dict[str, Any]:
    return {"centre": torch.from_numpy(directions.centre), "axes": torch.from_numpy(directions.axes)}


def _directions(tree: Mapping[str, Any]) -> Directions:
    return Directions(tree["centre"].numpy(), tree["axes"].numpy())
