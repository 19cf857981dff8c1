"""Alignment: both Info-VAEs, the prior between them, and all that is needed to use them elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ate.align.anchors import AnchorPool
from ate.align.config import AlignConfig
from ate.align.latents import Latents
from ate.align.mixture import Prior, prior_from_tree
from ate.align.pace import Pace
from ate.align.priors import posteriors
from ate.align.tool_encoder import ToolEncoder
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.chunks import Chunks, chunk, concat
from ate.data.episodes import Episodes
from ate.data.passport import Passport
from ate.data.space import ActionSpace, check_joints
from ate.data.tool_space import ToolSpace
from ate.errors import InputError
from ate.runs import checkpoint
from ate.runs.device import pick as pick_device
from ate.runs.device import placed

FILE = "alignment.safetensors"
Sets = Episodes | Sequence[Episodes]


@dataclass(frozen=True, eq=False)
class Alignment:
    """The result of both stages; frozen networks in evaluation mode, on one device.

    Args:
        pretrain_vae: φ, over the unified vectors of the pre-training robots, or over tool motion.
        vae: ψ, over the adaptation robot's own columns (`space.compact`), or over tool motion; φ itself if shared.
        prior: the Gaussian or the mixture that ψ was aligned to.
        pretrain_spaces: action space of each pre-training set: raw joint values to normalised ones, and back.
        space: action space of the adaptation robot in the unified vector.
        config: how it was trained.
        seed: seed of the training.
        digests: SHA-256 of the adaptation set (`adapt`) and of each pre-training set (`pretrain/0`, …).
        held_out: names of the episodes kept from training, under the same keys.
        metrics: rows of `pretrain` and of `adapt`.
        anchors: pre-training chunks among which `realign` finds anchors; None if it was trained without.
        tool_spaces: of an alignment by tool motion, that of each pre-training set and of the adaptation robot; else ().
        pace: how fast the adaptation robot's joints went; None for alignments that were saved without.
    """

    pretrain_vae: InfoVAE
    vae: InfoVAE
    prior: Prior
    pretrain_spaces: tuple[ActionSpace, ...]
    space: ActionSpace
    config: AlignConfig
    seed: int
    digests: Mapping[str, str]
    held_out: Mapping[str, tuple[str, ...]]
    metrics: Mapping[str, list[dict[str, float]]]
    anchors: AnchorPool | None = None
    tool_spaces: tuple[ToolSpace, ...] = ()
    pace: Pace | None = None

    @property
    def seen(self) -> tuple[ActionSpace, ...]:
        """What the networks see of each pre-training set and of the adaptation robot: tool motion, or joints."""
        return self.tool_spaces or (*self.pretrain_spaces, self.space)

    @cached_property
    def encoder(self) -> "InfoVAE | ToolEncoder":
        """E of the adaptation robot, over its normalised joints (`space.compact`): what guidance uses."""
        return ToolEncoder(self.vae, self.space, self.tool_spaces[-1]) if self.tool_spaces else self.vae

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Joints of the adaptation robot, in the order of its data."""
        return self.space.embodiment.joint_names

    @property
    def passports(self) -> tuple[Passport, ...]:
        """Statistics passports of the pre-training spaces in order, the adaptation space, and those of tool motion."""
        own = (*self.pretrain_spaces, self.space, *self.tool_spaces)
        return tuple(Passport.of(space, self.config.chunk) for space in own)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.vae.device

    def to(self, device: torch.device | str) -> "Alignment":
        """The alignment on a device: copies of the networks that are elsewhere; this one stays where it is."""
        vae = placed(self.vae, device)
        pretrain_vae = vae if self.pretrain_vae is self.vae else placed(self.pretrain_vae, device)
        return replace(self, pretrain_vae=pretrain_vae, vae=vae, prior=self.prior.to(device))

    def chunks(self, episodes: Episodes, space: ActionSpace | None = None) -> Chunks:
        """Normalised chunks of the alignment's length: the input of ψ, or of φ in the space of a pre-training set."""
        space = space or self.seen[-1].compact
        check_joints(episodes, space)
        return chunk(episodes, self.config.chunk, space, device=self.device)

    def encode(self, adapt: Episodes) -> Latents:
        """Latents of adaptation episodes under ψ."""
        return self._latents(self.vae, adapt, self.seen[-1].compact)

    def encode_pretrain(self, pretrain: Sets) -> Latents:
        """Latents of pre-training episodes under φ, each set in its own robot's space."""
        sets = as_sets(pretrain)
        parts = [self._latents(self.pretrain_vae, s, sp) for s, sp in zip(sets, self.spaces_of(sets), strict=True)]
        return Latents.concat(parts)

    def spaces_of(self, sets: Sequence[Episodes]) -> tuple[ActionSpace, ...]:
        """What φ sees of each set: by position if the robots are the trained ones in order, else by name.

        Raises:
            InputError: a robot that the alignment was not pre-trained on.
        """
        names = [space.embodiment.name for space in self.pretrain_spaces]
        if [s.robot for s in sets] == names:
            return self.seen[:-1]
        by_name = dict(zip(names, self.seen[:-1], strict=True))
        for episodes in sets:
            if episodes.robot not in by_name:
                raise InputError(
                    f"robot {episodes.robot!r}",
                    where=_where(episodes),
                    expected=f"one of the pre-training robots {', '.join(names)}",
                    fix="pass the sets that the alignment was trained on",
                )
        return tuple(by_name[s.robot] for s in sets)

    def inputs(self, x: Tensor) -> Tensor:
        """What ψ sees of the adaptation robot's normalised joints (B, S, dof): themselves, or their tool motion."""
        return self.encoder.motion(x) if isinstance(self.encoder, ToolEncoder) else x

    @torch.no_grad()
    def decode(self, latents: Tensor, start: np.ndarray | None = None) -> Tensor:
        """D_ψ of latents (B, d): raw joints (B, S, dof) of the adaptation robot.

        Of tool motion by inverse kinematics, from the raw joints `start` (B, dof) before the first row; None: from
        wherever the first row is reached.
        """
        return self.seen[-1].compact.decode(self.vae.decode(latents, self.config.chunk), start)

    @torch.no_grad()
    def translate(self, chunks: Tensor, start: np.ndarray | None = None) -> Tensor:
        """D_ψ(E_φ(a)): chunks (B, S, D) as φ sees them -> raw joints (B, S, dof) of the adaptation robot."""
        return self.decode(self.pretrain_vae.encode(chunks).mean, start)

    def save(self, folder: str | Path) -> Path:
        """Write one checkpoint file into a folder, atomically; returns the file."""
        file = Path(folder) / FILE
        checkpoint.save(
            file,
            {
                "kind": "alignment",
                "pretrain_vae": _vae_tree(self.pretrain_vae),
                "vae": None if self.vae is self.pretrain_vae else _vae_tree(self.vae),
                "prior": self.prior.to_tree(),
                "pretrain_spaces": [space.to_tree() for space in self.pretrain_spaces],
                "space": self.space.to_tree(),
                "tool_spaces": [space.to_tree() for space in self.tool_spaces],
                "passports": [passport.to_tree() for passport in self.passports],
                "config": self.config.to_dict(),
                "seed": self.seed,
                "digests": dict(self.digests),
                "held_out": {key: list(names) for key, names in self.held_out.items()},
                "metrics": dict(self.metrics),
                "anchors": None if self.anchors is None else self.anchors.to_tree(),
                "pace": None if self.pace is None else self.pace.to_tree(),
            },
        )
        return file

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str | None = None) -> "Alignment":
        """Read what `save` wrote.

        Args:
            folder: the folder, or the file itself.
            device: where to; None: what ATE_DEVICE names, else a GPU if there is one.

        Raises:
            InputError: it is something else, its statistics are not those of its passports, or an unknown device.
        """
        path = Path(folder)
        file = path / FILE if path.is_dir() or path.suffix != ".safetensors" else path
        tree = checkpoint.load(file)
        if not isinstance(tree, dict) or tree.get("kind") != "alignment":
            raise InputError(
                "a checkpoint of something else",
                where=str(file),
                expected="a saved alignment",
                fix="name the folder that Alignment.save wrote",
            )
        pretrain_vae = _vae(tree["pretrain_vae"])
        alignment = cls(
            pretrain_vae=pretrain_vae,
            vae=pretrain_vae if tree["vae"] is None else _vae(tree["vae"]),
            prior=prior_from_tree(tree["prior"]),
            pretrain_spaces=tuple(ActionSpace.from_tree(space) for space in tree["pretrain_spaces"]),
            space=ActionSpace.from_tree(tree["space"]),
            tool_spaces=tuple(ToolSpace.from_tree(space) for space in tree.get("tool_spaces", ())),
            config=AlignConfig(**tree["config"]),
            seed=tree["seed"],
            digests=tree["digests"],
            held_out={key: tuple(names) for key, names in tree["held_out"].items()},
            metrics=tree["metrics"],
            anchors=None if tree.get("anchors") is None else AnchorPool.from_tree(tree["anchors"]),
            pace=None if tree.get("pace") is None else Pace.from_tree(tree["pace"]),
        )
        for passport, stored in zip(alignment.passports, tree["passports"], strict=True):
            passport.check_tree(stored, where=str(file))
        return alignment.to(pick_device(device))

    def _latents(self, vae: InfoVAE, episodes: Episodes, space: ActionSpace) -> Latents:
        chunks = self.chunks(episodes, space).to(vae.device)
        stream = list(posteriors(vae, chunks))
        group = chunks.episode.cpu().numpy()
        return Latents(
            mean=torch.cat([p.mean for p in stream]).cpu().numpy(),
            std=torch.cat([p.std for p in stream]).cpu().numpy(),
            robot=np.full(len(chunks), episodes.robot),
            set=np.zeros(len(chunks), np.int64),
            episode=np.array([item.name for item in episodes])[group],
            group=group,
            start=chunks.offset.cpu().numpy(),
        )


