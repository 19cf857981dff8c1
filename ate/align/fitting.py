"""Align: two Info-VAEs, one latent space.

Stage 1 trains φ on the chunks of all pre-training robots, in one unified vector in which the slots that a
robot lacks count for nothing. Its aggregated posterior becomes the prior to which stage 2 aligns ψ, trained
on the adaptation robot's chunks.

Source: Align-Then-stEer, arXiv 2509.02055.
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ate.align import priors
from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.anchors import AnchorPool, Anchors
from ate.align.config import AlignConfig
from ate.align.config import preset as resolve
from ate.align.losses import Target
from ate.align.mixture import Prior
from ate.align.mixture_fit import fit_mixture
from ate.align.stages import Stage, seeded, steps_of
from ate.align.vae import InfoVAE, VAEConfig
from ate.data.chunks import Chunks, chunk, concat
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace, spaces
from ate.errors import InputError
from ate.runs.device import device as pick_device


def fit(
    pretrain: Sets,
    adapt: Episodes,
    preset: str | AlignConfig = "demo",
    directory: str | Path | None = None,
    seed: int = 0,
) -> Alignment:
    """Train both stages and return the alignment, frozen.

    Args:
        pretrain: episodes of the pre-training robots, one set a robot.
        adapt: episodes of the adaptation robot.
        preset: a name (`ate.align.config.PRESETS`) or an `AlignConfig`.
        directory: keeps checkpoints and metrics of both stages; called again with the same data, configuration
            and seed, a stopped run continues from its last checkpoint to the same bits. The result is saved there.
        seed: seed of the split by episode, the initial weights, batches and noise.

    Raises:
        InputError: unknown preset, empty set, fewer than two episodes in a set, or episodes shorter than the chunk.
    """
    config, splits, all_spaces, digests = _prepare(pretrain, adapt, preset, seed)
    folder = None if directory is None else Path(directory)
    old, prior, old_rows = _pretrain(splits[:-1], all_spaces[:-1], config, seed, digests, folder)
    pool = None
    if config.anchor_weight:
        pool = AnchorPool.of(old, [train for train, _ in splits[:-1]], all_spaces[:-1], config.chunk, 1000 * seed + 750)
    new, new_rows = _adapt(old, prior, splits[-1], all_spaces[-1], config, seed, digests, folder, pool)

    alignment = Alignment(
        pretrain_vae=old,
        vae=new,
        prior=prior,
        pretrain_spaces=tuple(all_spaces[:-1]),
        space=all_spaces[-1],
        config=config,
        seed=seed,
        digests=digests,
        held_out={k: tuple(e.name for e in held_part) for k, (_, held_part) in zip(digests, splits, strict=True)},
        metrics={"pretrain": old_rows, "adapt": new_rows},
        anchors=pool,
    )
    if folder is not None:
        alignment.save(folder)
    return alignment


def fit_first(
    pretrain: Sets, adapt: Episodes, preset: str | AlignConfig, directory: str | Path, seed: int = 0
) -> InfoVAE:
    """Stage 1 alone, in a directory in which `fit`, called with the same, goes on with stage 2; arguments as there."""
    config, splits, all_spaces, digests = _prepare(pretrain, adapt, preset, seed)
    return _pretrain(splits[:-1], all_spaces[:-1], config, seed, digests, Path(directory))[0]


def realign(alignment: Alignment, adapt: Episodes, seed: int = 0, directory: str | Path | None = None) -> Alignment:
    """Stage 2 again, on other episodes: the same φ and prior, a new ψ and new statistics of the robot.

    Args:
        alignment: its stage 1 is kept.
        adapt: episodes of the adaptation robot.
        seed: seed of the split by episode, the initial weights, batches and noise.
        directory: keeps checkpoint and metrics of the stage; a finished one is read back.

    Raises:
        InputError: as `fit`, or a robot wider than the alignment's unified vector.
    """
    config, device = alignment.config, pick_device()
    split = _split(adapt, config, seed)
    space = spaces([split[0]], alignment.space.width)[0]
    old, prior = alignment.pretrain_vae.to(device), alignment.prior.to(device)
    digests = {**alignment.digests, "adapt": adapt.digest}
    # Another stage 1 of the same data leaves another prior: its seed belongs to the identity of this stage.
    identity = {**digests, "stage 1": str(alignment.seed)}
    folder = None if directory is None else Path(directory)
    pool = alignment.anchors if config.anchor_weight else None
    if config.anchor_weight and pool is None:
        raise InputError(
            f"anchor_weight {config.anchor_weight} and no anchors",
            where="realign",
            expected="an alignment that was fitted with an anchor_weight, which keeps its anchors",
            way_out='fit with a preset such as "demo-anchored", or set anchor_weight to 0',
        )
    new, rows = _adapt(old, prior, split, space, config, seed, identity, folder, pool)
    return replace(
        alignment,
        pretrain_vae=old,
        prior=prior,
        vae=new,
        space=space,
        seed=seed,
        digests=digests,
        held_out={**alignment.held_out, "adapt": tuple(item.name for item in split[1])},
        metrics={**alignment.metrics, "adapt": rows},
    )


def _prepare(
    pretrain: Sets, adapt: Episodes, preset: str | AlignConfig, seed: int
) -> tuple[AlignConfig, list[tuple[Episodes, Episodes]], tuple[ActionSpace, ...], dict[str, str]]:
    """Configuration, splits and spaces of every set (adaptation last), and digests by the sets' keys."""
    config = resolve(preset)
    sets = as_sets(pretrain)
    if not isinstance(adapt, Episodes):
        raise InputError(
            repr(type(adapt).__name__),
            where="adaptation data",
            expected="the Episodes of one robot",
            way_out="read it with ate.data.load",
        )
    splits = [_split(s, config, seed) for s in (*sets, adapt)]
    all_spaces = spaces([train for train, _ in splits])
    keys = [*(f"pretrain/{i}" for i in range(len(sets))), "adapt"]
    digests = {key: s.digest for key, s in zip(keys, (*sets, adapt), strict=True)}
    return config, splits, all_spaces, digests


