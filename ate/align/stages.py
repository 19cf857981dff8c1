"""Align: two Info-VAEs, one latent space.

Stage 1 trains φ on the chunks of all pre-training robots, in one unified vector; slots that a robot lacks do not count.
Its aggregated posterior becomes the prior. Stage 2 trains ψ on the adaptation robot's chunks, aligned to the prior.

Source: Align-Then-stEer, arXiv 2509.02055.
"""

from dataclasses import replace
from pathlib import Path

import torch

from ate.align import priors
from ate.align.alignment import Alignment, Sets, split
from ate.align.anchors import AnchorPool, Anchors
from ate.align.config import AlignConfig
from ate.align.inputs import Inputs
from ate.align.linear_code import turned, whitened_pca
from ate.align.losses import Target
from ate.align.mixture import Prior
from ate.align.mixture_em import fit_prior
from ate.align.pace import Pace
from ate.align.trainer import Stage, steps_of
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.chunks import Chunks, chunk
from ate.data.episodes import Episodes
from ate.data.placements import Placements
from ate.data.placements import placement as placement_of
from ate.data.space import ActionSpace, spaces
from ate.data.tool_space import ToolSpace
from ate.errors import InputError
from ate.robots.frames import Placement
from ate.runs.device import pick as pick_device
from ate.runs.device import placed, reseed, seeded
from ate.runs.distributed import leader, rank
from ate.runs.files import content_key

Rows = list[dict[str, float]]


def fit(
    pretrain: Sets,
    adapt: Episodes,
    preset: str | AlignConfig = "demo",
    directory: str | Path | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    placements: Placements | None = None,
) -> Alignment:
    """Train both stages and return the alignment, frozen.

    Args:
        pretrain: episodes of the pre-training robots, one set a robot.
        adapt: episodes of the adaptation robot.
        preset: a name (`ate.align.config.PRESETS`) or an `AlignConfig`.
        directory: keeps checkpoints and metrics of both stages. Called again with the same data, configuration and
            seed, a stopped run continues from its last checkpoint to the same bits. The result is saved there.
        seed: seed of the split by episode, the initial weights, batches and noise.
        device: where to train; None: what ATE_DEVICE names, else a GPU if there is one.
        placements: by robot, its kinematics and where it stands, for alignment by tool motion; built-in robots need
            none.

    Raises:
        InputError: unknown preset or device, empty set, fewer than two episodes in a set, episodes shorter than the
            chunk, or tool motion of a robot without kinematics.
    """
    run = Inputs.of(pretrain, adapt, preset, directory, seed, device, placements)
    return _align(run, *_pretrain(run))


def fit_first(
    pretrain: Sets,
    adapt: Episodes,
    preset: str | AlignConfig,
    directory: str | Path,
    seed: int = 0,
    device: torch.device | str | None = None,
    placements: Placements | None = None,
) -> InfoVAE:
    """Stage 1 alone; `fit`, called with the same arguments (see there), goes on with stage 2 in the directory."""
    return _pretrain(Inputs.of(pretrain, adapt, preset, directory, seed, device, placements))[0]


def refit(
    alignment: Alignment,
    pretrain: Sets,
    adapt: Episodes,
    preset: str | AlignConfig,
    directory: str | Path | None = None,
    device: torch.device | str | None = None,
) -> Alignment:
    """Stage 2 with other options, after the stage 1 of an alignment of the same data: bit for bit what `fit` gives.

    Args:
        alignment: its φ is kept.
        pretrain: the sets it was trained on; the prior is computed from them again.
        adapt: the adaptation robot's episodes.
        preset: may differ from the alignment's in options of stage 2 and of the prior only.
        directory: as `fit`.
        device: as `fit`.

    Raises:
        InputError: other data, or options that would change stage 1.
    """
    placements = {space.embodiment.name: space.placement for space in alignment.tool_spaces}
    run = Inputs.of(pretrain, adapt, preset, directory, alignment.seed, device, placements)
    trained, requested = alignment.config.first_stage, run.config.first_stage
    changed = [name for name in requested if requested[name] != trained[name]]
    if changed or dict(alignment.digests) != run.digests:
        raise InputError(
            f"other {', '.join(changed)}" if changed else "other episodes",
            where="refit",
            expected="the data and the options of stage 1 as they were",
            fix="call fit, which trains stage 1 as well",
        )
    return _align(run, placed(alignment.pretrain_vae, run.device), alignment.metrics["pretrain"])