def as_sets(pretrain: Sets) -> tuple[Episodes, ...]:
    """One set or several, as a tuple of at least one."""
    sets = (pretrain,) if isinstance(pretrain, Episodes) else tuple(pretrain)
    if not sets or not all(isinstance(s, Episodes) for s in sets):
        raise InputError(
            "no sets" if not sets else repr(type(sets[0]).__name__),
            where="pre-training data",
            expected="one Episodes, or a sequence of them",
            fix="read it with ate.data.load_sets",
        )
    return sets


def digests_of(sets: Sequence[Episodes], adapt: Episodes) -> dict[str, str]:
    """SHA-256 of each pre-training set (`pretrain/0`, …) and of the adaptation set (`adapt`)."""
    return {**{f"pretrain/{i}": episodes.digest for i, episodes in enumerate(sets)}, "adapt": adapt.digest}


def split(episodes: Episodes, config: AlignConfig, seed: int) -> tuple[Episodes, Episodes]:
    """Training and held-out episodes, of those that are long enough for a chunk.

    Raises:
        InputError: fewer than two of them.
    """
    long_enough = [i for i, n in enumerate(episodes.lengths) if n >= config.chunk]
    if len(long_enough) < 2:
        shorter = f", or a chunk of at most {sorted(episodes.lengths)[-2]} steps" if len(episodes) > 1 else ""
        raise InputError(
            f"{len(long_enough)} of {len(episodes)} episodes with {config.chunk} steps or more",
            where=_where(episodes),
            expected="at least 2, one to train on and one to hold out",
            fix=f"pass more episodes{shorter}",
        )
    return episodes.select(long_enough).split(config.held_out, seed)


def chunks_of(sets: Sequence[Episodes], pretrain_spaces: Sequence[ActionSpace], config: AlignConfig) -> Chunks:
    """Chunks of several robots in one unified vector."""
    return concat([chunk(s, config.chunk, space) for s, space in zip(sets, pretrain_spaces, strict=True)])


def _where(episodes: Episodes) -> str:
    folder = f" ({episodes[0].path.parent})" if len(episodes) else ""
    return f"episodes of {episodes.robot}{folder}"


def _vae_tree(vae: InfoVAE) -> dict[str, Any]:
    return {"config": asdict(vae.config), "weights": dict(vae.state_dict())}


def _vae(tree: Mapping[str, Any]) -> InfoVAE:
    with torch.random.fork_rng(devices=[]):
        vae = InfoVAE(VAEConfig(**tree["config"]))
    vae.load_state_dict(tree["weights"])
    return vae.freeze()
