"""Both stages as they are trained: chunks of the episodes that are not held out, the network, the prior between them.

Source: Align-Then-stEer, arXiv 2509.02055.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ate.align import priors
from ate.align.anchors import AnchorPool, Anchors
from ate.align.config import AlignConfig
from ate.align.losses import Target
from ate.align.mixture import Prior
from ate.align.mixture_em import fit_mixture
from ate.align.trainer import Stage, seeded, steps_of
from ate.align.vae import InfoVAE, VAEConfig
from ate.data.chunks import Chunks, chunk, concat
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.runs.device import pick as pick_device
from ate.runs.distributed import rank
from ate.runs.files import content_key


def first_stage(
    splits: Sequence[tuple[Episodes, Episodes]],
    pretrain_spaces: Sequence[ActionSpace],
    config: AlignConfig,
    seed: int,
    digests: dict[str, str],
    folder: Path | None,
) -> tuple[InfoVAE, list[dict[str, float]]]:
    """Stage 1: φ over the unified vector of all pre-training robots."""
    device = pick_device()
    train, held = (chunks_of([split[i] for split in splits], pretrain_spaces, config).to(device) for i in (0, 1))
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
    return _stage("pretrain", None, shape, train, held, target, config, seed, digests, folder)


def chunks_of(sets: Sequence[Episodes], pretrain_spaces: Sequence[ActionSpace], config: AlignConfig) -> Chunks:
    """Chunks of several robots in one unified vector."""
    return concat([chunk(one, config.chunk, space) for one, space in zip(sets, pretrain_spaces, strict=True)])


def second_stage(
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
    train, held = (chunk(part, config.chunk, space.compact, device=old.device) for part in split)
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


def split(episodes: Episodes, config: AlignConfig, seed: int) -> tuple[Episodes, Episodes]:
    """Training and held-out episodes, of those that are long enough for a chunk; refuses too few of them."""
    if not len(episodes):
        raise InputError(
            "no episodes",
            where=f"set of robot {episodes.robot!r}",
            expected="at least 2",
            fix="record or select some",
        )
    long_enough = [i for i, n in enumerate(episodes.lengths) if n >= config.chunk]
    if len(long_enough) < 2:
        raise InputError(
            f"{len(long_enough)} of {len(episodes)} episodes with {config.chunk} steps or more",
            where=f"episodes of {episodes.robot} ({episodes[0].path.parent})",
            expected="at least 2, one to train on and one to hold out",
            fix=f"choose a chunk of at most {sorted(episodes.lengths)[-2:][0]} steps, or record more episodes",
        )
    return episodes.select(long_enough).split(config.held_out, seed)


def second_start(old: InfoVAE, slots: Sequence[int], config: AlignConfig, seed: int) -> InfoVAE:
    """ψ as stage 2 finds it, frozen: what adaptation latents are *before* alignment."""
    if config.adapt_init == "pretrained":
        return old.restricted(slots).freeze()
    with seeded(_stage_seed("adapt", seed), old.device):
        return InfoVAE(replace(old.config, features=len(slots))).to(old.device).freeze()


def _stage_seed(name: str, seed: int) -> int:
    return 1000 * seed + (0 if name == "pretrain" else 500)


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
    stage_seed = _stage_seed(name, seed)
    identity = content_key([name, config.to_dict(), digests, seed])
    with seeded(stage_seed, device):
        vae = InfoVAE(shape) if start is None else copy.deepcopy(start).requires_grad_(True)
        vae = vae.to(device)
        if rank():
            torch.manual_seed(stage_seed + 10_000 + rank())  # the weights are the leader's, the dropout its own
        steps = steps_of(
            config.pretrain_steps if name == "pretrain" else config.adapt_steps, config.unit, len(train), config.batch
        )
        rows = Stage(name, vae, train, held, target, steps, stage_seed, identity, anchors).run(config, folder)
    return vae, rows


def left_prior(vae: InfoVAE, chunks: Chunks, config: AlignConfig, seed: int) -> Prior:
    """The prior that stage 1 leaves behind, by the kind, moments and inputs the configuration names."""
    noise = None
    if config.moment_inputs == "noised":
        noise = torch.Generator(chunks.rows.device).manual_seed(1000 * seed + 250)
    if config.prior == "mixture":
        stream = priors.posteriors(vae, chunks, noise=noise)
        return fit_mixture(stream, chunks.episode, config.mixture_components, seed)
    take = priors.aggregated if config.moments == "aggregated" else priors.released
    return take(vae, chunks, noise=noise)