def realign(
    alignment: Alignment,
    adapt: Episodes,
    seed: int = 0,
    directory: str | Path | None = None,
    device: torch.device | str | None = None,
    placement: Placement | None = None,
    space: ActionSpace | None = None,
) -> Alignment:
    """Stage 2 again, on other episodes: the same φ and prior, a new ψ and new statistics of the robot.

    Args:
        alignment: its stage 1 is kept; where ψ is φ itself, the statistics of the robot's joints are all that is new.
        adapt: episodes of the adaptation robot.
        seed: seed of the split by episode, the initial weights, batches and noise.
        directory: keeps checkpoint and metrics of the stage; a finished stage is read back.
        device: as `fit`.
        placement: of the robot, for alignment by tool motion; None: the alignment's own, or that of a built-in robot.
        space: the robot's statistics; None: those of the episodes that are trained on.

    Raises:
        InputError: as `fit`, or a robot wider than the alignment's unified vector.
    """
    config, place = alignment.config, pick_device(device)
    parts = split(adapt, config, seed)
    space = space or spaces([parts[0]], alignment.space.width)[0]
    tools: tuple[ToolSpace, ...] = ()
    if alignment.tool_spaces:
        own = alignment.tool_spaces[-1]
        known = {own.embodiment.name: own.placement} if placement is None else {adapt.robot: placement}
        tools = (own.of_robot(parts[0], placement_of(adapt, known)),)
    pool = alignment.anchors if config.anchor_weight else None
    if config.anchor_weight and pool is None:
        raise InputError(
            f"anchor_weight {config.anchor_weight} and no anchors",
            where="realign",
            expected="an alignment that was fitted with an anchor_weight, which keeps its anchors",
            fix='fit with a preset such as "demo-anchored", or set anchor_weight to 0',
        )
    digests = {**alignment.digests, "adapt": adapt.digest}
    # The prior also depends on the seed of stage 1, so that seed is part of this stage's identity.
    identity = {**digests, "stage 1": str(alignment.seed)}
    folder = None if directory is None else Path(directory)
    run = Inputs(config, seed, (parts,), (space,), tools, identity, folder, place)
    vae, prior = placed(alignment.pretrain_vae, place), alignment.prior.to(place)
    adapt_vae, rows = _adapt(run, vae, prior, pool)
    return replace(
        alignment,
        pretrain_vae=vae,
        prior=prior,
        vae=adapt_vae,
        space=space,
        tool_spaces=(*alignment.tool_spaces[:-1], *tools),
        seed=seed,
        digests=digests,
        held_out={**alignment.held_out, "adapt": tuple(item.name for item in parts[1])},
        metrics={**alignment.metrics, "adapt": rows},
        pace=Pace.of(parts[0], space, config.chunk),
    )


def _pretrain(run: Inputs) -> tuple[InfoVAE, Rows]:
    """Stage 1: φ over the unified vector of all pre-training robots, pulled to N(0, I)."""
    config, (train, held) = run.config, (run.pretrain_chunks(0), run.pretrain_chunks(1))
    positions = max(config.chunk + 2, VAEConfig.positions)
    shape = VAEConfig(
        train.width, config.latent, config.layers, config.heads, config.feedforward, config.dropout, positions,
        config.read_out, config.chunk if config.linear == "pca" else 0,
    )  # fmt: skip
    standard = priors.standard(config.latent).to(run.device)
    return _train(run, "pretrain", None, shape, (train, held), Target(standard, standard))


