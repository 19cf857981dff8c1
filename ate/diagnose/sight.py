"""Sight: does a policy that sees pictures look at them, and does it listen to the instruction?

At the starts of some episodes of the simulator, the same noise gives a chunk for the pictures and words as they are,
for pictures of another scene, for grey pictures, and for the words of another task or colour. What changes the chunk no
more than other noise does is not used.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ate.data.doctor.finding import FAIL, PASS, SKIPPED, WARN, Finding
from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.policies.policy import Policy
from ate.policies.vision.eyes import Eyes, Floats, Pictures, Scene
from ate.policies.vision.instruction import COLOURS, WRONG_COLOUR, WRONG_TASK

LOOKS, LISTENS = "looks", "listens"
SCENES = 40
GREY = 128


@dataclass(frozen=True)
class Changes:
    """How far a chunk moves, as a multiple of what other noise moves it, by what was changed."""

    of: dict[str, float] = field(default_factory=dict)

    def text(self, names: tuple[str, ...]) -> str:
        """In words."""
        return "; ".join(f"{name} moves the chunk {self.of[name]:.2g} times as much as new noise" for name in names)


OTHER_PICTURE, GREY_PICTURE = "the picture of another scene", "a grey picture"


def check(policy: Policy, space: ActionSpace, seed: int) -> tuple[Finding, Finding]:
    """The two findings; skipped for a robot that is not simulated, and where no pictures can be drawn.

    Args:
        policy: with eyes.
        space: in which it acts.
        seed: of the noise that chunks are denoised from.
    """
    robot = space.embodiment.name
    try:
        moved = changes(policy, space, seed)
    except InputError as error:
        reason = (robot, f"{error.where}: {error.got}", error.expected, error.fix)
        return Finding(SKIPPED, LOOKS, *reason), Finding(SKIPPED, LISTENS, *reason)
    pictures = (OTHER_PICTURE, GREY_PICTURE)
    words = tuple(name for name in moved.of if name not in pictures)
    looks, listens = moved.of[OTHER_PICTURE] > 1, max(moved.of[name] for name in words) > 1
    blind = "train the encoder longer, and see that its columns vary between episodes (ate vision locate)"
    deaf = "fine where it was trained on one task; otherwise train on several tasks or colours in one policy"
    return (
        Finding(PASS if looks else FAIL, LOOKS, robot, moved.text(pictures), "more than new noise does",
                "" if looks else blind),
        Finding(PASS if listens else WARN, LISTENS, robot, moved.text(words), "more than new noise does",
                "" if listens else deaf),
    )  # fmt: skip


def changes(policy: Policy, space: ActionSpace, seed: int) -> Changes:
    """How far each change of pictures or words moves the chunk; arguments as `check`.

    Raises:
        InputError: a robot that the simulator does not know, or pictures cannot be drawn on this machine.
    """
    assert isinstance(policy.eyes, Eyes)
    starts = _Starts.of(policy, policy.eyes, space)
    as_it_is, noise = starts.chunks(seed), starts.chunks(seed + 1)
    others = np.random.default_rng(seed).permutation(SCENES)
    shown = {
        OTHER_PICTURE: starts.chunks(seed, pictures=starts.pictures[others]),
        GREY_PICTURE: starts.chunks(seed, pictures=np.full_like(starts.pictures, GREY)),
    }
    for name in (WRONG_TASK, WRONG_COLOUR) if len(COLOURS[policy.eyes.task]) > 1 else (WRONG_TASK,):
        words = policy.eyes.changed(instruction=name).scene(starts.state).words
        shown[f"{name!r} in words"] = starts.chunks(seed, words=words)
    by_noise = max(float(np.abs(noise - as_it_is).mean()), 1e-12)
    return Changes({name: float(np.abs(chunk - as_it_is).mean()) / by_noise for name, chunk in shown.items()})


@dataclass(frozen=True, eq=False)
class _Starts:
    """Starts of episodes of one robot, as a policy with eyes sees them."""

    policy: Policy
    eyes: Eyes
    space: ActionSpace
    qpos: Floats
    state: Floats

    @classmethod
    def of(cls, policy: Policy, eyes: Eyes, space: ActionSpace) -> "_Starts":
        # Imported here: what does not simulate needs no mujoco.
        from ate.sim.simulator import simulator

        with simulator(space.embodiment.name, eyes.task).start(range(SCENES), threads=1) as batch:
            qpos, state = batch.observe()
        assert state is not None
        return cls(policy, eyes, space, qpos, state)

    @cached_property
    def scene(self) -> Scene:
        return self.eyes.scene(self.state)

    @cached_property
    def pictures(self) -> Pictures:
        return self.eyes.pictures(self.space.embodiment.name, self.qpos, self.state, self.scene)

    def chunks(self, seed: int, pictures: Pictures | None = None, words: Floats | None = None) -> NDArray[np.float32]:
        """Normalised chunks `(N, S, D)`, of the columns that move."""
        pictures = self.pictures if pictures is None else pictures
        words = self.scene.words if words is None else words
        seen = self.eyes.look(self.space.embodiment.name, self.qpos, pictures, words)
        rows = self.policy.observation(self.qpos, self.eyes.shown_of(self.state, seen, words), self.space)
        device = next(self.policy.parameters()).device
        shown, mask = (torch.from_numpy(values).to(device) for values in (rows, self.space.loss_mask))
        chunk = self.policy.denoise(shown, mask, torch.Generator().manual_seed(seed))
        return np.asarray(chunk[..., mask].cpu().numpy(), np.float32)
