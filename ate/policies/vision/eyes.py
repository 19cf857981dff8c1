"""Eyes: what a policy is shown in place of the task's state: what an encoder sees in pictures, and the instruction.

    the tool's pose (9, known from the joints), object (3), its yaw (2), the goal that is meant (3), object − tool (3),
    words (w)

The columns are called as those of the state (`ate.sim.tasks`), so that everything that reads a state by its names
works on them: features, retargeting, guidance, diagnosis. In the simulator the pictures are drawn (`ate.sim.render`)
from what the scene holds; nothing but pictures, joints and words reaches the policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ate.errors import InputError, unknown
from ate.policies.vision import grounding
from ate.policies.vision.encoder import CAMERAS, GROUPS, Encoder
from ate.policies.vision.grounding import Seen
from ate.policies.vision.instruction import VARIED, goal_colours, instructions
from ate.policies.vision.renderers import renderer_of
from ate.robots.frames import Placement
from ate.robots.kinematic_table import ROBOTS
from ate.runs import checkpoint
from ate.runs.files import array_digest, content_key
from ate.sim.tasks import GOAL, OBJECT, STATE_NAMES, TASKS, TOOL

Floats = NDArray[np.float32]
Pictures = NDArray[np.uint8]
YAW, OFFSET = slice(12, 14), slice(17, 20)
# Pictures that are encoded at once.
BATCH = 512
# Part of every digest: raised when pictures of the same moment come to look otherwise.
LOOKS = 1


@dataclass(frozen=True, eq=False)
class Scene:
    """What N episodes show and say from their beginning to their end.

    Attributes:
        colours: of the markers, the goal's first.
        other: (N, 3) the marker that is no goal, metres; None where there is none.
        words: (N, w) of the instructions.
        sentences: the instructions.
        paint: (N, 2, 3) colours of the arm's links and housings; None for its own.
    """

    colours: tuple[tuple[str, ...], ...]
    other: NDArray[np.float64] | None
    words: Floats
    sentences: tuple[str, ...]
    paint: NDArray[np.float64] | None = None

    def repeat(self, count: int) -> "Scene":
        """The scene of one episode, for that many of its moments."""
        rows = np.zeros(count, int)
        other = None if self.other is None else self.other[rows]
        return Scene(self.colours * count, other, self.words[rows], self.sentences * count)


@dataclass(frozen=True, eq=False)
class Eyes:
    """An encoder with a task to look at and words to say.

    Attributes:
        encoder: trained, frozen.
        task: of `ate.sim.tasks`, whose scene is drawn.
        instruction: one of `ate.policies.vision.instruction.KINDS`, or a sentence of your own.
        cameras: of the encoder's, those that are believed.
    """

    encoder: Encoder
    task: str
    instruction: str = VARIED
    cameras: tuple[str, ...] = CAMERAS

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise unknown(self.task, TASKS, where="task of pictures")
        for name in self.cameras:
            if name not in self.encoder.config.cameras:
                raise unknown(name, self.encoder.config.cameras, where="camera")
        if not self.cameras:
            raise InputError("no camera", where="eyes", expected="one or more", fix="believe front, wrist or both")

    def __deepcopy__(self, memo: object) -> "Eyes":
        """Frozen: copies of a policy share its eyes."""
        return self

    def changed(self, **fields: Any) -> "Eyes":
        """The same eyes with other fields."""
        return replace(self, **fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what is shown to the policy."""
        return (*STATE_NAMES, *(f"words_{i}" for i in range(self.encoder.config.words)))

    @property
    def needed(self) -> tuple[str, ...]:
        """Cameras without whose pictures nothing is seen."""
        return self.encoder.config.cameras

    @property
    def listens(self) -> bool:
        """Whether an instruction is needed."""
        return True

    @cached_property
    def digest(self) -> str:
        """Hash of all that the same moment's features depend on."""
        weights = array_digest(*(value.numpy() for value in self.encoder.state_dict().values()))
        return content_key([weights, self.instruction, list(self.cameras), LOOKS])[:16]

    def scene(self, first: Floats) -> Scene:
        """What episodes show and say, of their first states `(N, 20)`."""
        from ate.sim.render import other_goal

        colours = goal_colours(self.task, first)
        sentences = instructions(self.task, first, self.instruction)
        words = self.encoder.words_of(sentences)
        return Scene(tuple(colours), other_goal(self.task, first), words, tuple(sentences))

    def pictures(self, robot: str, qpos: Floats, state: Floats, scene: Scene) -> Pictures:
        """Pictures `(N, cameras, H, W, 3)` of N moments, one of each episode of the scene.

        Args:
            robot: that is drawn.
            qpos: `(N, dof)`.
            state: `(N, 20)` of `ate.sim.tasks`; where the object is, and the goal.
            scene: of the same N episodes.

        Raises:
            InputError: pictures cannot be drawn on this machine (`ate.sim.opengl.backend`).
        """
        c = self.encoder.config
        renderer = renderer_of(robot, self.task, c.cameras, c.size)
        drawn = np.empty((len(qpos), len(c.cameras), c.size, c.size, 3), np.uint8)
        for colours in dict.fromkeys(scene.colours):
            rows = [i for i, own in enumerate(scene.colours) if own == colours]
            other = None if scene.other is None else scene.other[rows]
            paint = None if scene.paint is None else scene.paint[rows]
            frames = renderer.frames(qpos[rows], state[rows], other, colours or None, paint)
            for i, name in enumerate(c.cameras):
                drawn[rows, i] = frames[name]
        return drawn

    def look(self, robot: str, qpos: Floats, pictures: Pictures, words: Floats) -> Seen:
        """What is where, in the frame of the table, by the pictures of N moments and the words of each `(N, w)`.

        Args:
            robot: that acts; its joints say where its tool is.
            qpos: `(N, dof)`.
            pictures: `(N, cameras, H, W, 3)`.
            words: as `Encoder.words` makes them.
        """
        position, rotation = tool_pose(robot, qpos)
        own = self.by_camera(pictures, words)
        return grounding.fused(
            [
                Seen(grounding.of_camera(name, own[name].mean, position, rotation), own[name].spread)
                for name in self.cameras
            ]
        )

    @torch.no_grad()
    def by_camera(self, pictures: Pictures, words: Floats) -> dict[str, Seen]:
        """What each camera says, in its own frame."""
        parts: list[dict[str, Any]] = []
        for start in range(0, len(pictures), BATCH):
            rows = slice(start, start + BATCH)
            parts.append(self.encoder(torch.from_numpy(pictures[rows]), torch.from_numpy(words[rows])))
        return {
            name: Seen(
                {key: _joined([part[name].mean[key] for part in parts]) for key in GROUPS},
                {key: _joined([part[name].spread[key] for part in parts]) for key in GROUPS},
            )
            for name in self.encoder.config.cameras
        }

    def see(
        self, robot: str, qpos: Floats, state: Floats, scene: Scene, drawn: tuple[str, Floats] | None = None
    ) -> Floats:
        """What the policy is shown, `(N, 20 + w)`, of N moments.

        Args:
            robot, qpos, state, scene: as `pictures`.
            drawn: another robot and its joints, for the pictures alone.
        """
        pictures = self.pictures(*(drawn or (robot, qpos)), state, scene)
        return self.shown_of(state, self.look(robot, qpos, pictures, scene.words), scene.words)

    def shown_with(self, robot: str, qpos: Floats, pictures: Pictures, sentences: Sequence[str]) -> Floats:
        """What the policy is shown, `(N, 20 + w)`, of pictures from anywhere, and a sentence each.

        Raises:
            InputError: a robot whose kinematics are not built in, or a sentence without a vector.
        """
        words = self.encoder.words_of(sentences)
        state = np.zeros((len(qpos), len(STATE_NAMES)), np.float32)
        position, rotation = replace(Placement.of(robot), tool=np.eye(4)).forward(
            np.asarray(qpos, float)[:, : _arm(robot)]
        )
        state[:, TOOL] = position
        state[:, 3:9] = np.concatenate([rotation[..., 0], rotation[..., 1]], -1)
        return self.shown_of(state, self.look(robot, qpos, pictures, words), words)

    def of_images(self, robot: str, qpos: Floats, images: Mapping[str, Pictures], sentence: str) -> Floats:
        """The same `(1, 20 + w)` of one moment's pictures (height, width, 3) by camera, of all of the encoder's."""
        return self.shown_with(robot, qpos, self.encoder.stacked(images)[None], [sentence])

    def shown_of(self, state: Floats, seen: Seen, words: Floats) -> Floats:
        """The columns of `columns`: the tool's of the state, what was seen, and the words."""
        rows = np.zeros((len(state), len(STATE_NAMES)), np.float32)
        rows[:, : OBJECT.start] = state[:, : OBJECT.start]
        rows[:, OBJECT], rows[:, YAW], rows[:, GOAL] = (seen.mean[name] for name in ("object", "yaw", "goal"))
        rows[:, OFFSET] = rows[:, OBJECT] - rows[:, TOOL]
        return np.concatenate([rows, words], axis=1)

    def to_tree(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        own = {"task": self.task, "told": self.instruction, "cameras": list(self.cameras)}
        return {**own, **self.encoder.to_tree()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Eyes":
        """The inverse of `to_tree`."""
        return cls(Encoder.from_tree(tree), tree["task"], tree["told"], tuple(tree["cameras"]))

    def save(self, file: Path) -> None:
        """Write encoder, task and instruction."""
        checkpoint.save(file, self.to_tree())

    @classmethod
    def load(cls, file: Path) -> "Eyes":
        """The inverse of `save`."""
        return cls.from_tree(checkpoint.load(file))


def tool_pose(robot: str, qpos: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pose (N, 3) and (N, 3, 3) of the conventional tool in the frame of the table, from joints `(N, dof)`."""
    return Placement.of(robot).forward(np.asarray(qpos, float)[:, : _arm(robot)])


def _arm(robot: str) -> int:
    """Joints of a built-in arm.

    Raises:
        InputError: an unknown robot, with the nearest one.
    """
    if robot not in ROBOTS:
        raise unknown(robot, ROBOTS, where="robot of a policy that sees pictures")
    return ROBOTS[robot].joints


def _joined(parts: Sequence[Tensor]) -> NDArray[np.float64]:
    return torch.cat(list(parts)).double().numpy()