def _align(run: Inputs, vae: InfoVAE, rows: Rows) -> Alignment:
    """The prior that φ leaves, and stage 2."""
    config = run.config
    prior = fit_prior(vae, run.pretrain_chunks(0), config, run.seed)
    train, seed = [sets[0] for sets in run.splits[:-1]], 1000 * run.seed + 750
    pool = AnchorPool.of(vae, train, run.seen[:-1], config.chunk, seed) if config.anchor_weight else None
    adapt_vae, adapt_rows = _adapt(run, vae, prior, pool)
    held_out = {key: tuple(e.name for e in held) for key, (_, held) in zip(run.digests, run.splits, strict=True)}
    alignment = Alignment(
        pretrain_vae=vae,
        vae=adapt_vae,
        prior=prior,
        pretrain_spaces=run.spaces[:-1],
        space=run.spaces[-1],
        tool_spaces=run.tool_spaces,
        config=config,
        seed=run.seed,
        digests=run.digests,
        held_out=held_out,
        metrics={"pretrain": rows, "adapt": adapt_rows},
        anchors=pool,
        pace=Pace.of(run.splits[-1][0], run.spaces[-1], config.chunk),
    )
    if run.folder is not None and leader():
        alignment.save(run.folder)
    return alignment


def _adapt(run: Inputs, pretrain_vae: InfoVAE, prior: Prior, pool: AnchorPool | None) -> tuple[InfoVAE, Rows]:
    """Stage 2: ψ over the robot's own columns, aligned to the prior that stage 1 left; or φ itself."""
    config = run.config
    if config.adapt_init == "shared":
        return pretrain_vae, []
    train, held = run.adapt_chunks(0), run.adapt_chunks(1)
    slots = run.seen[-1].embodiment.slots
    start = pretrain_vae.restricted(slots) if config.adapt_init == "pretrained" else None
    shape = replace(pretrain_vae.config, features=len(slots))
    if config.adapt_kl_weight is not None:
        run = replace(run, config=replace(config, kl_weight=config.adapt_kl_weight))
    anchors = None if pool is None else (pool.anchors(run.splits[-1][0], train), pool.anchors(run.splits[-1][1], held))
    standard = config.mmd_reference == "standard"
    reference = priors.standard(config.latent).to(prior.mean.device) if standard else prior
    target = Target(prior, reference, config.kl_direction == "forward", occupied=config.mmd_reference == "modes")
    return _train(run, "adapt", start, shape, (train, held), target, anchors)


def started(start: InfoVAE | None, shape: VAEConfig, train: Chunks) -> InfoVAE:
    """A network as its training begins, on the device of the chunks: `start`, or random weights.

    A linear path begins as the whitened PCA of the training chunks; that of `start` is turned towards its latents.
    """
    vae = (InfoVAE(shape) if start is None else start).to(train.rows.device)
    if vae.linear is not None:
        code = whitened_pca(train, shape.latent)
        vae.linear.start(code if start is None else turned(code, train, start))
    return vae


def initial_adapt_vae(alignment: Alignment, adapt: Episodes) -> InfoVAE:
    """ψ as stage 2 started from it, frozen: what adaptation latents are *before* alignment."""
    config, phi = alignment.config, alignment.pretrain_vae
    if config.adapt_init == "shared":
        return phi
    space = alignment.seen[-1]
    train = chunk(split(adapt, config, alignment.seed)[0], config.chunk, space.compact, device=phi.device)
    slots = space.embodiment.slots
    with seeded(_stage_seed("adapt", alignment.seed), phi.device):
        start = phi.restricted(slots) if config.adapt_init == "pretrained" else None
        return started(start, replace(phi.config, features=len(slots)), train).freeze()


def _stage_seed(name: str, seed: int) -> int:
    return 1000 * seed + 500 * (name == "adapt")


def _train(
    run: Inputs,
    name: str,
    start: InfoVAE | None,
    shape: VAEConfig,
    chunks: tuple[Chunks, Chunks],
    target: Target,
    anchors: tuple[Anchors, Anchors] | None = None,
) -> tuple[InfoVAE, Rows]:
    """Train one stage from `start`'s weights, or from random ones; returns network and metric rows."""
    config, (train, held), device = run.config, chunks, chunks[0].rows.device
    stage_seed = _stage_seed(name, run.seed)
    identity = content_key([name, *run.identity])
    with seeded(stage_seed, device):
        vae = started(start, shape, train)
        if rank():
            # All processes have the leader's weights, but each its own dropout.
            reseed(stage_seed + 10_000 + rank(), device)
        length = config.pretrain_steps if name == "pretrain" else config.adapt_steps
        steps = steps_of(length, config.unit, len(train), config.batch)
        rows = Stage(name, vae, train, held, target, steps, stage_seed, identity, anchors).run(config, run.folder)
    return vae, rows