def _pretrain(
    splits: Sequence[tuple[Episodes, Episodes]],
    pretrain_spaces: Sequence[ActionSpace],
    config: AlignConfig,
    seed: int,
    digests: dict[str, str],
    folder: Path | None,
) -> tuple[InfoVAE, Prior, list[dict[str, float]]]:
    """Stage 1: φ over the unified vector of all pre-training robots, and the prior that it leaves."""
    device = pick_device()
    train, held = (
        concat([chunk(split[i], config.chunk, space) for split, space in zip(splits, pretrain_spaces, strict=True)])
        for i in (0, 1)
    )
    train, held = train.to(device), held.to(device)
    shape = VAEConfig(
        train.width,
        config.latent,
        config.layers,
        config.heads,
        config.feedforward,
        config.dropout,
        positions=max(config.chunk + 2, 500),
    )
    standard = priors.standard(config.latent).to(device)
    target = Target(standard, standard)
    old, rows = _stage("pretrain", None, shape, train, held, target, config, seed, digests, folder)
    return old, _prior(old, train, config, seed), rows


def _adapt(
    old: InfoVAE,
    prior: Prior,
    split: tuple[Episodes, Episodes],
    space: ActionSpace,
    config: AlignConfig,
    seed: int,
    digests: dict[str, str],
    folder: Path | None,
    pool: AnchorPool | None = None,
) -> tuple[InfoVAE, list[dict[str, float]]]:
    """Stage 2: ψ over the robot's own columns, aligned to the prior that stage 1 left."""
    train, held = (chunk(part, config.chunk, space.compact, device=old.tokens.device) for part in split)
    slots = space.embodiment.slots
    start = old.restricted(slots) if config.adapt_init == "pretrained" else None
    shape = replace(old.config, features=len(slots))
    if config.adapt_kl_weight is not None:
        config = replace(config, kl_weight=config.adapt_kl_weight)
    anchors = None if pool is None else (pool.anchors(split[0], train), pool.anchors(split[1], held))
    return _stage("adapt", start, shape, train, held, _target(prior, config), config, seed, digests, folder, anchors)


def _target(prior: Prior, config: AlignConfig) -> Target:
    """What stage 2 pulls ψ to."""
    standard = config.mmd_reference == "standard"
    reference = priors.standard(config.latent).to(prior.mean.device) if standard else prior
    return Target(prior, reference, config.kl_direction == "forward", occupied=config.mmd_reference == "modes")


def _split(episodes: Episodes, config: AlignConfig, seed: int) -> tuple[Episodes, Episodes]:
    """Training and held-out episodes, of those that are long enough for a chunk; refuses too few of them."""
    if not len(episodes):
        raise InputError(
            "no episodes",
            where=f"set of robot {episodes.robot!r}",
            expected="at least 2",
            way_out="record or select some",
        )
    long_enough = [i for i, n in enumerate(episodes.lengths) if n >= config.chunk]
    if len(long_enough) < 2:
        raise InputError(
            f"{len(long_enough)} of {len(episodes)} episodes with {config.chunk} steps or more",
            where=f"episodes of {episodes.robot} ({episodes[0].path.parent})",
            expected="at least 2, one to train on and one to hold out",
            way_out=f"choose a chunk of at most {sorted(episodes.lengths)[-2:][0]} steps, or record more episodes",
        )
    return episodes.select(long_enough).split(config.held_out, seed)


def _stage(
    name: str,
    start: InfoVAE | None,
    shape: VAEConfig,
    train: Chunks,
    held: Chunks,
    target: Target,
    config: AlignConfig,
    seed: int,
    digests: dict[str, str],
    folder: Path | None,
    anchors: tuple[Anchors, Anchors] | None = None,
) -> tuple[InfoVAE, list[dict[str, float]]]:
    """Train one stage from `start`'s weights, or from random ones; returns network and metric rows."""
    device = train.rows.device
    stage_seed = 1000 * seed + (0 if name == "pretrain" else 500)
    identity = hashlib.sha256(json.dumps([name, config.to_dict(), digests, seed]).encode()).hexdigest()
    with seeded(stage_seed, device):
        vae = InfoVAE(shape) if start is None else copy.deepcopy(start).requires_grad_(True)
        vae = vae.to(device)
        steps = steps_of(
            config.pretrain_steps if name == "pretrain" else config.adapt_steps, config.unit, len(train), config.batch
        )
        rows = Stage(name, vae, train, held, target, steps, stage_seed, identity, anchors).run(config, folder)
    return vae, rows


def _prior(vae: InfoVAE, chunks: Chunks, config: AlignConfig, seed: int) -> Prior:
    """The prior that stage 1 leaves behind, by the kind, moments and inputs the configuration names."""
    noise = None
    if config.moment_inputs == "noised":
        noise = torch.Generator(chunks.rows.device).manual_seed(1000 * seed + 250)
    if config.prior == "mixture":
        stream = priors.posteriors(vae, chunks, noise=noise)
        return fit_mixture(stream, chunks.episode, config.mixture_components, seed)
    take = priors.aggregated if config.moments == "aggregated" else priors.released
    return take(vae, chunks, noise=noise)
