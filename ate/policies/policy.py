"""A small state-conditioned diffusion or flow policy: observation in, a chunk of actions out.

    x_t = α·a0 + σ·ε,   network(x_t, t, observation) ≈ p·a0 + q·ε        (ate.policies.noise)

One class serves every parameterisation, because they differ only in the path. The observation is the unified
normalised qpos, the embodiment's mask, features of the task state where the recordings carry one, and which of the
pre-training robots it is where the policy is told.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ate.data.episodes import Episodes
from ate.data.passport import Passport
from ate.data.space import ActionSpace, spaces
from ate.data.tool_space import ToolSpace, space_of
from ate.errors import InputError, unknown
from ate.policies.networks import ConvUNet, ResidualMLP
from ate.policies.noise import NoisePath
from ate.policies.observation import StateFeatures
from ate.policies.preconditioning import ANCHORS, Preconditioned, deviation
from ate.robots import GRIPPER
from ate.robots.frames import OPENING, TOOL_NAMES
from ate.runs import checkpoint
from ate.runs.device import seeded

if TYPE_CHECKING:
    from ate.policies.vision.camera_eyes import CameraEyes
    from ate.policies.vision.eyes import Eyes

NETWORKS = ("mlp", "unet")
# The file that a policy is kept in, and what is in it.
FILE, PARTS = "policy.safetensors", frozenset({"config", "spaces", "passports", "state", "weights"})
# Clean chunks are clipped while sampling: normalised actions live in [-1, 1], and ε-prediction divides by a tiny α.
CLIP = 1.5


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes, parameterisation and sampler of a policy.

    Attributes:
        horizon: S, actions in a chunk.
        features: D, width of the unified action vector.
        state: width of the task state, 0 for none.
        parameterization: one of `ate.policies.noise.PARAMETERIZATIONS`.
        network: `"mlp"` or `"unet"`.
        hidden: hidden features of the MLP; channels of the first level of the U-Net.
        depth: residual blocks of the MLP.
        film: the observation scales the MLP's hidden features too.
        anchor: of the preconditioning, one of `ate.policies.preconditioning.ANCHORS`.
        robots: robots that the observation names by a column each; all columns are 0 for any other robot.
        joint_noise: deviation of normal noise on the observed joints in training, radians or metres; actions are kept.
        noise_levels: discrete noise levels of a diffusion path.
        denoising_steps: DDIM or Euler steps at inference.
    """

    horizon: int
    features: int
    state: int
    parameterization: str = "sample"
    network: str = "mlp"
    hidden: int = 256
    depth: int = 3
    film: bool = False
    anchor: str = "none"
    robots: tuple[str, ...] = ()
    joint_noise: float = 0.0
    noise_levels: int = 100
    denoising_steps: int = 10

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise unknown(self.network, NETWORKS, where="policy network")
        if self.anchor not in ANCHORS:
            raise unknown(self.anchor, ANCHORS, where="policy anchor")
        if self.network == "unet" and self.horizon % 4:
            raise InputError(
                str(self.horizon), where="policy horizon", expected="a multiple of 4 for the U-Net", fix="use the MLP"
            )


