"""Alignment: both Info-VAEs, the prior between them, and all that is needed to use them elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ate.align.anchors import AnchorPool
from ate.align.config import AlignConfig
from ate.align.mixture import Prior, prior_from_tree
from ate.align.motion import PerChunk
from ate.align.priors import posteriors
from ate.align.vae import InfoVAE, VAEConfig
from ate.data.chunks import Chunks, chunk, concat
from ate.data.episodes import Episodes
from ate.data.passport import Passport
from ate.data.space import ActionSpace, check_joints
from ate.errors import InputError
from ate.runs import checkpoint
from ate.runs.device import pick as pick_device

FILE = "alignment.safetensors"
Sets = Episodes | Sequence[Episodes]


@dataclass(frozen=True, eq=False)
class Latents(PerChunk):
    """Latents of chunks, and where each chunk is from.

    Args:
        mean: posterior means, float32 (N, d).
        std: posterior standard deviations, float32 (N, d).
        robot: name of the robot, (N,).
        set: running number of the set of episodes, int64 (N,).
        episode: name of the episode, (N,).
        group: running number of the episode over all sets, int64 (N,): what to split by.
        start: first row of the chunk within its episode, int64 (N,).
    """

    mean: np.ndarray
    std: np.ndarray
    robot: np.ndarray
    set: np.ndarray
    episode: np.ndarray
    group: np.ndarray
    start: np.ndarray

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Several sets in a row; `set` and `group` are renumbered consecutively."""
        numbers = {}
        for name in ("set", "group"):
            offset = np.cumsum([0, *(getattr(p, name).max() + 1 for p in parts[:-1])])
            numbers[name] = np.concatenate([getattr(p, name) + o for p, o in zip(parts, offset, strict=True)])
        return replace(super().concat(parts), **numbers)


@dataclass(frozen=True, eq=False)
class Alignment:
    """The result of both stages; frozen networks in evaluation mode, on one device.

    Args:
        pretrain_vae: φ, over the unified vectors of the pre-training robots.
        vae: ψ, over the adaptation robot's own columns (`space.compact`); what guidance uses.
        prior: the Gaussian or the mixture that ψ was aligned to.
        pretrain_spaces: action space of each pre-training set: raw joint values to the input of φ, and back.
        space: action space of the adaptation robot in the unified vector.
        config: how it was trained.
        seed: seed of the training.
        digests: SHA-256 of the adaptation set (`adapt`) and of each pre-training set (`pretrain/0`, …).
        held_out: names of the episodes kept from training, under the same keys.
        metrics: rows of `pretrain` and of `adapt`.
        anchors: pre-training chunks among which `realign` finds anchors; None if it was trained without.
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

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Joints of the adaptation robot, in the order of its data."""
        return self.space.embodiment.joint_names

    @property
    def passports(self) -> tuple[Passport, ...]:
        """Statistics passports of the pre-training spaces in order, then of the adaptation space."""
        return tuple(Passport.of(space, self.config.chunk) for space in (*self.pretrain_spaces, self.space))

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.vae.device

    def to(self, device: torch.device | str) -> "Alignment":
        """Move networks and prior to a device; the networks move in place."""
        moved = {name: getattr(self, name).to(device) for name in ("pretrain_vae", "vae", "prior")}
        return replace(self, **moved)

    def chunks(self, episodes: Episodes, space: ActionSpace | None = None) -> Chunks:
        """Normalised chunks of the alignment's length: the input of ψ, or of φ in a pre-training space."""
        space = space or self.space.compact
        check_joints(episodes, space)
        return chunk(episodes, self.config.chunk, space, device=self.device)

    def encode(self, adapt: Episodes) -> Latents:
        """Latents of adaptation episodes under ψ."""
        return self._latents(self.vae, adapt, self.space.compact)

    def encode_pretrain(self, pretrain: Sets) -> Latents:
        """Latents of pre-training episodes under φ, each set in its own robot's space."""
        sets = as_sets(pretrain)
        parts = [self._latents(self.pretrain_vae, s, sp) for s, sp in zip(sets, self.spaces_of(sets), strict=True)]
        return Latents.concat(parts)

    def spaces_of(self, sets: Sequence[Episodes]) -> tuple[ActionSpace, ...]:
        """The pre-training space of each set: by position if the robots are the trained ones in order, else by name.

        Raises:
            InputError: a robot that the alignment was not pre-trained on.
        """
        names = [space.embodiment.name for space in self.pretrain_spaces]
        if [s.robot for s in sets] == names:
            return self.pretrain_spaces
        by_name = dict(zip(names, self.pretrain_spaces, strict=True))
        for episodes in sets:
            if episodes.robot not in by_name:
                raise InputError(
                    f"robot {episodes.robot!r}",
                    where=_where(episodes),
                    expected=f"one of the pre-training robots {', '.join(names)}",
                    fix="pass the sets that the alignment was trained on",
                )
        return tuple(by_name[s.robot] for s in sets)

    def save(self, folder: str | Path) -> Path:
        """Write one checkpoint file into a folder, atomically; returns the file."""
        file = Path(folder) / FILE
        checkpoint.save(
            file,
            {
                "kind": "alignment",
                "pretrain_vae": _vae_tree(self.pretrain_vae),
                "vae": _vae_tree(self.vae),
                "prior": self.prior.to_tree(),
                "pretrain_spaces": [space.to_tree() for space in self.pretrain_spaces],
                "space": self.space.to_tree(),
                "passports": [passport.to_tree() for passport in self.passports],
                "config": self.config.to_dict(),
                "seed": self.seed,
                "digests": dict(self.digests),
                "held_out": {key: list(names) for key, names in self.held_out.items()},
                "metrics": dict(self.metrics),
                "anchors": None if self.anchors is None else self.anchors.to_tree(),
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
        alignment = cls(
            pretrain_vae=_vae(tree["pretrain_vae"]),
            vae=_vae(tree["vae"]),
            prior=prior_from_tree(tree["prior"]),
            pretrain_spaces=tuple(ActionSpace.from_tree(space) for space in tree["pretrain_spaces"]),
            space=ActionSpace.from_tree(tree["space"]),
            config=AlignConfig(**tree["config"]),
            seed=tree["seed"],
            digests=tree["digests"],
            held_out={key: tuple(names) for key, names in tree["held_out"].items()},
            metrics=tree["metrics"],
            anchors=None if tree.get("anchors") is None else AnchorPool.from_tree(tree["anchors"]),
        )
        for passport, stored in zip(alignment.passports, tree["passports"], strict=True):
            passport.check_tree(stored, where=str(file))
        return alignment.to(pick_device(device))

    def _latents(self, vae: InfoVAE, episodes: Episodes, space: ActionSpace) -> Latents:
        chunks = self.chunks(episodes, space)
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