class Policy(nn.Module):
    """A diffusion or flow policy.

    Args:
        config: sizes and parameterisation.
        spaces: action spaces it may act in, one a robot, all of `config.features` columns.
        state: features of the task state, None where there is none.
        deviation: s `(S, D)` of the preconditioning; 1 where it is not given.

    Attributes:
        eyes: of a policy that was trained on what an encoder sees in pictures, in place of the task's state; None for
            any other. They are no part of what is trained.
    """

    eyes: "Eyes | CameraEyes | None" = None

    def __init__(
        self,
        config: PolicyConfig,
        spaces: Sequence[ActionSpace],
        state: StateFeatures | None,
        deviation: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config, self.spaces, self.state = config, tuple(spaces), state
        self.path = NoisePath(config.parameterization, config.noise_levels)
        sizes = config.horizon, config.features, self.observed, config.hidden
        core = ResidualMLP(*sizes, config.depth, config.film) if config.network == "mlp" else ConvUNet(*sizes)
        self.network: nn.Module = core
        if config.anchor != "none":
            known = torch.ones(config.horizon, config.features) if deviation is None else deviation
            self.network = Preconditioned(core, self.path, config.anchor, known)

    @property
    def observed(self) -> int:
        """o, width of the observation vector."""
        return 2 * self.config.features + (0 if self.state is None else self.state.width) + len(self.config.robots)

    def forward(self, x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        """The prediction `(B, S, D)` for noised chunks x at times t `(B,)` in [0, 1]."""
        return self.network(x, t, observation)

    def observation(self, qpos: np.ndarray, state: np.ndarray | None, space: ActionSpace) -> np.ndarray:
        """Network input `(n, o)` float32 from raw `qpos (n, dof)` and `state (n, k)`.

        Raises:
            InputError: the policy needs a state of another width than given.
        """
        columns = 0 if state is None else state.shape[-1]
        if columns != self.config.state:
            raise InputError(
                f"{columns} columns of state",
                where=f"observation of {space.embodiment.name}",
                expected=f"{self.config.state}, as in pre-training",
                fix="record the same state for every robot, or pre-train without state",
            )
        mask = np.broadcast_to(space.embodiment.used.astype(np.float32), (len(qpos), self.config.features))
        parts = [space.encode(qpos.astype(np.float32)), mask]
        if state is not None and self.state is not None:
            parts.append(self.state(state))
        named = np.array([space.embodiment.name == name for name in self.config.robots], np.float32)
        parts.append(np.broadcast_to(named, (len(qpos), len(named))))
        return np.concatenate(parts, axis=-1)

    def noise(self, space: ActionSpace) -> np.ndarray:
        """Deviation of the noise on each number of an observation in training, float32 `(o,)`; see `joint_noise`."""
        n, e = space.normalizer, space.embodiment
        arm = ~n.constant & ~np.isin(e.joint_names, (GRIPPER, TOOL_NAMES[OPENING]))
        unit = np.where(arm, self.config.joint_noise / np.where(arm, n.half_range, 1.0), 0.0).astype(np.float32)
        noise = np.zeros(self.observed, np.float32)
        noise[: self.config.features] = e.scatter(unit)
        return noise

    @torch.no_grad()
    def denoise(self, observation: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Sample chunks `(n, S, D)` for observations `(n, o)`: DDIM without noise, which for a flow is Euler.

        Args:
            observation: network input.
            mask: slots in use, bool `(D,)`; the rest stays 0.
            generator: source of the initial noise, on the CPU so that every device draws the same.
        """
        c = self.config
        x = torch.randn(len(observation), c.horizon, c.features, generator=generator).to(observation.device) * mask
        times = torch.linspace(1, 0, c.denoising_steps + 1, device=x.device)
        for time, following in pairwise(times):
            x = self.denoised(x, time.expand(len(x)), following.expand(len(x)), observation) * mask
        return x

    def denoised(self, x: Tensor, t: Tensor, following: Tensor, observation: Tensor) -> Tensor:
        """Chunks `(n, S, D)` one denoising step on, from times t `(n,)` to the next ones."""
        clean, noise = self.path.split(x, self(x, t, observation), t)
        alpha, sigma = (value[:, None, None] for value in self.path.alpha_sigma(following))
        return alpha * clean.clamp(-CLIP, CLIP) + sigma * noise

    def act(
        self, qpos: np.ndarray, state: np.ndarray | None, generator: torch.Generator, space: ActionSpace | None = None
    ) -> np.ndarray:
        """A chunk of raw actions `(n, S, dof)` in radians (gripper in [0, 1]) for n observations."""
        space = space or self.spaces[0]
        device = next(self.parameters()).device
        observation = torch.from_numpy(self.observation(qpos, state, space)).to(device)
        mask = torch.from_numpy(space.loss_mask).to(device)
        return space.decode(self.denoise(observation, mask, generator), qpos).cpu().numpy()

    def acting(self, generator: torch.Generator) -> Callable[[np.ndarray, np.ndarray | None], np.ndarray]:
        """The policy as rollouts call it: (qpos, state) → chunks; one that was trained without a state gets none.

        One with eyes sees pictures of the scene; the function is then for the episodes of one rollout.
        """
        if self.eyes is None:
            return lambda qpos, state: self.act(qpos, state if self.config.state else None, generator)
        from ate.policies.vision.watch import Watch

        watch, robot = Watch(self.eyes), self.spaces[0].embodiment.name
        return lambda qpos, state: self.act(qpos, watch.drawn(robot, qpos, state), generator)

    def moved_to(self, space: ActionSpace) -> "Policy":
        """A copy with the same weights that acts in another space of the same width."""
        moved = copy.deepcopy(self)
        moved.spaces = (space,)
        return moved

    def fresh(self, seed: int) -> "Policy":
        """A copy with newly initialised weights, for training from scratch."""
        with seeded(seed):
            statistics = self.network.deviation if isinstance(self.network, Preconditioned) else None
            device = next(self.parameters()).device
            fresh = Policy(self.config, self.spaces, self.state, statistics).to(device)
        fresh.eyes = self.eyes
        return fresh

    @property
    def passports(self) -> tuple[Passport, ...]:
        """Statistics passport of each action space."""
        return tuple(Passport.of(space, self.config.horizon) for space in self.spaces)

    def save(self, file: str | Path) -> None:
        """Write weights, config and the statistics it cannot act without."""
        tree = {
            "config": asdict(self.config),
            "spaces": [space.to_tree() for space in self.spaces],
            "passports": [passport.to_tree() for passport in self.passports],
            "state": None if self.state is None else self.state.to_tree(),
            "weights": self.state_dict(),
        }
        checkpoint.save(file, tree if self.eyes is None else {**tree, "eyes": self.eyes.to_tree()})

    @classmethod
    def load(cls, file: str | Path, device: torch.device | str = "cpu") -> "Policy":
        """The inverse of `save`.

        Args:
            file: written by `save`, or the folder where it is called policy.safetensors.
            device: where the policy is put.

        Raises:
            InputError: it is something else, or its statistics are not those of its passports.
        """
        path = Path(file)
        file = path / FILE if path.is_dir() else path
        tree: dict[str, Any] = checkpoint.load(file)
        if not isinstance(tree, dict) or not tree.keys() >= PARTS:
            fix = f"name the {FILE} that notebook 03 or ate steer wrote, or its folder"
            raise InputError("a checkpoint of something else", where=str(file), expected="a saved policy", fix=fix)
        state = None if tree["state"] is None else StateFeatures.from_tree(tree["state"])
        # `hidden` was called `width` up to version 0.1.
        config = {"hidden" if name == "width" else name: value for name, value in tree["config"].items()}
        config["robots"] = tuple(config.get("robots", ()))
        policy = cls(PolicyConfig(**config), [space_of(space) for space in tree["spaces"]], state)
        for passport, stored in zip(policy.passports, tree["passports"], strict=True):
            passport.check_tree(stored, where=str(file))
        policy.load_state_dict(tree["weights"])
        if "eyes" in tree:
            from ate.policies.vision.seen import eyes_from

            policy.eyes = eyes_from(tree["eyes"])
        return policy.to(device)


def build(
    sets: Sequence[Episodes],
    horizon: int,
    seed: int,
    width: int | None = None,
    *,
    acted_in: Sequence[ActionSpace] | None = None,
    fine: bool = False,
    named: bool = False,
    **options: Any,
) -> Policy:
    """A new policy for these robots, with statistics taken from their episodes.

    Args:
        sets: pre-training robots, one set each.
        horizon: S.
        seed: seed of the weights.
        width: columns of the unified vector; give more than the robots need to leave room for wider ones.
        acted_in: the action space of each set, e.g. tool spaces; by default joints, each with its own statistics.
        fine: give fine features of the state, see `ate.policies.observation`.
        named: tell the policy which of the robots it moves.
        options: other fields of `PolicyConfig`, e.g. `hidden`.
    """
    acted_in = spaces(sets, width) if acted_in is None else tuple(acted_in)
    state = StateFeatures.of(sets, fine, own_tool=not any(isinstance(space, ToolSpace) for space in acted_in))
    columns, robots = 0 if state is None else state.columns, tuple(s.robot for s in sets) if named else ()
    config = PolicyConfig(horizon, acted_in[0].width, columns, robots=robots, **options)
    statistics = None if config.anchor == "none" else deviation(sets, acted_in, horizon, config.anchor)
    with seeded(seed):
        return Policy(config, acted_in, state, statistics)
